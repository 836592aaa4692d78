// codec.kind = "auto": the codec with the shortest way to a given accuracy, of those that go with
// the job, without waiting for those that are far behind.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "daemon/job_codec.h"
#include "daemon/learn/model.h"
#include "daemon/plan.h"
#include "topology/error.h"

namespace kith {
namespace {

constexpr uint32_t kNodes = 8;
constexpr double kParameters = 101'770;

Job job_with(const std::vector<std::string>& overrides) {
  return parse_job(
      "[model]\nkind = \"mlp\"\n[data]\nsource = \"fashion-mnist\"\n[stop]\nepochs = 10\n"
      "[codec]\nkind = \"auto\"\n",
      overrides);
}

const std::vector<std::string> kStar = {"algorithm.kind=sync", "topology.graph=star"};
const std::vector<std::string> kChoco = {"algorithm.kind=choco-sgd"};

std::vector<std::string> and_more(std::vector<std::string> all, const std::string& one) {
  all.push_back(one);
  return all;
}

// Bytes a value, near enough.
double size_of(const std::string& codec) {
  if (codec == "identity") return 4;
  if (codec == "bf16") return 2;
  if (codec == "int8") return 1;
  return codec == "top-k:0.1 | int8" ? 0.17 : 0.02;
}

// A cluster in numbers: every round computes, and then sends.
struct Cluster {
  double compute_seconds = 0.01;
  double bytes_per_second = std::numeric_limits<double>::infinity();
  double coding_seconds = 0;         // a round, of all codecs but identity
  std::string diverges = "nothing";  // a codec
  std::vector<Job> tried = {};
  std::vector<Round> rounds = {};
  std::vector<std::string> told = {};

  CodecChoice choose(const Job& job, TrialLength length = {2, 1000}) {
    const TrialRunner runner = {
        .run =
            [this](const Job& trial, Round round_count) {
              tried.push_back(trial);
              rounds.push_back(round_count);
              return cost_of(trial.codec);
            },
        .on_trial = [this](const CodecTrial& trial) { told.push_back(trial.codec); },
        .length = length};
    return choose_codec(job, kNodes, runner);
  }

  RoundCost cost_of(const std::string& codec) const {
    if (codec == diverges) return {.seconds = std::numeric_limits<double>::infinity()};
    const double bytes = kParameters * size_of(codec);
    const double coding = codec == "identity" ? 0 : coding_seconds;
    return {compute_seconds + coding + bytes / bytes_per_second, coding, bytes};
  }

