// The job file: what is absent, what is overridden, and that every refusal names the key and the
// remedy.
#include <gtest/gtest.h>

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
  EXPECT_FALSE(job.error_feedback);
  EXPECT_EQ(job.train.batch, 32u);
  EXPECT_FLOAT_EQ(job.train.optimizer.learning_rate, 0.1f);
  EXPECT_EQ(job.data.partition, "iid");
  EXPECT_EQ(job.rounds, 10u);
  EXPECT_EQ(job.text, kSmallest);
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
  EXPECT_EQ(job.train.batch, 64u);
  EXPECT_EQ(job.graph.kind, "torus");
  EXPECT_EQ(job.codec, "top-k:0.01");
  EXPECT_EQ(job.train.optimizer.schedule.milestones, (std::vector<double>{0.25, 0.5}));
  const Job again = parse_job(job.text);
  EXPECT_EQ(again.train.batch, 64u);
  EXPECT_EQ(again.codec, "top-k:0.01");
  EXPECT_TRUE(again.train.optimizer.nesterov);
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

TEST(Job, UnevenWeightsAreRefusedForDpsgd) {
  expect_all(refusal_for(kSmallest, 8, {"topology.graph=star", "topology.weights=uniform"}),
             {"dpsgd", "topology.weights = \"uniform\"", "\"star\"", "metropolis"});
  EXPECT_EQ(refusal_for(kSmallest, 8, {"topology.weights=uniform"}), "");
  EXPECT_EQ(refusal_for(kSmallest, 8, {"topology.graph=star"}), "");
}

TEST(Job, NoNodesAreRefused) { expect_all(refusal_for(kSmallest, 0, {}), {"-n is 0", "1"}); }

TEST(Job, EpochsBecomeRounds) {
  Job job = parse_job(
      kSmallest, {"stop.rounds=0", "stop.epochs=2", "train.batch=10", "algorithm.local_steps=4"});
  EXPECT_EQ(rounds_of(job, 4, 1000), 50u);  // 2 x 1000 rows, 40 a round
  EXPECT_EQ(rounds_of(job, 4, 1001), 51u);  // the rest is a round, too
  EXPECT_EQ(rounds_of(job, 4, 1), 1u);
  job = parse_job(kSmallest);
  EXPECT_EQ(rounds_of(job, 4, 1000), 10u);
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
