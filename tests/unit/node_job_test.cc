// The job file: what is absent, what is overridden, and that every refusal names the key and the
// remedy.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "daemon/job.h"
#include "daemon/job_nearest.h"
#include "daemon/job_text.h"
#include "topology/error.h"

namespace kith {
namespace {

const std::string kSmallest =
    "[model]\nkind = \"softmax\"\n[data]\nsource = \"fashion-mnist\"\n[stop]\nrounds = 10\n";

std::string refusal(const std::string& toml, const std::vector<std::string>& overrides = {}) {
  try {
    parse_job(toml, overrides);
  } catch (const OperatorError& error) {
    return error.what();
  }
  return "";
}

std::string refusal_for(const std::string& toml, uint32_t nodes,
                        const std::vector<std::string>& overrides) {
  const Job job = parse_job(toml, overrides);
  try {
    validate(job, nodes);
  } catch (const OperatorError& error) {
    return error.what();
  }
  return "";
}

void expect_all(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    EXPECT_NE(text.find(part), std::string::npos) << "\"" << part << "\" is not in: " << text;
  }
}

TEST(Job, DefaultsOfWhatIsAbsent) {
  const Job job = parse_job(kSmallest);
  EXPECT_EQ(job.seed, 1u);
  EXPECT_EQ(job.algorithm.kind, "dpsgd");
  EXPECT_EQ(job.algorithm.options.integer("local_steps"), 1);
  EXPECT_EQ(job.graph.kind, "ring");
  EXPECT_EQ(job.codec, "identity");
  EXPECT_EQ(job.memory.kind, MemoryKind::kNone);
  EXPECT_EQ(job.train.batch.size, 32u);
  EXPECT_FLOAT_EQ(job.train.optimizer.learning_rate, 0.1f);
  EXPECT_EQ(job.data.partition, "iid");
  EXPECT_EQ(job.rounds, 10u);
  EXPECT_EQ(job.text, kSmallest);
}

TEST(Job, OptimiserAndVarianceReductionAreRead) {
  const Job sgd = parse_job(kSmallest, {"train.momentum=0.9"});
  EXPECT_EQ(sgd.train.optimizer.kind, OptimizerSpec::Kind::kSgd);
  EXPECT_FLOAT_EQ(sgd.train.optimizer.momentum, 0.9f);
  EXPECT_FALSE(sgd.train.svrg_period);
  const Job job = parse_job(kSmallest, {"train.optimizer=adamw", "train.beta2=0.95",
                                        "train.weight_decay=0.1", "train.variance_reduction=svrg"});
  EXPECT_EQ(job.train.optimizer.kind, OptimizerSpec::Kind::kAdamW);
  EXPECT_EQ(job.train.optimizer.beta1, 0.9);
  EXPECT_EQ(job.train.optimizer.beta2, 0.95);
  EXPECT_EQ(job.train.optimizer.epsilon, 1e-8);
  EXPECT_FLOAT_EQ(job.train.optimizer.weight_decay, 0.1f);
  EXPECT_EQ(job.train.svrg_period, uint64_t{0});
}

TEST(Job, EveryDefaultInTheTableIsInItsOwnRange) {
  for (const JobKey& key : job_keys()) {
    EXPECT_NO_THROW(Options("test", {key.spec}, {{key.spec.key, key.spec.fallback}}))
        << key.section << "." << key.spec.key;
  }
}

TEST(Job, UnitsOfDelays) {
  const Job job =
      parse_job(kSmallest + "[delays]\nlatency_ms = 5\nbandwidth_mbit = 80\nloss = 0.25\n");
  EXPECT_DOUBLE_EQ(job.delays.latency, 0.005);
  EXPECT_DOUBLE_EQ(job.delays.bandwidth, 1e7);
  EXPECT_DOUBLE_EQ(job.delays.loss, 0.25);
}

TEST(Job, OverridesChangeTheJobAndItsText) {
  const std::vector<std::string> overrides = {
      "train.batch=64",      "topology.graph=torus", "codec.kind=top-k:0.01",
      "train.nesterov=true", "train.momentum=0.9",   "train.milestones=[0.25, 0.5]"};
  const Job job = parse_job(kSmallest, overrides);
  EXPECT_EQ(job.train.batch.size, 64u);
  EXPECT_EQ(job.graph.kind, "torus");
  EXPECT_EQ(job.codec, "top-k:0.01");
  EXPECT_EQ(job.train.optimizer.schedule.milestones, (std::vector<double>{0.25, 0.5}));
  const Job again = parse_job(job.text);
  EXPECT_EQ(again.train.batch.size, 64u);
  EXPECT_EQ(again.codec, "top-k:0.01");
  EXPECT_TRUE(again.train.optimizer.nesterov);
}

TEST(Job, MemoriesThatDoNotFitAreRefused) {
  const std::vector<std::string> sync = {"algorithm.kind=sync", "topology.graph=star"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), sync.begin(), sync.end());
    return refusal(kSmallest, more);
  };
  EXPECT_EQ(with({"codec.memory=ef21", "codec.momentum=0.9", "codec.kind=sign"}), "");
  EXPECT_EQ(with({"codec.memory=dgc", "codec.kind=top-k:0.01", "codec.warm_up=9"}), "");
  expect_all(
      refusal(kSmallest, {"codec.memory=ef21", "algorithm.kind=async", "topology.graph=star"}),
      {"codec.memory", "ef21", "\"sync\""});
  expect_all(refusal(kSmallest, {"codec.memory=dgc", "codec.kind=top-k:0.1"}),
             {"codec.memory", "dgc", "\"sync\""});
  expect_all(with({"codec.memory=dgc", "codec.kind=sign"}), {"some of the values", "\"sign\""});
  expect_all(with({"codec.memory=dgc", "codec.kind=top-k:0.1", "train.momentum=0.9"}),
             {"codec.momentum", "train.momentum"});
  expect_all(with({"codec.memory=dgc", "codec.kind=threshold:1", "codec.warm_up=9"}),
             {"codec.warm_up", "threshold:1"});
  expect_all(with({"codec.momentum=0.9"}), {"codec.momentum", "train.momentum"});
  expect_all(with({"codec.clip=1"}), {"codec.clip", "dgc"});
  expect_all(with({"codec.error_feedback=true"}), {"codec.error_feedback", "codec.memory"});
}

