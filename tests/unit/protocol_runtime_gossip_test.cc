// Expected times of rounds without a global barrier, against the table of ALGORITHMS 3 and closed
// forms.
#include <cmath>

#include "tests/unit/protocol_cluster_timing.h"
#include "topology/registry.h"

namespace kith {
namespace {

ClusterTiming gossiping(const std::string& law, uint32_t nodes, const std::string& graph,
                        double latency = 0) {
  ClusterTiming cluster = cluster_of(law, nodes);
  cluster.graph = make_graph(graph, nodes);
  cluster.latency = latency;
  return cluster;
}

// ALGORITHMS 3, synchronous gossip without a global barrier, X exponential of mean 1, to 1 %:
// bounded on rings, where a barrier costs log N.
TEST(GossipRunTime, TableOfGossip) {
  struct Gossip {
    const char* graph;
    double of_8, of_64;
  };
  for (const Gossip& row :
       {Gossip{"complete", 2.72, 4.74}, Gossip{"ring", 2.17, 2.36},
        Gossip{"directed-ring", 1.88, 1.99}, Gossip{"static-exponential", 2.35, 3.32},
        Gossip{"one-peer-exponential", 1.97, 2.30}}) {
    for (const uint32_t nodes : {8u, 64u}) {
      const auto time = gossip_time(gossiping("exponential:1", nodes, row.graph), {});
      const double expected = nodes == 8 ? row.of_8 : row.of_64;
      EXPECT_NEAR(time->seconds_per_round, expected, 0.01 * expected)
          << row.graph << " of " << nodes;
      EXPECT_LE(time->low, time->seconds_per_round);
      EXPECT_GE(time->high, time->seconds_per_round - 4 * time->standard_error);
    }
  }
}

// Constant times: the slowest cycle of waits there and back.
TEST(GossipRunTime, GossipWithConstantTimes) {
  ClusterTiming cluster = gossiping("constant:1", 6, "ring", 0.3);
  expect_exact(*gossip_time(cluster, {}), 1.3);
  expect_exact(*gossip_time(cluster, {.local_steps = 3}), 3.3);
  expect_exact(*gossip_time(cluster, {.lag = 1}), 1);
  expect_exact(*gossip_time(cluster, {.combine_first = true}), 1);
  cluster.latency = 1.5;
  expect_exact(*gossip_time(cluster, {.lag = 1}), 1.25);
  expect_exact(*gossip_time(cluster, {.combine_first = true}), 1.5);
  cluster.latency = 0.3;
  cluster.compute[2] = scaled(cluster.compute[2], 5);
  expect_exact(*gossip_time(cluster, {}), 5);
  cluster.compute[3] = cluster.compute[2];
  expect_exact(*gossip_time(cluster, {}), 5.3);
  expect_exact(*gossip_time(gossiping("constant:2", 1, "ring", 0.3), {}), 2);
  EXPECT_FALSE(gossip_time(cluster_of("constant:1", 6), {}));  // on what graph?
}

// Two nodes that tell each other all are a barrier.
TEST(GossipRunTime, GossipOfTwoIsABarrier) {
  const auto time = gossip_time(gossiping("exponential:1", 2, "ring"), {});
  EXPECT_NEAR(time->seconds_per_round, 1.5, 0.01 * 1.5);
  EXPECT_NEAR(time->high, 1.5, 1e-9);
}

// ALGORITHMS 3: AD-PSGD takes (X + D)/N for each update of any node, D there and back; with overlap
// E max(X, D)/N, which for an exponential X of mean 1 is
// (D + exp(-D))/N.
TEST(GossipRunTime, PairwiseRatesAdd) {
  const ClusterTiming cluster = gossiping("exponential:1", 8, "ring", 0.25);
  expect_exact(pairwise_time(cluster, 1, false), 1.5);
  expect_exact(pairwise_time(cluster, 4, false), 4.5);
  EXPECT_NEAR(pairwise_time(cluster, 1, true).seconds_per_round, 0.5 + std::exp(-0.5), 1e-5);
  ClusterTiming slow = cluster;
  slow.latency = 0;
  slow.compute[0] = scaled(slow.compute[0], 5);
  const RunTime time = pairwise_time(slow, 1, false);
  EXPECT_NEAR(time.seconds_per_round, 8 / 7.2, 1e-9);
  EXPECT_EQ(time.high, 5);
}

}  // namespace
}  // namespace kith
