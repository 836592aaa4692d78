// The random regular graph: exact degrees, a function of the seed, close to a uniform draw.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "tests/unit/topology_cases.h"
#include "topology/reach.h"

namespace kith {
namespace {

using ::testing::HasSubstr;

std::vector<std::vector<NodeId>> lists(const Graph& graph) {
  std::vector<std::vector<NodeId>> all(graph.nodes());
  for (uint32_t i = 0; i < graph.nodes(); ++i) graph.in(NodeId{i}, 0, all[i]);
  return all;
}

std::shared_ptr<const Graph> drawn(uint32_t nodes, int64_t degree, uint64_t seed) {
  return graph_with("random-regular", nodes, {{"degree", degree}}, seed);
}

TEST(RandomRegular, EveryDegreeIsExact) {
  for (const uint32_t nodes : {2u, 5u, 6u, 16u, 31u, 50u}) {
    for (int64_t degree = 1; degree < nodes; ++degree) {
      if ((degree * nodes) % 2 == 1 || (degree == 1 && nodes > 2)) continue;
      SCOPED_TRACE("N=" + std::to_string(nodes) + " degree=" + std::to_string(degree));
      const auto graph = drawn(nodes, degree, 7);
      for (const auto& peers : lists(*graph)) EXPECT_EQ(peers.size(), static_cast<size_t>(degree));
      EXPECT_TRUE(connected(*graph));
    }
  }
}

TEST(RandomRegular, SameSeedSameGraphOtherSeedOtherGraph) {
  for (const int64_t degree : {3, 14, 50}) {
    EXPECT_EQ(lists(*drawn(64, degree, 5)), lists(*drawn(64, degree, 5)));
    EXPECT_NE(lists(*drawn(64, degree, 5)), lists(*drawn(64, degree, 6)));
  }
}

TEST(RandomRegular, TenThousandNodesOfDegreeFourteen) {
  const auto graph = drawn(10000, 14, 1);
  for (const auto& peers : lists(*graph)) ASSERT_EQ(peers.size(), 14u);
  EXPECT_TRUE(connected(*graph));
}

// The number of triangles in a uniform d-regular graph tends to a Poisson variable of mean
// (d - 1)^3 / 6 (Bollobas 1980). The circulant that the chain starts from has about N d^2 / 8.
TEST(RandomRegular, TrianglesAreAsManyAsInAUniformDraw) {
  constexpr int kDraws = 60;
  constexpr int64_t kDegree = 6;
  double total = 0;
  for (uint64_t seed = 0; seed < kDraws; ++seed) {
    const auto all = lists(*drawn(1000, kDegree, seed));
    uint64_t corners = 0;
    std::vector<NodeId> shared;
    for (uint32_t i = 0; i < all.size(); ++i) {
      for (const NodeId j : all[i]) {
        shared.clear();
        std::ranges::set_intersection(all[i], all[index_of(j)], std::back_inserter(shared));
        corners += shared.size();
      }
    }
    total += static_cast<double>(corners) / 6;
  }
  const double mean = std::pow(kDegree - 1, 3) / 6;
  const double standard_error = std::sqrt(mean / kDraws);
  // 4 standard errors, and 2 % for the finite N.
  EXPECT_NEAR(total / kDraws, mean, 4 * standard_error + 0.02 * mean);
}

// The 70 labelled 3-regular connected graphs on 6 nodes are K(3,3) (10 labellings) and the prism
// (60): a uniform draw takes each with probability 1/70.
TEST(RandomRegular, SmallGraphsComeEquallyOften) {
  constexpr int kDraws = 7000;
  std::map<std::vector<std::vector<NodeId>>, int> count;
  for (uint64_t seed = 0; seed < kDraws; ++seed) ++count[lists(*drawn(6, 3, seed))];
  ASSERT_EQ(count.size(), 70u);
  double chi_squared = 0;
  for (const auto& [graph, times] : count) {
    const double expected = kDraws / 70.0;
    chi_squared += (times - expected) * (times - expected) / expected;
  }
  // Mean 69, standard deviation sqrt(2 * 69) = 11.7; 4 of them.
  EXPECT_LT(chi_squared, 69 + 4 * 11.75);
}

TEST(RandomRegular, RefusesDegreesThatNoGraphHas) {
  EXPECT_THAT(refusal([] { drawn(8, 8, 0); }), HasSubstr("at most 7"));
  EXPECT_THAT(refusal([] { drawn(4, 9, 0); }), HasSubstr("smaller than the number of nodes"));
  EXPECT_THAT(refusal([] { drawn(9, 3, 0); }), HasSubstr("use degree 2 or 10 nodes"));
  EXPECT_THAT(refusal([] { drawn(4, 1, 0); }), HasSubstr("use degree 2"));
  EXPECT_THAT(refusal([] { drawn(8, 0, 0); }), HasSubstr("topology.degree"));
}

}  // namespace
}  // namespace kith