TEST(Job, TextReadsBackBitForBit) {
  JobSections sections;
  sections["a"]["third"] = 1.0 / 3;
  sections["a"]["tiny"] = 5e-324;
  sections["a"]["whole"] = 2.0;
  sections["a"]["integer"] = int64_t{-7};
  sections["a"]["text"] = std::string("quote \" backslash \\ newline \n");
  sections["b"]["list"] = std::vector<double>{0.1, 2, 1e300};
  sections["b"]["flag"] = true;
  EXPECT_EQ(read_sections(write_sections(sections)), sections);
}

TEST(Job, FileGivesTheNameThatIsAbsent) {
  const auto path = std::filesystem::temp_directory_path() / "kith job test.toml";
  FILE* file = std::fopen(path.c_str(), "w");
  ASSERT_NE(file, nullptr);
  std::fputs(kSmallest.c_str(), file);
  std::fclose(file);
  const Job job = load_job(path);
  std::filesystem::remove(path);
  EXPECT_EQ(job.name, "kith-job-test");
  EXPECT_EQ(parse_job(job.text).name, "kith-job-test");
}

TEST(Job, MissingFileIsNamed) {
  try {
    load_job("no/such/job.toml");
    FAIL() << "a file that is not there was read";
  } catch (const OperatorError& error) {
    expect_all(error.what(), {"no/such/job.toml", "TOML file"});
  }
}

TEST(Job, SyntaxErrorsCarryLineAndColumn) {
  expect_all(refusal("[model]\nkind = \n"), {"line 2, column"});
  expect_all(refusal("seed = 1\n"), {"line 1", "seed", "[train]"});
  expect_all(refusal("[train]\nbatch = [\"a\"]\n"), {"line 2", "train.batch"});
}