  bool has_tried(const std::string& codec) const {
    return std::ranges::find(tried, codec, &Job::codec) != tried.end();
  }
};

TEST(CodecChoice, FloatsWhereLinksCostNothing) {
  for (const auto& overrides : {kStar, kChoco}) {
    Cluster cluster;
    const CodecChoice choice = cluster.choose(job_with(overrides));
    EXPECT_EQ(choice.job.codec, "identity");
    EXPECT_EQ(choice.job.memory.kind, MemoryKind::kNone);
    EXPECT_FALSE(codes_down(choice.job));
    EXPECT_FALSE(choice.job.choose_codec);
    EXPECT_EQ(choice.trials.size(), 5u);
    EXPECT_EQ(bytes_per_second(choice.trials), 0);
  }
}

TEST(CodecChoice, TheCoarsestOverSlowLinksWithoutWaitingForFloats) {
  for (const auto& overrides : {kStar, kChoco}) {
    Cluster cluster{.compute_seconds = 1e-3, .bytes_per_second = 1.25e6};
    const CodecChoice choice = cluster.choose(job_with(overrides));
    EXPECT_EQ(choice.job.codec, "top-k:0.01 | int8");
    EXPECT_FALSE(cluster.has_tried("int8"));
    EXPECT_FALSE(cluster.has_tried("identity"));
    EXPECT_NEAR(bytes_per_second(choice.trials), 1.25e6, 1e3);
  }
}

// 10 ms of computing; floats need 4 ms more, bytes 1 ms: 10 % against 2 % more rounds.
TEST(CodecChoice, BytesWhereLinksAreNearlyAsFastAsTheNodes) {
  Cluster cluster{.compute_seconds = 1e-2, .bytes_per_second = 1e8};
  EXPECT_EQ(cluster.choose(job_with(kChoco)).job.codec, "int8");
  EXPECT_EQ(cluster.told.size(), 5u);
}

// The same links, where coding takes longer than sending floats.
TEST(CodecChoice, FloatsWhereCodingTakesLonger) {
  Cluster cluster{.compute_seconds = 1e-2, .bytes_per_second = 1e8, .coding_seconds = 1e-2};
  EXPECT_EQ(cluster.choose(job_with(kChoco)).job.codec, "identity");
}

TEST(CodecChoice, NeverOneThatDiverges) {
  Cluster cluster{
      .compute_seconds = 1e-3, .bytes_per_second = 1.25e6, .diverges = "top-k:0.01 | int8"};
  EXPECT_EQ(cluster.choose(job_with(kChoco)).job.codec, "top-k:0.1 | int8");
}

TEST(CodecChoice, TrialsAreShortAndLeaveTheJobAlone) {
  Cluster cluster;
  const CodecChoice choice = cluster.choose(job_with(kStar), {10, 40});
  for (size_t i = 0; i < cluster.tried.size(); ++i) {
    EXPECT_EQ(cluster.tried[i].rounds, cluster.rounds[i]);
    EXPECT_EQ(cluster.tried[i].report.every, cluster.rounds[i] / 2);
    EXPECT_LE(cluster.rounds[i], 40u);
    EXPECT_EQ(cluster.rounds[i] % 2, 0u);
    EXPECT_FALSE(cluster.tried[i].report.evaluate);
  }
  EXPECT_EQ(choice.job.epochs, 10);
  EXPECT_EQ(choice.job.rounds, 0u);
  EXPECT_EQ(parse_job(choice.job.text).codec, choice.job.codec);
}

// Of a hub that goes on after any one gradient, a node's share of a round is an eighth of a batch.
TEST(CodecChoice, AsManyBatchesWhereARoundHasFew) {
  Cluster cluster;
  cluster.choose(job_with({"algorithm.kind=async", "topology.graph=star"}), {10, 10});
  for (const Round rounds : cluster.rounds) EXPECT_EQ(rounds, 80u);
}

TEST(CodecChoice, MemoryAndDownlinkWhereTheAlgorithmHasThem) {
  for (const CodecCandidate& candidate : codec_candidates(job_with(kStar), kNodes)) {
    const bool coded = candidate.job.codec != "identity";
    EXPECT_EQ(candidate.job.memory.kind == MemoryKind::kErrorFeedback, coded);
    EXPECT_EQ(candidate.job.down, candidate.job.codec);
    EXPECT_GE(candidate.rounds, 1);
  }
  for (const CodecCandidate& candidate : codec_candidates(job_with(kChoco), kNodes)) {
    EXPECT_EQ(candidate.job.memory.kind, MemoryKind::kNone);  // it would send things twice
    EXPECT_FALSE(codes_down(candidate.job));
    const double gamma = candidate.job.algorithm.options.number("gamma");
    if (candidate.job.codec == "top-k:0.01 | int8") {
      EXPECT_DOUBLE_EQ(gamma, 0.05);
    }
  }
}

TEST(CodecChoice, WhatTheJobSaysStands) {
  const Job plain = job_with(and_more(kStar, "codec.memory=none"));
  for (const CodecCandidate& candidate : codec_candidates(plain, kNodes)) {
    EXPECT_EQ(candidate.job.memory.kind, MemoryKind::kNone);
    EXPECT_FALSE(make_codec(candidate.job.codec)->sends_some()) << candidate.job.codec;
  }
  const Job down = job_with(and_more(kStar, "codec.down=int8"));
  for (const CodecCandidate& candidate : codec_candidates(down, kNodes)) {
    EXPECT_EQ(candidate.job.down, "int8");
  }
  const Job step = job_with(and_more(kChoco, "algorithm.gamma=0.25"));
  bool coarsest = false;
  for (const CodecCandidate& candidate : codec_candidates(step, kNodes)) {
    EXPECT_EQ(candidate.job.algorithm.options.number("gamma"), 0.25);
    coarsest = coarsest || candidate.job.codec == "top-k:0.01 | int8";  // 0.05 at the most
  }
  EXPECT_FALSE(coarsest);
}

// Every algorithm has at least floats, but those that go with one codec alone.
TEST(CodecChoice, EveryAlgorithmHasCandidatesThatAreValid) {
  for (const AlgorithmInfo* info : all_algorithms()) {
    if (info->codec != nullptr) continue;
    const std::string graph = info->needs.star                     ? "star"
                              : info->needs.eigenvalues_above > -1 ? "complete"
                                                                   : "ring";
    const Job job =
        job_with({std::string("algorithm.kind=") + info->name, "topology.graph=" + graph});
    const std::vector<CodecCandidate> candidates = codec_candidates(job, kNodes);
    ASSERT_FALSE(candidates.empty()) << info->name;
    EXPECT_EQ(candidates.back().job.codec, "identity") << info->name;
    for (const CodecCandidate& candidate : candidates) {
      EXPECT_NO_THROW(validate(candidate.job, kNodes)) << info->name;
    }
  }
}

TEST(CodecChoice, IsRefusedWhereItCannotBe) {
  EXPECT_THROW(job_with({"codec.per_layer=true"}), OperatorError);
  const Job job = job_with(kChoco);
  const auto model = model_info("mlp").make({784, 10}, kNodes, job.model.options);
  EXPECT_THROW(make_plan(job, kNodes, *model, 1000), OperatorError);  // a daemon that is sent it
}

}  // namespace
}  // namespace kith
