// Files of a run: what is written reads back, and what is broken is refused with its name.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "daemon/store/file.h"
#include "daemon/store/hash.h"
#include "daemon/store/result.h"
#include "daemon/store/run_folder.h"
#include "daemon/store/safetensors.h"
#include "topology/error.h"
#include "topology/rng.h"

namespace kith {
namespace {

namespace fs = std::filesystem;

class Store : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("kith-store-" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  void expect_refused(const std::string& bytes, const std::string& why) {
    const fs::path path = folder_ / "broken.safetensors";
    write_atomically(path, bytes);
    try {
      read_safetensors(path);
      ADD_FAILURE() << "was read, although: " << why;
    } catch (const OperatorError& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find("broken.safetensors"), std::string::npos) << text;
      EXPECT_NE(text.find(why), std::string::npos) << text;
    }
  }

  fs::path folder_;
};

std::string with_header(const std::string& header, const std::string& values = "") {
  const uint64_t length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  return file + header + values;
}

TEST_F(Store, SafetensorsRoundTrip) {
  const std::vector<TensorSpec> tensors = {
      {"layers.0.weight", {3, 4}}, {"layers.0.bias", {3}}, {"empty", {0, 7}}, {"scalar", {}}};
  std::vector<float> values(3 * 4 + 3 + 0 + 1);
  Rng rng(7, NodeId{0}, Purpose::kTest);
  rng.fill_normal(values);
  values[2] = -0.0f;
  values[5] = std::numeric_limits<float>::denorm_min();
  const Metadata metadata = {{"format", "kith"}, {"job", "a \"quoted\" name"}};
  write_safetensors(folder_ / "m.safetensors", tensors, values, metadata);

  const StoredTensors stored = read_safetensors(folder_ / "m.safetensors");
  EXPECT_EQ(stored.metadata, metadata);
  ASSERT_EQ(stored.values.size(), values.size());
  EXPECT_EQ(std::memcmp(stored.values.data(), values.data(), values.size() * sizeof(float)), 0);
  ASSERT_EQ(stored.tensors.size(), tensors.size());
  EXPECT_EQ(stored.tensors[0].name, "layers.0.weight");
  EXPECT_EQ(stored.tensors[0].shape, (std::vector<size_t>{3, 4}));
  EXPECT_EQ(stored.tensors[1].shape, (std::vector<size_t>{3}));
}

// huggingface/safetensors, README "Format": header length, JSON, values.
TEST_F(Store, SafetensorsLayout) {
  const std::vector<float> values = {1.0f, 2.0f};
  write_safetensors(folder_ / "m", {{"x", {2}}}, values, {});
  const std::string file = read_file(folder_ / "m");
  uint64_t length = 0;
  std::memcpy(&length, file.data(), 8);
  EXPECT_EQ(length % 8, 0u);
  ASSERT_EQ(file.size(), 8 + length + 8);
  const auto header = nlohmann::json::parse(file.substr(8, length));
  EXPECT_EQ(header["x"]["dtype"], "F32");
  EXPECT_EQ(header["x"]["data_offsets"], (nlohmann::json{0, 8}));
  EXPECT_EQ(std::memcmp(file.data() + 8 + length, values.data(), 8), 0);
}

TEST_F(Store, EveryTruncationIsRefused) {
  const std::vector<float> values = {1, 2, 3, 4};
  write_safetensors(folder_ / "m", {{"x", {2, 2}}}, values, {{"format", "kith"}});
  const std::string whole = read_file(folder_ / "m");
  for (size_t length = 0; length < whole.size(); ++length) {
    SCOPED_TRACE(length);
    write_atomically(folder_ / "cut", std::string_view(whole).substr(0, length));
    EXPECT_THROW(read_safetensors(folder_ / "cut"), OperatorError);
  }
}

TEST_F(Store, GarbageIsRefused) {
  Rng rng(11, NodeId{0}, Purpose::kTest);
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(testing::Message() << "seed 11, round " << round);
    std::string bytes(rng.below(200), '\0');
    for (char& byte : bytes) byte = static_cast<char>(rng.next());
    write_atomically(folder_ / "garbage", bytes);
    EXPECT_THROW(read_safetensors(folder_ / "garbage"), OperatorError);
  }
}