TEST(Job, UnknownNamesGetTheNearestKnownOne) {
  expect_all(refusal(kSmallest + "[tarin]\nbatch = 1\n"), {"[tarin]", "did you mean train?"});
  expect_all(refusal(kSmallest, {"train.learning_rat=1"}),
             {"train.learning_rat ", "did you mean train.learning_rate?"});
  expect_all(refusal(kSmallest, {"train.rounds=1"}), {"did you mean stop.rounds?"});
  expect_all(refusal(kSmallest, {"model.hidden=3"}),
             {"model.hidden", "model.kind = \"mlp\"", "it is \"softmax\""});
  expect_all(refusal(kSmallest, {"topology.graph=rign"}),
             {"topology.graph", "\"rign\"", "did you mean ring?"});
  expect_all(refusal(kSmallest, {"model.kind=softmx"}), {"model.kind", "did you mean softmax?"});
  expect_all(refusal(kSmallest, {"algorithm.kind=dspgd"}), {"did you mean dpsgd?"});
  expect_all(refusal(kSmallest, {"train.zzzzzzzz=1"}), {"train.zzzzzzzz", "known are", "batch"});
}

TEST(Job, WrongTypesAndRangesNameTheKey) {
  expect_all(refusal(kSmallest, {"train.batch=0"}), {"train.batch", "between 1 and"});
  expect_all(refusal(kSmallest, {"train.batch=1.5"}), {"train.batch", "1.5", "integer"});
  expect_all(refusal(kSmallest, {"train.nesterov=1"}), {"train.nesterov", "true or false"});
  expect_all(refusal(kSmallest, {"job.name=3"}), {"job.name", "name = \"3\""});
  expect_all(refusal(kSmallest, {"delays.loss=1.5"}), {"delays.loss", "between 0 and"});
  expect_all(refusal(kSmallest, {"train.schedule=linear"}), {"train.schedule", "\"cosine\""});
  expect_all(refusal(kSmallest, {"job.name=a/b"}), {"job.name", "letters"});
  expect_all(refusal(kSmallest, {"train.learning_rate=0"}), {"train.learning_rate", "0.1"});
  expect_all(refusal(kSmallest, {"nonsense"}), {"section.key=value", "nonsense"});
  expect_all(refusal(kSmallest, {"data.partition=dirichlet:0"}), {"data.partition", "ALPHA"});
  expect_all(refusal(kSmallest, {"data.partition=shards:1.5"}), {"data.partition", "shards:K"});
  expect_all(refusal(kSmallest, {"codec.kind=gzip"}), {"gzip", "identity"});
  expect_all(refusal(kSmallest, {"delays.compute=pareto"}), {"pareto"});
}

TEST(Job, WhatIsMissingIsNamed) {
  expect_all(refusal("[stop]\nrounds = 1\n"), {"model.kind is missing", "softmax"});
  expect_all(refusal("[model]\nkind = \"softmax\"\n[stop]\nrounds = 1\n"),
             {"softmax", "data.source", "fashion-mnist"});
  expect_all(refusal(kSmallest, {"stop.rounds=0"}), {"stop.rounds", "stop.epochs"});
  expect_all(refusal(kSmallest, {"train.schedule=step"}), {"train.milestones", "[0.5, 0.75]"});
  expect_all(refusal(kSmallest, {"train.nesterov=true"}), {"train.momentum"});
}

TEST(Job, ImpossiblePairsSayWhatWouldWork) {
  expect_all(
      refusal(kSmallest, {"algorithm.kind=sync"}),
      {"algorithm.kind = \"sync\" needs topology.graph = \"star\", but it is \"ring\"", "dpsgd"});
  expect_all(refusal(kSmallest, {"stop.epochs=2"}), {"stop.rounds", "stop.epochs", "both"});
  const std::string lab = "[model]\nkind = \"quadratic\"\n[stop]\nrounds = 5\n";
  EXPECT_EQ(refusal(lab), "");
  expect_all(refusal(lab, {"data.source=fashion-mnist"}), {"quadratic", "remove data.source"});
  expect_all(refusal(lab, {"stop.rounds=0", "stop.epochs=1"}), {"stop.epochs", "stop.rounds"});
}

