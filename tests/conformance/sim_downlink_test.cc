// The hub's model coded on its way down (codec.down), for every algorithm that can.
#include <gtest/gtest.h>

#include <cmath>

#include "protocol/algorithm.h"
#include "tests/support/simulate.h"
#include "topology/error.h"

namespace kith {
namespace {

const std::string kJob = R"(
[job]
seed = 3
[model]
kind = "quadratic"
replicas = 400
offsets = "index"
noise = 0.3
[train]
learning_rate = 0.05
[topology]
graph = "star"
[delays]
compute = "exponential:0.01"
latency_ms = 1
[stop]
rounds = 40
)";

std::vector<std::string> keys(const AlgorithmInfo& info, const std::string& down) {
  std::vector<std::string> all = {codec_key(info),
                                  std::string("algorithm.kind=\"") + info.name + '"',
                                  "codec.down=\"" + down + '"'};
  for (const OptionSpec& spec : info.options) {
    if (spec.key == std::string("local_steps")) all.push_back("algorithm.local_steps=3");
  }
  return all;
}

SimulationResult run(std::vector<std::string> all, std::vector<std::string> more = {},
                     uint32_t nodes = 5) {
  all.insert(all.end(), more.begin(), more.end());
  SimulationSettings settings;
  settings.threads = 1;
  return simulate_text(kJob, nodes, all, settings);
}

std::vector<const AlgorithmInfo*> coding_down() {
  std::vector<const AlgorithmInfo*> found;
  for (const AlgorithmInfo* info : all_algorithms()) {
    if (info->codes_down) found.push_back(info);
  }
  return found;
}

// A codec that loses nothing is no codec: the same messages, the same bits.
TEST(Downlink, IdentityChangesNothing) {
  for (const AlgorithmInfo* info : coding_down()) {
    SCOPED_TRACE(info->name);
    const SimulationResult coded = run(keys(*info, "identity"));
    std::vector<std::string> plain = keys(*info, "identity");
    std::erase(plain, "codec.down=\"identity\"");
    EXPECT_TRUE(same_parameters(coded, run(plain)));
  }
}

// Whatever the delays and losses: the same bits, and all nodes end with the hub's model.
TEST(Downlink, TimingAndLossesChangeNoBit) {
  ASSERT_GE(coding_down().size(), 10u);
  for (const AlgorithmInfo* info : coding_down()) {
    if (!info->synchronous) continue;
    for (const char* down : {"top-k:0.1", "qsgd:7"}) {
      SCOPED_TRACE(std::string(info->name) + " down as " + down);
      const SimulationResult reference = run(keys(*info, down));
      EXPECT_EQ(reference.rounds, 40u);
      for (const SharedBuffer& x : reference.parameters) {
        EXPECT_TRUE(std::ranges::equal(x.bytes(), reference.parameters[0].bytes()));
      }
      EXPECT_TRUE(same_parameters(
          reference,
          run(keys(*info, down), {"delays.compute=\"uniform:0.001:0.2\"",
                                  "delays.jitter=\"uniform:0:0.2\"", "delays.loss=0.2"})));
    }
  }
}

// EF21-P: w follows z, so that without noise both meet at the optimum, however coarse the codec;
// a hub that sent C(z) alone would leave its nodes at a point of C's making. The mean of b_i is 2.
TEST(Downlink, TheCopyReachesTheOptimum) {
  for (const AlgorithmInfo* info : coding_down()) {
    if (info->codec != nullptr) continue;  // draws what goes up
    SCOPED_TRACE(info->name);
    std::vector<std::string> more = {"model.noise=0", "stop.rounds=2000", "model.replicas=20",
                                     "train.learning_rate=0.02"};
    if (info->name == std::string("fedopt")) more.push_back("algorithm.server_learning_rate=0.01");
    const SimulationResult coded = run(keys(*info, "top-k:0.1"), more);
    const SimulationResult plain = run(keys(*info, "identity"), more);
    EXPECT_FALSE(coded.diverged);
    const float expected = plain.parameters[0].floats()[0];
    // Adam's steps of 0.01 do not shrink at the optimum.
    const float tolerance = info->name == std::string("fedopt") ? 0.05f : 0.02f;
    for (const float x : coded.parameters[0].floats()) EXPECT_NEAR(x, expected, tolerance);
  }
}

// Bytes: the hub tells each node 8 + e + 4 k bytes instead of 4 p in all rounds but the last; of 40
// positions in 400 the Elias-Fano code takes e = ceil((40 + 49) / 8) + ceil(40 x 3 / 8) = 27.
TEST(Downlink, TakesTheBytesOfItsCodec) {
  const AlgorithmInfo& sync = algorithm_info("sync");
  const auto payload = [&](const char* down) {
    return run(keys(sync, down)).counters[0].payload_bytes_sent;
  };
  EXPECT_EQ(payload("identity"), 4u * 40 * 400 * 4);
  EXPECT_EQ(payload("top-k:0.1"), 4u * (39 * (8 + 27 + 4 * 40) + 400 * 4));
}

TEST(Downlink, IsRefusedWhereNotEveryNodeHearsAll) {
  for (const AlgorithmInfo* info : all_algorithms()) {
    if (info->codes_down) continue;
    std::vector<std::string> all = keys(*info, "qsgd:7");
    if (!info->needs.star) all.push_back("topology.graph=\"ring\"");
    EXPECT_THROW(validate(parse_job(kJob, all), 5), OperatorError) << info->name;
  }
  // It would be ignored, or be no longer lossless.
  EXPECT_THROW(parse_job(kJob, keys(algorithm_info("sync"), "zstd")), OperatorError);
  std::vector<std::string> sampled = keys(algorithm_info("fedavg"), "qsgd:7");
  sampled.push_back("algorithm.participants=2");
  EXPECT_THROW(validate(parse_job(kJob, sampled), 5), OperatorError);
}

}  // namespace
}  // namespace kith
