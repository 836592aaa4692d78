// CHOCO-SGD by hand over random matchings: both ends of an edge hold the same copies, and
// compressed gossip alone brings all nodes to their average, which it keeps (ALGORITHMS 2D: where
// weights change, keep each xhat_j).
#include <gtest/gtest.h>

#include "tests/unit/protocol_gossip_cluster.h"
#include "topology/matcha.h"
#include "topology/registry.h"

namespace kith {

extern const AlgorithmInfo matcha_algorithm;

namespace {

constexpr uint32_t kNodes = 6;

std::unique_ptr<Algorithm> make_matcha(const NodeState& state) {
  return matcha_algorithm.make(state, Options("algorithm", matcha_algorithm.options, {}));
}

GossipCluster matchings(const std::string& codec) {
  return {make_matcha_mixing(kNodes, design_matcha(*make_graph("barbell", kNodes), 0.5), 3), codec,
          make_matcha, 10000};
}

// What `node` keeps under this name for the edge with `peer`; empty where they have not met.
SharedBuffer copy_of_edge(Cluster& nodes, uint32_t node, uint32_t peer, const std::string& name) {
  const uint64_t edges = nodes.word(node, "edges");
  for (uint64_t k = 0; k < edges; ++k) {
    const std::string edge = "edge." + std::to_string(k);
    if (nodes.word(node, edge) == peer) return nodes.persisted(node, edge + "." + name);
  }
  return {};
}

TEST(EdgeChoco, BothEndsOfAnEdgeHoldTheSameCopies) {
  for (const char* codec : kCoarseCodecs) {
    SCOPED_TRACE(codec);
    GossipCluster run = matchings(codec);
    Rng rng(4, NodeId{0}, Purpose::kTest);
    size_t edges = 0;
    for (int round = 0; round < 30; ++round) {
      run.round(run.random_moves(rng));
      for (uint32_t i = 0; i < kNodes; ++i) {
        for (uint32_t j = 0; j < kNodes; ++j) {
          const SharedBuffer own = copy_of_edge(run.nodes(), i, j, "own");
          const SharedBuffer theirs = copy_of_edge(run.nodes(), j, i, "theirs");
          ASSERT_EQ(static_cast<bool>(own), static_cast<bool>(theirs));
          if (!own) continue;
          ++edges;
          ASSERT_TRUE(std::ranges::equal(own.bytes(), theirs.bytes())) << i << " " << j;
        }
      }
    }
    EXPECT_GT(edges, 100u);
  }
}

TEST(EdgeChoco, GossipAloneEndsAtTheAverage) {
  for (const char* codec : kCoarseCodecs) {
    SCOPED_TRACE(codec);
    GossipCluster run = matchings(codec);
    EXPECT_EQ(expect_gossip_ends_at_average(run, 600), 0u);  // there are rounds without a word
  }
}

}  // namespace
}  // namespace kith