TEST(Job, WrongTrainingPairsNameTheKey) {
  expect_all(refusal(kSmallest, {"train.optimizer=adam"}),
             {"train.optimizer", "\"adam\"", "sgd, adamw", "did you mean adamw?"});
  expect_all(refusal(kSmallest, {"train.optimizer=adamw", "train.momentum=0.9"}),
             {"train.momentum belongs to train.optimizer = \"sgd\"", "it is \"adamw\""});
  expect_all(refusal(kSmallest, {"train.optimizer=adamw", "train.nesterov=true"}),
             {"train.nesterov", "\"sgd\""});
  for (const char* key : {"train.beta1", "train.beta2", "train.epsilon"}) {
    expect_all(refusal(kSmallest, {std::string(key) + "=0.5"}),
               {key, "belongs to train.optimizer = \"adamw\"", "it is \"sgd\""});
    expect_all(refusal(kSmallest, {"train.optimizer=adamw", std::string(key) + "=2"}),
               {key, "between"});
  }
  expect_all(refusal(kSmallest, {"train.batch_factor=2"}),
             {"train.batch_factor is 2", "train.batch_milestones"});
  expect_all(refusal(kSmallest, {"train.batch_milestones=[0.5]"}), {"train.batch_factor above 1"});
  const std::string grows = "train.batch_factor=2";
  expect_all(refusal(kSmallest, {"train.batch_milestones=[0.5, 0.25]", grows}),
             {"train.batch_milestones must rise"});
  expect_all(refusal(kSmallest, {"train.batch_milestones=[1.5]", grows}),
             {"train.batch_milestones", "between 0 and 1"});
  expect_all(refusal(kSmallest, {"train.batch_milestones=[0.2, 0.4]", "train.batch_factor=1000"}),
             {"train.batch = 32", "grows to 32000000", "train.batch_factor", "1048576"});
  expect_all(refusal(kSmallest, {"train.svrg_period=5"}),
             {"train.svrg_period is 5", "train.variance_reduction = \"svrg\""});
  expect_all(refusal(kSmallest, {"train.variance_reduction=saga"}),
             {"train.variance_reduction", "\"svrg\""});
  const std::string lab = "[model]\nkind = \"quadratic\"\n[stop]\nrounds = 5\n";
  expect_all(refusal(lab, {"train.batch_milestones=[0.5]", grows}),
             {"train.batch_milestones", "model.kind = \"quadratic\""});
  expect_all(refusal(lab, {"train.variance_reduction=svrg"}),
             {"train.svrg_period = 0", "model.kind = \"quadratic\"", "from 1"});
  EXPECT_EQ(refusal(lab, {"train.variance_reduction=svrg", "train.svrg_period=10"}), "");
}

TEST(Job, UnevenWeightsAreRefusedForDpsgd) {
  expect_all(refusal_for(kSmallest, 8, {"topology.graph=star", "topology.weights=uniform"}),
             {"dpsgd", "topology.weights = \"uniform\"", "\"star\"", "metropolis"});
  EXPECT_EQ(refusal_for(kSmallest, 8, {"topology.weights=uniform"}), "");
  EXPECT_EQ(refusal_for(kSmallest, 8, {"topology.graph=star"}), "");
}

// Decoding together takes a hub that averages all of them, and a node that remembers nothing.
// A sender is N - 1 rounds ahead of the receiver at most, and 63 are kept.
TEST(Job, ADirectedRingThatIsTooLongIsRefused) {
  EXPECT_EQ(refusal_for(kSmallest, 64, {"topology.graph=\"directed-ring\""}), "");
  expect_all(refusal_for(kSmallest, 65, {"topology.graph=\"directed-ring\""}),
             {"directed-ring", "65 nodes", "64 rounds ahead", "63 are kept"});
  EXPECT_EQ(refusal_for(kSmallest, 5000, {"topology.graph=\"static-exponential\""}), "");
}

TEST(Job, WhatDecodesJointlyNeedsAPlainMeanOfAll) {
  const std::string codec = "codec.kind=rand-k-spatial:0.01:avg";
  for (const char* kind : {"dpsgd", "k-sync", "async", "local-sgd", "fedavg", "easgd"}) {
    const std::string graph = kind == std::string("dpsgd") ? "ring" : "star";
    expect_all(
        refusal_for(kSmallest, 8,
                    {codec, "topology.graph=" + graph, std::string("algorithm.kind=") + kind}),
        {"codec.kind = \"rand-k-spatial:0.01:avg\"", kind, "\"sync\"", "\"rand-k:F\""});
  }
  const std::vector<std::string> sync = {codec, "topology.graph=star", "algorithm.kind=sync"};
  EXPECT_EQ(refusal_for(kSmallest, 8, sync), "");
  std::vector<std::string> feedback = sync;
  feedback.emplace_back("codec.memory=error-feedback");
  expect_all(refusal_for(kSmallest, 8, feedback), {"codec.memory", "\"rand-k:F\""});
}