TEST_F(Store, LyingHeadersAreRefused) {
  expect_refused(std::string(8, '\xff'), "header is longer");
  expect_refused(with_header("[1]"), "not a JSON object");
  const std::string eight(8, '\0');
  const auto entry = [](const std::string& rest) { return "{\"x\":{" + rest + "}}"; };
  expect_refused(with_header(entry(R"("dtype":"F64","shape":[1],"data_offsets":[0,8])"), eight),
                 "\"x\"");
  expect_refused(with_header(entry(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"), eight),
                 "\"x\"");
  expect_refused(with_header(entry(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), eight),
                 "\"x\"");
  expect_refused(with_header(entry(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), eight),
                 "out of place");
  expect_refused(with_header(entry(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), eight),
                 "cut short or too many");
  // 2^62 floats: the product of bytes overflows 64 bits to 0.
  expect_refused(
      with_header(entry(R"("dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0])")),
      "\"x\"");
  expect_refused(with_header("{\"__metadata__\":{\"a\":1}}"), "metadata");
}

TEST_F(Store, MissingFolderIsTheOperatorsToFix) {
  EXPECT_THROW(write_atomically(folder_ / "no" / "file", "x"), OperatorError);
  EXPECT_THROW(read_file(folder_ / "absent"), OperatorError);
}

TEST_F(Store, WritingLeavesNothingElseBehind) {
  write_atomically(folder_ / "a", "one");
  write_atomically(folder_ / "a", "two");
  EXPECT_EQ(read_file(folder_ / "a"), "two");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

// XXH3-128 of nothing with seed 0, from the xxHash specification's sanity values.
TEST(Hash, OfNothing) { EXPECT_EQ(hash_parameters({}), "99aa06d3014798d86001c324468d497f"); }

TEST(Hash, DependsOnEveryBitAndOnTheOrder) {
  const std::vector<float> a = {1, 2};
  std::vector<float> b = {3, 4};
  const std::vector<float> whole = {1, 2, 3, 4};
  const std::vector<std::span<const float>> parts = {a, b};
  const std::vector<std::span<const float>> swapped = {b, a};
  const std::vector<std::span<const float>> one = {whole};
  const std::string before = hash_parameters(parts);
  EXPECT_EQ(before, hash_parameters(one));
  EXPECT_NE(before, hash_parameters(swapped));
  b[1] = std::nextafter(b[1], 5.0f);
  EXPECT_NE(before, hash_parameters(parts));
}

Job laboratory_job(const std::vector<std::string>& overrides = {}) {
  return parse_job(
      "[job]\nname = \"lab\"\n[model]\nkind = \"quadratic\"\nreplicas = 4\n"
      "[stop]\nrounds = 10\n",
      overrides);
}

struct Finished {
  Job job = laboratory_job();
  std::unique_ptr<Model> model = model_info("quadratic").make({}, 2, job.model.options);
  std::vector<float> x0 = {1, 2, 3, 4};
  std::vector<float> x1 = {3, 2, 3, 8};
  std::vector<NodeOutcome> outcomes{
      {.parameters = x0, .rounds = 10, .loss = 1, .batches = 10, .bytes_sent = 100},
      {.parameters = x1, .rounds = 10, .loss = 3, .batches = 10, .bytes_sent = 300}};
};

TEST(Result, LaboratoryByHand) {
  const Finished run;
  const RunResult result = summarise(run.job, *run.model, nullptr, run.outcomes, {2.0, 5.0}, 2);
  EXPECT_DOUBLE_EQ(result.loss, 2);
  EXPECT_DOUBLE_EQ(result.bytes_sent_per_node, 200);
  // Up and down, 4 floats of 4 bytes, 10 batches.
  EXPECT_DOUBLE_EQ(result.bytes_synchronous_per_node, 2 * 4 * 4 * 10);
  // Averages 2 2 3 6: each node is 1 0 0 2 away.
  EXPECT_DOUBLE_EQ(result.consensus_distance, 1 + 4);
  ASSERT_TRUE(result.laboratory);
  const LaboratoryResult& lab = *result.laboratory;
  EXPECT_EQ(lab.replicas, 4u);
  EXPECT_DOUBLE_EQ(lab.mean_of_average.value, 13.0 / 4);
  const double variance = (1.5625 + 1.5625 + 0.0625 + 7.5625) / 3;
  EXPECT_NEAR(lab.variance_of_average.value, variance, 1e-12);
  // Deviations squared 1.5625 1.5625 0.0625 7.5625: second moment 2.6875, fourth 15.51953125.
  EXPECT_NEAR(lab.variance_of_average.standard_error,
              std::sqrt((15.51953125 - 2.6875 * 2.6875) / 4), 1e-12);
  EXPECT_NEAR(lab.mean_of_average.standard_error, std::sqrt(variance / 4), 1e-12);
  EXPECT_DOUBLE_EQ(lab.consensus.value, 5.0 / 4);
}

// ALGORITHMS 3: synchronous SGD of 8 nodes with exponential delays of mean 1 takes H_8 s a round.
TEST(Result, RoundTimeIsPredictedFromTheDelays) {
  const std::vector<std::string> keys = {"algorithm.kind=sync", "topology.graph=star",
                                         "delays.compute=exponential:1"};
  const auto predict = [&](std::vector<std::string> more) {
    more.insert(more.begin(), keys.begin(), keys.end());
    return predict_run_time(laboratory_job(more), 8);
  };
  ASSERT_TRUE(predict({}));
  EXPECT_NEAR(predict({})->seconds_per_update(), 2.717857, 1e-6);
  // Up and down for seven of them; the hub has no way to go.
  EXPECT_NEAR(predict({"delays.compute=constant:1", "delays.latency_ms=250"})->seconds_per_update(),
              1.5, 1e-12);
  // One machine five times slower is the one to wait for.
  EXPECT_NEAR(predict({"delays.compute=constant:1", "delays.scale=[1,5]"})->seconds_per_update(), 5,
              1e-12);
  EXPECT_FALSE(predict({"delays.bandwidth_mbit=10"}));
  EXPECT_FALSE(predict({"delays.compute=trace:/no/such/trace"}));
  EXPECT_TRUE(predict_run_time(laboratory_job({}), 8));                         // D-PSGD
  EXPECT_FALSE(predict_run_time(laboratory_job({"algorithm.kind=extra"}), 8));  // no theory yet
}

TEST(Result, RoundTimeStandsBesideItsPrediction) {
  const Finished run;
  const Job job = laboratory_job({"algorithm.kind=k-sync", "algorithm.k=2", "topology.graph=star",
                                  "delays.compute=constant:0.5"});
  const RunResult result = summarise(job, *run.model, nullptr, run.outcomes, {2.0, 5.0}, 2);
  ASSERT_TRUE(result.round_time);
  EXPECT_DOUBLE_EQ(result.round_time->measured, 0.5);  // 5 virtual seconds, 10 rounds
  const auto json = nlohmann::json::parse(to_json(result));
  EXPECT_DOUBLE_EQ(json["seconds_per_round"]["measured"], 0.5);
  EXPECT_DOUBLE_EQ(json["seconds_per_round"]["predicted"], 0.5);
  // A real run without injected delays says nothing of the kind.
  EXPECT_FALSE(summarise(job, *run.model, nullptr, run.outcomes, {2.0, {}}, 2).round_time);
}

TEST(Result, JsonHasTheDocumentedKeys) {
  const Finished run;
  const auto json = nlohmann::json::parse(
      to_json(summarise(run.job, *run.model, nullptr, run.outcomes, {2.0, 5.0}, 1)));
  for (const char* key : {"job",
                          "algorithm",
                          "graph",
                          "codec",
                          "aggregate",
                          "adversaries",
                          "model",
                          "nodes",
                          "parameters",
                          "rounds",
                          "diverged",
                          "seconds",
                          "virtual_seconds",
                          "loss",
                          "consensus_distance",
                          "bytes_sent_per_node",
                          "messages_sent_per_node",
                          "bytes_uncompressed_per_node",
                          "bytes_synchronous_per_node",
                          "samples_per_second",
                          "parameters_hash",
                          "laboratory",
                          "per_node"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["per_node"].size(), 2u);
  EXPECT_EQ(json["virtual_seconds"], 5.0);
  EXPECT_EQ(json["parameters_hash"].get<std::string>().size(), 32u);
}

// Nobody can take such a run for an honest one, or its figures for those of theory.
TEST(Result, NodesThatLieAreNamed) {
  const Finished run;
  const auto summary = [&](const std::vector<std::string>& keys) {
    return summarise(laboratory_job(keys), *run.model, nullptr, run.outcomes, {2.0, 5.0}, 1);
  };
  EXPECT_TRUE(summary({}).laboratory->predicted);
  const RunResult result = summary({"adversary.kind=noise:1", "adversary.nodes=[1]"});
  EXPECT_FALSE(result.laboratory->predicted);
  EXPECT_NE(result.adversary.find("1 of 2 nodes (1)"), std::string::npos) << result.adversary;
  EXPECT_EQ(nlohmann::json::parse(to_json(result))["adversaries"], (std::vector<int>{1}));
  EXPECT_FALSE(summary({"aggregate.kind=centred-clipping"}).laboratory->predicted);
}

TEST(Result, PrivacyIsThatOfTheNodeThatHasToldMost) {
  const Job job = parse_job(
      "[model]\nkind = \"softmax\"\n[data]\nsource = \"fashion-mnist\"\n[privacy]\nclip = 1\n"
      "noise = 1\n[stop]\nrounds = 10\n");
  const std::unique_ptr<Model> model = model_info("softmax").make({2, 2}, 3, job.model.options);
  const std::vector<float> x(model->parameters());
  std::vector<NodeOutcome> outcomes(3, {.parameters = x, .rounds = 10, .batches = 10});
  for (size_t i = 0; i < 3; ++i) outcomes[i].rows = i == 1 ? 500 : 5000;
  outcomes[2].batches = 20;
  const auto summary = [&](const Job& of) {
    return summarise(of, *model, nullptr, outcomes, {2.0, 5.0}, 1);
  };
  const RunResult result = summary(job);
  ASSERT_TRUE(result.privacy);
  EXPECT_DOUBLE_EQ(result.privacy->epsilon, privacy_spent(job, 10, 10, 500).epsilon);
  const auto json = nlohmann::json::parse(to_json(result));
  EXPECT_DOUBLE_EQ(json["privacy"]["epsilon"], result.privacy->epsilon);
  EXPECT_DOUBLE_EQ(json["privacy"]["epsilon_proven"], result.privacy->proven);
  Job silent = job;
  silent.privacy->noise = 0;
  EXPECT_TRUE(nlohmann::json::parse(to_json(summary(silent)))["privacy"]["epsilon"].is_null());
  silent.privacy.reset();
  EXPECT_FALSE(nlohmann::json::parse(to_json(summary(silent))).contains("privacy"));
}

TEST(Result, NotANumberIsNullInJson) {
  MetricsPoint point;
  point.round = 3;
  point.loss = std::nan("");
  const auto json = nlohmann::json::parse(to_json(point));
  EXPECT_EQ(json["round"], 3);
  EXPECT_TRUE(json["loss"].is_null());
  EXPECT_TRUE(json["accuracy"].is_null());
}

TEST_F(Store, RunFolderHoldsWhatItSays) {
  const Finished run;
  const RunResult result = summarise(run.job, *run.model, nullptr, run.outcomes, {2.0, {}}, 1);
  RunFolder out(folder_ / "run", run.job, 2);
  out.add({.round = 1, .loss = 0.5});
  out.add({.round = 2, .loss = 0.25});
  out.write(result);
  out.write_model("model", *run.model, run.x0, result);
  out.write_model("nodes/1", *run.model, run.x1, result);

  EXPECT_EQ(parse_job(read_file(folder_ / "run/job.toml")).name, "lab");
  const std::string metrics = read_file(folder_ / "run/metrics.jsonl");
  EXPECT_EQ(std::ranges::count(metrics, '\n'), 2);
  EXPECT_EQ(read_safetensors(folder_ / "run/nodes/1.safetensors").values, run.x1);
  const StoredTensors model = read_safetensors(folder_ / "run/model.safetensors");
  EXPECT_EQ(model.metadata.at("format"), "kith");
  EXPECT_EQ(model.metadata.at("parameters_hash"), result.parameters_hash);
  EXPECT_THROW(RunFolder(folder_ / "run", run.job, 2), OperatorError);  // holds files already
}

}  // namespace
}  // namespace kith
