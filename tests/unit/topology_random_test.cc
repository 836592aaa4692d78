// Graphs whose edges are drawn: how many there are, against the law that each states. The seeds are
// fixed; a tolerance of 4 standard errors fails for one in 16,000 of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "tests/unit/topology_cases.h"
#include "topology/matching.h"
#include "topology/random_edges.h"
#include "topology/reach.h"

namespace kith {
namespace {

using ::testing::HasSubstr;

// Of `trials` with probability p, in standard errors.
double deviation(double found, double trials, double p) {
  return (found - trials * p) / std::sqrt(trials * p * (1 - p));
}

TEST(DrawEdges, EachEdgeHasItsProbability) {
  constexpr int kDraws = 20000;
  for (const double p : {0.0, 0.01, 0.3, 0.9, 1.0}) {
    std::vector<double> count(10, 0.0);
    std::vector<Edge> edges;
    Rng rng(5, NodeId{0}, Purpose::kTest);
    for (int draw = 0; draw < kDraws; ++draw) {
      edges.clear();
      draw_edges(rng, p, 3, 10, 20, edges);
      EXPECT_TRUE(std::ranges::is_sorted(edges));
      for (const auto& [from, to] : edges) {
        ASSERT_EQ(from, 3u);
        count.at(to - 10) += 1;
      }
    }
    for (const double times : count) {
      if (p == 0 || p == 1) {
        EXPECT_EQ(times, p * kDraws);
      } else {
        EXPECT_LT(std::abs(deviation(times, kDraws, p)), 4.5) << p;
      }
    }
  }
}

TEST(ErdosRenyi, HasAsManyEdgesAsItsLaw) {
  // The probability that a graph is not connected is about 400 exp(-20): no draw is thrown away.
  constexpr double kPairs = 400.0 * 399 / 2;
  double total = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    total +=
        static_cast<double>(edges_of(*graph_with("erdos-renyi", 400, {{"p", 0.05}}, seed)).size());
  }
  EXPECT_LT(std::abs(deviation(total, 20 * kPairs, 0.05)), 4);
}

// At p = 1/2 all graphs are equally likely, and so are the 38 connected ones on four labelled
// nodes. Chi-squared, 37 degrees of freedom, 4 standard deviations.
TEST(ErdosRenyi, IsAFairDrawOfTheConnectedOnes) {
  constexpr int kDraws = 19000;
  std::map<std::vector<Edge>, int> count;
  for (uint64_t seed = 0; seed < kDraws; ++seed) {
    ++count[edges_of(*graph_with("erdos-renyi", 4, {{"p", 0.5}}, seed))];
  }
  ASSERT_EQ(count.size(), 38u);
  double chi_squared = 0;
  for (const auto& [edges, times] : count) chi_squared += std::pow(times - 500.0, 2) / 500;
  EXPECT_LT(chi_squared, 37 + 4 * std::sqrt(74.0));
}

TEST(ErdosRenyi, SaysWhenItIsNeverConnected) {
  EXPECT_THAT(refusal([] {
                graph_with("erdos-renyi", 100, {{"p", 0.001}});
              }),
              HasSubstr("p = 0.0921034"));
}

TEST(ErdosRenyi, TenThousandNodes) {
  const auto graph = make_graph("erdos-renyi", 10000, 1);
  EXPECT_TRUE(connected(*graph));
}

TEST(StochasticBlock, HasAsManyEdgesWithinAndBetweenAsItsLaw) {
  double within = 0;
  double between = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto graph = graph_with("stochastic-block", 300,
                                  {{"blocks", int64_t{3}}, {"p_in", 0.3}, {"p_out", 0.02}}, seed);
    for (const auto& [a, b] : edges_of(*graph)) (a / 100 == b / 100 ? within : between) += 1;
  }
  EXPECT_LT(std::abs(deviation(within, 20 * 3 * 100 * 99 / 2.0, 0.3)), 4);
  EXPECT_LT(std::abs(deviation(between, 20 * 3 * 100 * 100.0, 0.02)), 4);
}

TEST(StochasticBlock, RefusesWhatCannotBe) {
  EXPECT_THAT(refusal([] {
                graph_with("stochastic-block", 4, {{"blocks", int64_t{5}}});
              }),
              HasSubstr("set blocks to 4 or less"));
  EXPECT_THAT(refusal([] {
                graph_with("stochastic-block", 100, {{"p_in", 0.001}, {"p_out", 0.001}});
              }),
              HasSubstr("none of 1000"));
}