TEST(Job, SignSgdHasACodeOfItsOwn) {
  std::vector<std::string> keys = {"topology.graph=star", "algorithm.kind=signsgd"};
  EXPECT_EQ(refusal_for(kSmallest, 8, keys), "");
  keys.emplace_back("codec.kind=sign");
  expect_all(refusal_for(kSmallest, 8, keys), {"signsgd", "codec.kind", "sync"});
}

// An even ring with weights 1/3 has an eigenvalue of -1/3 exactly; an odd one has none so low.
TEST(Job, D2NeedsEigenvaluesAboveMinusOneThird) {
  const std::string d2 = "algorithm.kind=d2";
  for (const uint32_t nodes : {4u, 8u, 64u}) {
    expect_all(refusal_for(kSmallest, nodes, {d2}), {"d2", "-0.333333", "topology.graph = \"ring\"",
                                                     "\"lazy-metropolis\"", "\"extra\""});
    EXPECT_EQ(refusal_for(kSmallest, nodes, {d2, "topology.weights=lazy-metropolis"}), "");
    EXPECT_EQ(refusal_for(kSmallest, nodes, {d2, "topology.weights=lazy-best-constant"}), "");
    EXPECT_EQ(refusal_for(kSmallest, nodes, {"algorithm.kind=extra"}), "");
  }
  for (const uint32_t nodes : {1u, 2u, 3u, 5u, 63u}) {
    EXPECT_EQ(refusal_for(kSmallest, nodes, {d2}), "");
  }
  EXPECT_EQ(refusal_for(kSmallest, 8, {d2, "topology.graph=star"}), "");
  expect_all(refusal_for(kSmallest, 8, {d2, "topology.weights=best-constant"}),
             {"topology.weights = \"best-constant\"", "\"lazy-best-constant\""});
  expect_all(refusal_for(kSmallest, 8, {"topology.graph=star", "topology.weights=lazy-uniform"}),
             {"\"lazy-uniform\"", "metropolis"});
  expect_all(refusal_for(kSmallest, 8, {d2, "topology.graph=static-exponential"}),
             {"d2", "both ways", "ring"});
}

TEST(Job, WhatAddsUpMessagesNeedsACodecThatLosesNothing) {
  for (const char* kind :
       {"d2", "extra", "gradient-tracking", "k-gt", "dmsgd", "quasi-global-momentum"}) {
    const std::vector<std::string> keys = {std::string("algorithm.kind=") + kind,
                                           "topology.graph=complete"};
    for (const char* codec : {"top-k:0.1", "qsgd:15", "fp16", "identity", "zstd"}) {
      std::vector<std::string> all = keys;
      all.push_back(std::string("codec.kind=") + codec);
      const std::string refused = refusal_for(kSmallest, 8, all);
      if (make_codec(codec)->lossless()) {
        EXPECT_EQ(refused, "");
      } else {
        expect_all(refused, {kind, codec, "identity", "choco-sgd"});
      }
    }
  }
}

TEST(Job, MomentumOfTheOptimiserIsRefusedWhereTheAlgorithmHasItsOwn) {
  for (const char* kind : {"dmsgd", "quasi-global-momentum", "k-gt"}) {
    expect_all(
        refusal_for(kSmallest, 8, {std::string("algorithm.kind=") + kind, "train.momentum=0.9"}),
        {kind, "train.momentum = 0", "algorithm."});
    EXPECT_NE(
        refusal_for(kSmallest, 8, {std::string("algorithm.kind=") + kind, "train.optimizer=adamw"}),
        "");
  }
  EXPECT_EQ(refusal_for(kSmallest, 8, {"algorithm.kind=gradient-tracking", "train.momentum=0.9"}),
            "");
}

