// CHOCO-SGD by hand: what every node believes of the others is so, and compressed gossip alone
// brings all nodes to their average (ALGORITHMS 2D; Koloskova, Stich, Jaggi 2019, theorem 2).
#include <gtest/gtest.h>

#include "tests/unit/protocol_gossip_cluster.h"
#include "topology/registry.h"

namespace kith {

extern const AlgorithmInfo choco_sgd_algorithm;

namespace {

constexpr uint32_t kNodes = 5;

std::unique_ptr<Algorithm> make_choco(const NodeState& state) {
  const Options options("algorithm", choco_sgd_algorithm.options, {});
  return choco_sgd_algorithm.make(state, options);
}

GossipCluster ring_of(const std::string& codec) {
  return {make_mixing("metropolis", make_graph("ring", kNodes)), codec, make_choco};
}

TEST(ChocoSgd, TheSumOfCopiesIsThatOfTheNeighboursOwn) {
  for (const char* codec : kCoarseCodecs) {
    SCOPED_TRACE(codec);
    GossipCluster ring = ring_of(codec);
    Rng rng(4, NodeId{0}, Purpose::kTest);
    for (int round = 0; round < 20; ++round) {
      ring.round(ring.random_moves(rng));
      for (uint32_t i = 0; i < kNodes; ++i) {
        MixingRow row;
        ring.mixing().row(NodeId{i}, 0, row);
        const SharedBuffer sum = ring.nodes().persisted(i, "copies");
        for (size_t j = 0; j < kDimension; ++j) {
          double expected = row.self * double{ring.nodes().persisted(i, "public.own").floats()[j]};
          for (const Neighbor& neighbor : row.neighbors) {
            expected +=
                neighbor.weight *
                double{ring.nodes().persisted(index_of(neighbor.peer), "public.own").floats()[j]};
          }
          ASSERT_NEAR(expected, sum.floats()[j], 1e-5);
        }
      }
    }
  }
}

TEST(ChocoSgd, GossipAloneEndsAtTheAverage) {
  for (const char* codec : kCoarseCodecs) {
    SCOPED_TRACE(codec);
    GossipCluster ring = ring_of(codec);
    expect_gossip_ends_at_average(ring, 99);
  }
}

}  // namespace
}  // namespace kith
