// Rounds of gossip to a tolerance: what is left of any disagreement is within it, on every graph,
// and on graphs whose rounds are known it is these.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/topology_cases.h"
#include "topology/gossip_plan.h"
#include "topology/rng.h"

namespace kith {
namespace {

double deviation(const std::vector<double>& x) {
  double mean = 0;
  for (const double value : x) mean += value / static_cast<double>(x.size());
  double sum = 0;
  for (const double value : x) sum += (value - mean) * (value - mean);
  return std::sqrt(sum);
}

std::vector<double> mixed(const Mixing& mixing, Round round, const std::vector<double>& x) {
  std::vector<double> next(x.size());
  MixingRow row;
  for (uint32_t i = 0; i < x.size(); ++i) {
    mixing.row(NodeId{i}, round, row);
    next[i] = static_cast<double>(row.self) * x[i];
    for (const Neighbor& neighbor : row.neighbors) {
      next[i] += static_cast<double>(neighbor.weight) * x[index_of(neighbor.peer)];
    }
  }
  return next;
}

// What protocol/gossip/averaging.h does, in doubles: x(t+1) = omega W x(t) + (1 - omega) x(t-1).
std::vector<double> gossip(const Mixing& mixing, const GossipRounds& how, std::vector<double> x) {
  std::vector<double> before;
  double omega = 1;
  for (Round t = 0; t < how.rounds; ++t) {
    if (t == 1) omega = 1 / (1 - how.zeta * how.zeta / 2);
    if (t > 1) omega = 1 / (1 - how.zeta * how.zeta * omega / 4);
    std::vector<double> next = mixed(mixing, t, x);
    for (size_t i = 0; t > 0 && how.zeta > 0 && i < x.size(); ++i) {
      next[i] = omega * next[i] + (1 - omega) * before[i];
    }
    before = std::move(x);
    x = std::move(next);
  }
  return x;
}

TEST(GossipPlan, BringsEveryStartWithinTheTolerance) {
  for_each_graph([](const std::string& label, std::shared_ptr<const Graph> graph) {
    if (graph->nodes() > 40) return;
    const auto mixing = make_mixing(default_mixing(*graph), graph);
    if (mixing->stochastic() == Stochastic::kColumns) return;
    SCOPED_TRACE(label);
    for (const double tolerance : {0.1, 1e-4}) {
      const GossipRounds how = plan_gossip(*mixing, tolerance);
      Rng rng(7, NodeId{0}, Purpose::kTest);
      for (int start = 0; start < 5; ++start) {
        std::vector<double> x(graph->nodes());
        for (double& value : x) value = rng.uniform() - 0.5;
        // Weights are floats: their rows sum to 1 to 6e-8.
        EXPECT_LE(deviation(gossip(*mixing, how, x)), tolerance * deviation(x) + 1e-5);
      }
    }
  });
}

TEST(GossipPlan, KnownRounds) {
  const auto rounds = [](const std::string& name, uint32_t nodes, double tolerance) {
    const auto graph = make_graph(name, nodes);
    return plan_gossip(*make_mixing(default_mixing(*graph), graph), tolerance).rounds;
  };
  EXPECT_EQ(rounds("complete", 9, 1e-3), 1u);
  EXPECT_EQ(rounds("ring", 1, 1e-3), 0u);
  for (const uint32_t bits : {1, 2, 3, 4, 6}) {  // exact after log2 N (Ying et al. 2021)
    EXPECT_EQ(rounds("one-peer-exponential", 1u << bits, 1e-5), bits);
  }
  // zeta of a ring of 3 m is 1/3 + 2/3 cos(2 pi / N).
  for (const uint32_t nodes : {12, 48, 192}) {
    const double zeta = 1.0 / 3 + 2.0 / 3 * std::cos(2 * M_PI / nodes);
    EXPECT_EQ(rounds("ring", nodes, 1e-3),
              static_cast<Round>(std::ceil(std::acosh(1e3) / std::acosh(1 / zeta))));
  }
  // Of plain gossip it would be log(1000) / (1 - zeta), with N^2; now with N.
  EXPECT_LT(rounds("ring", 400, 1e-3), 5 * 400u);
}

TEST(GossipPlan, RefusesWhatHasNoAverage) {
  const TextFile file("0 1\n1 2\n2 0\n0 2\n");
  const auto graph = graph_with(
      "edge-list", 3, {{"file", OptionValue(file.path())}, {"directed", OptionValue(true)}});
  const auto mixing = make_mixing("column-stochastic", graph);
  EXPECT_NE(refusal([&] { plan_gossip(*mixing, 1e-3); }).find("rows and columns"),
            std::string::npos);
}

}  // namespace
}  // namespace kith