// A star goes on without a dead node, or back to a checkpoint: not both.
TEST(Job, WhoGoesOnWithoutASilentNode) {
  const auto goes = [](const std::vector<std::string>& overrides) {
    const Job job = parse_job(kSmallest, overrides);
    return goes_on(job, *make_graph(job, 4));
  };
  const std::string star = "topology.graph=\"star\"";
  for (const AlgorithmInfo* info : all_algorithms()) {
    const std::string graph = info->needs.star ? star : "topology.graph=\"ring\"";
    EXPECT_TRUE(goes({graph, std::string("algorithm.kind=") + info->name})) << info->name;
  }
  const std::string sync = "algorithm.kind=\"sync\"";
  EXPECT_FALSE(goes({star, sync, "topology.when_silent=\"wait\""}));
  EXPECT_FALSE(goes({star, sync, "checkpoint.every=5"}));
  const std::string one_way = "topology.graph=\"static-exponential\"";
  EXPECT_TRUE(goes({one_way, "algorithm.kind=\"dpsgd\""}));
  EXPECT_FALSE(goes({one_way, "algorithm.kind=\"gradient-tracking\""}));
  const std::vector<std::string> both = {star, sync, "checkpoint.every=5",
                                         "topology.when_silent=\"go-on\""};
  expect_all(refusal_for(kSmallest, 4, both), {"topology.when_silent", "checkpoint.every"});
}

TEST(Job, NoNodesAreRefused) { expect_all(refusal_for(kSmallest, 0, {}), {"-n is 0", "1"}); }

TEST(Job, EpochsBecomeRounds) {
  Job job = parse_job(
      kSmallest, {"stop.rounds=0", "stop.epochs=2", "train.batch=10", "algorithm.local_steps=4"});
  EXPECT_EQ(rounds_of(job, 4, 1000), 50u);  // 2 x 1000 rows, 40 a round
  EXPECT_EQ(rounds_of(job, 4, 1001), 51u);  // the rest is a round, too
  EXPECT_EQ(rounds_of(job, 4, 1), 1u);
  // A batch is no larger than the shard: 2 passes over 5 rows are 2 batches.
  job = parse_job(kSmallest, {"stop.rounds=0", "stop.epochs=2", "train.batch=10"});
  EXPECT_EQ(rounds_of(job, 4, 5), 2u);
  job = parse_job(kSmallest);
  EXPECT_EQ(rounds_of(job, 4, 1000), 10u);
}

TEST(Job, EpochsStayWhatTheyAreWhenTheBatchGrows) {
  const Job job =
      parse_job(kSmallest, {"stop.rounds=0", "stop.epochs=3", "train.batch=10",
                            "train.batch_milestones=[0.5, 0.75]", "train.batch_factor=2"});
  // T batches: T/2 of 10, T/4 of 20, T/4 of 40 = 20 T samples; 3 x 1000 are T = 150, where the
  // quarter of 150 is 37.5: 75 x 10 + 38 x 20 + 37 x 40 = 2990, so that it takes 151.
  EXPECT_EQ(rounds_of(job, 4, 1000), 151u);
  EXPECT_EQ(rounds_of(job, 4, 2000), 300u);  // 150 x 10 + 75 x 20 + 75 x 40 = 6000
  for (const double rows : {37.0, 999.5, 60000.0 / 7}) {
    const auto most = static_cast<uint64_t>(std::ceil(rows));
    const Round rounds = rounds_of(job, 4, rows);
    EXPECT_GE(static_cast<double>(job.train.batch.before(rounds, rounds, most)), 3 * rows);
    EXPECT_LT(static_cast<double>(job.train.batch.before(rounds - 1, rounds - 1, most)), 3 * rows);
  }
}

TEST(Job, ExamplesAreGood) {
  size_t count = 0;
  const std::filesystem::path folder = std::filesystem::path(KITH_SOURCE_DIR) / "examples";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".toml") continue;
    SCOPED_TRACE(entry.path());
    EXPECT_NO_THROW(validate(load_job(entry.path()), 8));
    ++count;
  }
  EXPECT_GE(count, 4u);
}

TEST(Nearest, OneSlipOfTheFingerIsFoundAndNonsenseIsNot) {
  const std::vector<std::string> known = {"batch", "momentum", "seed"};
  EXPECT_EQ(nearest("bacth", known), "batch");
  EXPECT_EQ(nearest("momentun", known), "momentum");
  EXPECT_EQ(nearest("sed", known), "seed");
  EXPECT_EQ(nearest("qqqqqq", known), "");
}

}  // namespace
}  // namespace kith