TEST(SmallWorld, MovesAsManyEdgesAsItsLawAndKeepsTheirNumber) {
  constexpr uint32_t kNodes = 2000;
  constexpr uint32_t kEdges = kNodes * 3;
  for (const double rewire : {0.05, 0.3}) {
    const auto edges = edges_of(
        *graph_with("small-world", kNodes, {{"degree", int64_t{6}}, {"rewire", rewire}}, 2));
    EXPECT_EQ(edges.size(), kEdges);
    double moved = 0;
    for (const auto& [a, b] : edges) moved += std::min(b - a, kNodes + a - b) > 3 ? 1 : 0;
    // One in 1000 falls on a place of the ring again, less than a standard error.
    EXPECT_LT(std::abs(deviation(moved, kEdges, rewire)), 5) << rewire;
  }
}

TEST(SmallWorld, WithoutRewiringIsTheRing) {
  const auto ring = graph_with("small-world", 12, {{"rewire", 0.0}});
  std::vector<NodeId> peers;
  ring->in(NodeId{0}, 0, peers);
  EXPECT_EQ(peers, (std::vector<NodeId>{NodeId{1}, NodeId{2}, NodeId{10}, NodeId{11}}));
}

TEST(SmallWorld, EveryNodeKeepsItsOwnHalf) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const auto graph =
        graph_with("small-world", 60, {{"degree", int64_t{6}}, {"rewire", 1.0}}, seed);
    std::vector<NodeId> peers;
    for (uint32_t i = 0; i < 60; ++i) {
      graph->in(NodeId{i}, 0, peers);
      EXPECT_GE(peers.size(), 3u);
    }
    EXPECT_EQ(edges_of(*graph).size(), 180u);
  }
}

TEST(SmallWorld, RefusesDegreesThatNoRingHas) {
  const auto refused = [](uint32_t nodes, int64_t degree) {
    return refusal([&] { graph_with("small-world", nodes, {{"degree", degree}}); });
  };
  EXPECT_THAT(refused(20, 5), HasSubstr("use 4 or 6"));
  EXPECT_THAT(refused(6, 6), HasSubstr("at most 4"));
  EXPECT_THAT(refused(2, 2), HasSubstr("3 nodes or more"));
  EXPECT_EQ(refused(3, 2), "");
}

// Two points of the unit square are within r <= 1 of each other with probability
// pi r^2 - 8 r^3 / 3 + r^4 / 2. Edges of a draw depend on each other: the standard error is that of
// the draws.
TEST(RandomGeometric, HasAsManyEdgesAsItsLaw) {
  constexpr int kDraws = 60;
  for (const double r : {0.12, 0.5}) {
    double sum = 0;
    double squares = 0;
    for (uint64_t seed = 0; seed < kDraws; ++seed) {
      const auto graph = graph_with("random-geometric", 600, {{"radius", r}}, seed);
      const double share = static_cast<double>(edges_of(*graph).size()) / (600.0 * 599 / 2);
      sum += share;
      squares += share * share;
    }
    const double mean = sum / kDraws;
    const double error = std::sqrt((squares / kDraws - mean * mean) / (kDraws - 1));
    const double law = std::numbers::pi * r * r - 8 * r * r * r / 3 + r * r * r * r / 2;
    EXPECT_NEAR(mean, law, 4 * error) << r;
    EXPECT_LT(error, 0.02 * law);
  }
}

// With a radius of sqrt 2 all see all; below it the cells must not lose a pair: the graph of a
// larger radius holds that of a smaller.
TEST(RandomGeometric, GrowsWithTheRadius) {
  const auto graph = [](double radius) {
    return edges_of(*graph_with("random-geometric", 300, {{"radius", radius}}, 4));
  };
  EXPECT_EQ(graph(1.42).size(), 300u * 299 / 2);
  std::vector<Edge> smaller = graph(0.15);
  for (const double radius : {0.2, 0.26, 0.34, 0.51, 0.99}) {
    const std::vector<Edge> larger = graph(radius);
    EXPECT_TRUE(std::ranges::includes(larger, smaller)) << radius;
    EXPECT_GT(larger.size(), smaller.size());
    smaller = larger;
  }
}

TEST(RandomGeometric, SaysWhenItIsNeverConnected) {
  EXPECT_THAT(refusal([] {
                graph_with("random-geometric", 100, {{"radius", 0.01}});
              }),
              HasSubstr("would do"));
}

}  // namespace
}  // namespace kith
