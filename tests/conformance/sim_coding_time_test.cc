// Coding costs virtual time, and every edge has its account. Times by hand, to the nanosecond.
#include <gtest/gtest.h>

#include "tests/support/simulate.h"

namespace kith {
namespace {

using std::chrono::milliseconds;

constexpr Round kRounds = 7;
constexpr size_t kValues = 400;

// 400 floats: 10 ms to encode, 5 ms to decode.
const std::string kJob = R"(
[job]
seed = 5
[model]
kind = "quadratic"
replicas = 400
[delays]
compute = "constant:0.02"
latency_ms = 1
encode_mbyte = 0.16
decode_mbyte = 0.32
[stop]
rounds = 7
)";

SimulationResult run(uint32_t nodes, std::vector<std::string> keys) {
  SimulationSettings settings;
  settings.threads = 1;
  return simulate_text(kJob, nodes, keys, settings);
}

// Computes 20 ms, encodes 10, the message flies 1, decodes its own and the other's 2 * 5: 41 ms.
TEST(CodingTime, OnAGraph) {
  const SimulationResult result =
      run(2, {"topology.graph=\"complete\"", "codec.kind=\"sign\"", "algorithm.gamma=0.5"});
  EXPECT_EQ(result.end, Time{} + kRounds * milliseconds(41));
  for (const NodeCounters& counters : result.counters) {
    EXPECT_EQ(counters.encoding, kRounds * milliseconds(10));
    EXPECT_EQ(counters.decoding, kRounds * milliseconds(10));
  }
}

// Node 1 computes 20 ms, encodes 10, 1 up; the hub decodes 3 * 5; 1 down: 47 ms.
TEST(CodingTime, OverAStar) {
  const SimulationResult result =
      run(3, {"topology.graph=\"star\"", "algorithm.kind=\"sync\"", "codec.kind=\"qsgd:15\""});
  EXPECT_EQ(result.end, Time{} + kRounds * milliseconds(47));
  EXPECT_EQ(result.counters[0].decoding, kRounds * milliseconds(15));
  EXPECT_EQ(result.counters[1].decoding, Duration{});
}

// Coded down as well: the hub encodes for all at once 10 ms, and each decodes 5.
TEST(CodingTime, BothWays) {
  const SimulationResult result = run(3, {"topology.graph=\"star\"", "algorithm.kind=\"sync\"",
                                          "codec.kind=\"qsgd:15\"", "codec.down=\"bf16\""});
  // The last model goes down as it is.
  EXPECT_EQ(result.end, Time{} + kRounds * milliseconds(47) + (kRounds - 1) * milliseconds(15));
  EXPECT_EQ(result.counters[1].decoding, (kRounds - 1) * milliseconds(5));
}

// Floats as they are cost nothing: neither is there anything to compute.
TEST(CodingTime, IdentityIsFree) {
  const SimulationResult result = run(2, {"topology.graph=\"complete\""});
  EXPECT_EQ(result.end, Time{} + kRounds * milliseconds(21));
  EXPECT_EQ(result.counters[0].encoding, Duration{});
}

// Time never reaches the mathematics of a synchronous algorithm.
TEST(CodingTime, ChangesNoBit) {
  const std::vector<std::string> keys = {"topology.graph=\"ring\"", "codec.kind=\"top-k:0.1\"",
                                         "algorithm.gamma=0.5", "delays.loss=0.2"};
  std::vector<std::string> free = keys;
  free.insert(free.end(), {"delays.encode_mbyte=0", "delays.decode_mbyte=0"});
  EXPECT_TRUE(same_parameters(run(5, keys), run(5, free)));
}

TEST(CodingTime, AccountOfEachEdge) {
  const SimulationResult result =
      run(3, {"topology.graph=\"star\"", "algorithm.kind=\"sync\"", "codec.kind=\"sign\""});
  ASSERT_EQ(result.edges.size(), 3u);
  ASSERT_EQ(result.edges[0].size(), 2u);
  ASSERT_EQ(result.edges[2].size(), 1u);
  const EdgeCounters& up = result.edges[2][0];
  EXPECT_EQ(up.peer, NodeId{0});
  EXPECT_EQ(up.messages_sent, kRounds);
  EXPECT_EQ(up.payload_bytes_sent, kRounds * (4 + 4 + kValues / 8));  // n, one scale, signs
  EXPECT_EQ(up.uncompressed_bytes_sent, kRounds * kValues * sizeof(float));
  EXPECT_EQ(up.bytes_sent, result.counters[2].bytes_sent);
  const EdgeCounters& at_hub = result.edges[0][1];
  EXPECT_EQ(at_hub.peer, NodeId{2});
  EXPECT_EQ(at_hub.bytes_received, up.bytes_sent);
  EXPECT_EQ(at_hub.bytes_sent, up.bytes_received);
  EXPECT_EQ(at_hub.decoding, kRounds * milliseconds(5));
  EXPECT_EQ(result.edges[0][0].decoding, at_hub.decoding);
}

}  // namespace
}  // namespace kith
