// RelaySGD (Vogels et al. 2021) on spanning trees of random graphs: every node averages one model
// of each other, as late as the messages on the tree make it, and finds the optimum of unequal
// nodes.
#include "tests/unit/protocol_gossip_run.h"
#include "topology/reach.h"
#include "topology/registry.h"

namespace kith {
namespace {

std::unique_ptr<Mixing> tree_over(const Graph& graph) {
  const AlgorithmInfo& info = algorithm_info("relay-sgd");
  return info.weights->make(Options("algorithm", info.options, {}), graph, 1);
}

std::vector<std::vector<uint32_t>> hops_on(const Graph& tree) {
  Reach reach(tree);
  std::vector<std::vector<uint32_t>> hops;
  for (uint32_t i = 0; i < tree.nodes(); ++i) {
    reach.search(NodeId{i}, Direction::kOut);
    hops.push_back(reach.hops());
  }
  return hops;
}

// v_j of every round so far, by the rule that no message is needed for.
Rows average_of_late(const std::vector<Rows>& v, const std::vector<std::vector<uint32_t>>& hops) {
  const auto t = static_cast<uint32_t>(v.size() - 1);
  Rows x = Rows::Zero(v[0].rows(), v[0].cols());
  for (Eigen::Index i = 0; i < x.rows(); ++i) {
    double known = 0;
    for (Eigen::Index j = 0; j < x.rows(); ++j) {
      const uint32_t away = hops[size_t(i)][size_t(j)];
      if (away > t + 1) continue;
      x.row(i) += v[t - std::max(away, 1u) + 1].row(j);
      ++known;
    }
    x.row(i) /= known;
  }
  return x;
}

// The paper's proposition: x_i(t+1) = 1/n sum_j v_j(t - max(d_ij - 1, 0)).
TEST(RelaySgd, AveragesOneModelOfEachNodeAsLateAsItIsFar) {
  for (uint64_t seed = 1; seed <= 15; ++seed) {
    GossipCase c({.seed = 900 + seed, .noise = 0.3});
    SCOPED_TRACE(c.text());
    const auto mixing = tree_over(*c.graph);
    const auto hops = hops_on(mixing->graph());
    GossipRun run("relay-sgd", {}, c.problem, *mixing, c.rate);
    std::vector<Rows> v;
    Rows x = c.start();
    for (int t = 0; t < 60; ++t) {
      v.push_back(x - c.rate * c.problem.gradients(static_cast<uint64_t>(t), x));
      x = average_of_late(v, hops);
      run.round(c.rng);
      // Sums of up to 11 models of some size 5, in floats: 10 times the error of one.
      ASSERT_LT((run.x() - x).cwiseAbs().maxCoeff(), 1e-4) << "round " << t;
    }
  }
}

TEST(RelaySgd, FindsTheExactOptimumOfUnequalNodesWhereTheStepSuitsTheDelay) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    GossipCase c({.seed = 950 + seed, .noise = 0, .at_least = 3});
    SCOPED_TRACE(c.text());
    const auto mixing = tree_over(*c.graph);
    GossipRun run("relay-sgd", {}, c.problem, *mixing, c.rate);
    for (int t = 0; t < 6000; ++t) run.round(c.rng);
    const Rows optimum = c.problem.optimum().transpose().replicate(c.w.rows(), 1);
    EXPECT_LT((run.x() - optimum).cwiseAbs().maxCoeff(), 1e-5);
  }
}

// The nodes that are left with `node` where `gone` is not there.
std::vector<uint32_t> part_of(const Graph& tree, uint32_t node, NodeId gone) {
  std::vector<uint32_t> part = {node};
  std::vector<NodeId> peers;
  for (size_t k = 0; k < part.size(); ++k) {
    tree.out(NodeId{part[k]}, 0, peers);
    for (const NodeId peer : peers) {
      if (peer != gone && !std::ranges::count(part, index_of(peer))) part.push_back(index_of(peer));
    }
  }
  return part;
}

// What was on its way of the dead node, and of those behind it, leaves no trace.
TEST(RelaySgd, WhereANodeDiesEachPartFindsTheOptimumOfItsOwn) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    GossipCase c({.seed = 970 + seed, .noise = 0, .at_least = 5});
    SCOPED_TRACE(c.text());
    const auto mixing = tree_over(*c.graph);
    GossipRun run("relay-sgd", {}, c.problem, *mixing, c.rate);
    for (int t = 0; t < 40; ++t) run.round(c.rng);
    const auto nodes = static_cast<uint32_t>(c.w.rows());
    const NodeId gone{static_cast<uint32_t>(c.rng.below(nodes))};
    run.die(gone);
    for (int t = 0; t < 6000; ++t) run.round(c.rng);
    const Rows x = run.x();
    for (uint32_t i = 0; i < nodes; ++i) {
      if (i == index_of(gone)) continue;
      const auto optimum = c.problem.optimum_of(part_of(mixing->graph(), i, gone));
      EXPECT_LT((x.row(i).transpose() - optimum).cwiseAbs().maxCoeff(), 1e-5)
          << i << " without " << index_of(gone);
    }
  }
}

TEST(RelaySgd, OnTwoNodesItIsDPsgdWithEqualWeights) {
  Rng rng(990, NodeId{0}, Purpose::kTest);
  const std::shared_ptr<const Graph> graph = make_graph("path", 2);
  const UnequalQuadratics problem(2, GossipRun::kValues, 0.3, rng);
  const auto tree = tree_over(*graph);
  const auto metropolis = make_mixing("metropolis", graph);
  GossipRun relay("relay-sgd", {}, problem, *tree, 0.1);
  GossipRun dpsgd("dpsgd", {}, problem, *metropolis, 0.1);
  for (int t = 0; t < 50; ++t) {
    relay.round(rng);
    dpsgd.round(rng);
    ASSERT_LT((relay.x() - dpsgd.x()).cwiseAbs().maxCoeff(), 1e-6) << t;
  }
}

TEST(RelaySgd, ItsTreeJoinsAllNodesByShortWays) {
  const struct {
    const char* graph;
    uint32_t nodes, depth;  // hops between the farthest two
  } rows[] = {{"path", 9, 8},   {"ring", 8, 7},       {"star", 7, 2},    {"complete", 6, 2},
              {"torus", 16, 7}, {"hypercube", 16, 8}, {"barbell", 8, 3}, {"binary-tree", 15, 6}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.graph);
    const auto mixing = tree_over(*make_graph(row.graph, row.nodes));
    uint32_t farthest = 0;
    std::vector<NodeId> peers;
    size_t ends = 0;
    Reach reach(mixing->graph());
    for (uint32_t i = 0; i < row.nodes; ++i) {
      reach.search(NodeId{i}, Direction::kOut);
      ASSERT_EQ(reach.reached(), row.nodes);
      farthest = std::max(farthest, reach.depth());
      mixing->graph().in(NodeId{i}, 0, peers);
      ends += peers.size();
    }
    EXPECT_EQ(ends, 2 * (row.nodes - 1));
    EXPECT_LE(farthest, row.depth);
  }
}

}  // namespace
}  // namespace kith
