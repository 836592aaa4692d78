// Edge colourings: matchings that partition the edges, and as few of them as theory promises.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "tests/unit/topology_cases.h"
#include "topology/matching.h"
#include "topology/rng.h"

namespace kith {
namespace {

using ::testing::HasSubstr;

uint32_t largest_degree(const Graph& graph) {
  size_t largest = 0;
  std::vector<NodeId> peers;
  for (uint32_t i = 0; i < graph.nodes(); ++i) {
    graph.in(NodeId{i}, 0, peers);
    largest = std::max(largest, peers.size());
  }
  return static_cast<uint32_t>(largest);
}

void expect_partition(const Graph& graph, const std::vector<Matching>& matchings) {
  std::vector<Edge> all;
  for (const Matching& matching : matchings) {
    std::set<uint32_t> met;
    for (const auto& [a, b] : matching) {
      EXPECT_TRUE(met.insert(a).second && met.insert(b).second) << a << " " << b;
      all.emplace_back(a, b);
    }
    EXPECT_TRUE(std::ranges::is_sorted(matching));
    EXPECT_FALSE(matching.empty());
  }
  std::ranges::sort(all);
  EXPECT_EQ(all, edges_of(graph));
}

// Vizing: Delta or Delta + 1.
TEST(EveryUndirectedGraph, SplitsIntoMatchings) {
  for_each_graph([](const std::string& label, std::shared_ptr<const Graph> graph) {
    if (!graph->undirected()) return;
    SCOPED_TRACE(label);
    const auto matchings = edge_matchings(*graph);
    expect_partition(*graph, matchings);
    EXPECT_GE(matchings.size(), largest_degree(*graph));
    EXPECT_LE(matchings.size(), largest_degree(*graph) + 1);
    EXPECT_EQ(edge_matchings(*graph), matchings);
  });
}

TEST(Matchings, OfRandomGraphsKeepVizingsBound) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const auto nodes = static_cast<uint32_t>(2 + rng.below(40));
    const double density = rng.uniform();
    std::vector<Edge> edges;
    for (uint32_t i = 0; i < nodes; ++i) {
      for (uint32_t j = i + 1; j < nodes; ++j) {
        if (rng.uniform() < density) edges.emplace_back(i, j);
      }
    }
    const AdjacencyGraph graph(nodes, edges);
    const auto matchings = edge_matchings(graph);
    expect_partition(graph, matchings);
    EXPECT_LE(matchings.size(), largest_degree(graph) + 1);
  }
}

// Koenig: Delta on bipartite graphs. A random bipartite graph, sides of 30 and 20.
TEST(Matchings, OfBipartiteGraphsAreAsManyAsTheLargestDegree) {
  for (const uint32_t nodes : {4u, 8u, 16u, 64u, 1000u}) {
    EXPECT_EQ(edge_matchings(*make_graph("ring", nodes)).size(), 2u);
    EXPECT_EQ(edge_matchings(*make_graph("star", nodes)).size(), nodes - 1);
  }
  EXPECT_EQ(edge_matchings(*make_graph("torus", 64)).size(), 4u);
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    std::vector<Edge> edges;
    for (uint32_t i = 0; i < 30; ++i) {
      for (uint32_t j = 30; j < 50; ++j) {
        if (rng.uniform() < 0.3) edges.emplace_back(i, j);
      }
    }
    const AdjacencyGraph graph(50, edges);
    EXPECT_EQ(edge_matchings(graph).size(), largest_degree(graph)) << "seed " << seed;
  }
}

// An odd ring needs 3, a complete graph N - 1 at even N and N at odd N.
TEST(Matchings, OfGraphsOfKnownClass) {
  EXPECT_EQ(edge_matchings(*make_graph("ring", 9)).size(), 3u);
  for (const uint32_t nodes : {3u, 5u, 9u, 33u}) {
    EXPECT_EQ(edge_matchings(*make_graph("complete", nodes)).size(), nodes);
  }
}

TEST(Matchings, OfTenThousandNodesOfDegreeFourteen) {
  const auto graph = graph_with("random-regular", 10000, {{"degree", int64_t{14}}}, 1);
  const auto begun = std::chrono::steady_clock::now();
  const auto matchings = edge_matchings(*graph);
  RecordProperty("milliseconds", static_cast<int>(std::chrono::duration<double, std::milli>(
                                                      std::chrono::steady_clock::now() - begun)
                                                      .count()));
  EXPECT_GE(matchings.size(), 14u);
  EXPECT_LE(matchings.size(), 15u);
  expect_partition(*graph, matchings);
}

TEST(Matchings, RefusesWhatHasNone) {
  EXPECT_THAT(refusal([] { edge_matchings(*make_graph("static-exponential", 8)); }),
              HasSubstr("directed"));
  EXPECT_THAT(refusal([] { edge_matchings(*make_graph("ring", 20000)); }), HasSubstr("16384"));
  EXPECT_THAT(refusal([] { edge_matchings(*make_graph("complete", 300)); }), HasSubstr("256"));
}

}  // namespace
}  // namespace kith
