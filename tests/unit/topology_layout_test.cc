// Where nodes are drawn: the right kind of layout for the graph, and nodes that stand apart.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/unit/topology_cases.h"
#include "topology/adjacency.h"
#include "topology/layout.h"

namespace kith {
namespace {

using Kind = Layout::Kind;

Layout layout(const Graph& graph) { return layout_of(graph.nodes(), arcs_over_rounds(graph)); }

double nearest(const Layout& layout) {
  double least = HUGE_VAL;
  for (size_t i = 0; i < layout.points.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      least = std::min(least, std::hypot(layout.points[i].x - layout.points[j].x,
                                         layout.points[i].y - layout.points[j].y));
    }
  }
  return least;
}

TEST(Layout, OfEveryGraphPutsEachNodeInAPlaceOfItsOwn) {
  for_each_graph([](const std::string& label, std::shared_ptr<const Graph> graph) {
    const Layout found = layout(*graph);
    ASSERT_EQ(found.points.size(), graph->nodes()) << label;
    for (const Point& p : found.points) {
      EXPECT_TRUE(std::isfinite(p.x) && std::isfinite(p.y)) << label;
    }
    EXPECT_GT(nearest(found), 0.01) << label;
  });
}

TEST(Layout, SuitsTheGraph) {
  for (const char* name : {"ring", "complete", "static-exponential"}) {
    EXPECT_EQ(layout(*make_graph(name, 16)).kind, Kind::kCircle) << name;
  }
  EXPECT_EQ(layout(*make_graph("torus", 20)).kind, Kind::kGrid);
  EXPECT_EQ(layout(*make_graph("torus", 20)).columns, 5u);
  EXPECT_EQ(layout(*graph_with("torus", 20, {{"rows", int64_t{5}}})).columns, 4u);
  EXPECT_EQ(layout(*make_graph("star", 20)).kind, Kind::kTree);
  EXPECT_EQ(layout(*make_graph("random-regular", 20, 1)).kind, Kind::kSpring);
}

TEST(Layout, PutsTheHubOfAStarInTheMiddleAndAPathOnALine) {
  const Layout star = layout(*make_graph("star", 9));
  for (uint32_t i = 1; i < 9; ++i) {
    EXPECT_NEAR(
        std::hypot(star.points[i].x - star.points[0].x, star.points[i].y - star.points[0].y), 1,
        1e-12);
  }
  const Layout path = layout(AdjacencyGraph(5, {{0, 1}, {1, 2}, {2, 3}, {3, 4}}));
  for (uint32_t i = 1; i < 5; ++i) {
    EXPECT_NEAR(path.points[i].x - path.points[i - 1].x, 1, 1e-12);
    EXPECT_NEAR(path.points[i].y, path.points[0].y, 1e-12);
  }
}

// Two K4 and a bridge: nodes of a K4 stand nearer to one another than to those of the other.
TEST(Layout, KeepsTheHalvesOfABarbellApart) {
  const Layout found = layout(AdjacencyGraph(8, {{0, 1},
                                                 {0, 2},
                                                 {0, 3},
                                                 {1, 2},
                                                 {1, 3},
                                                 {2, 3},
                                                 {4, 5},
                                                 {4, 6},
                                                 {4, 7},
                                                 {5, 6},
                                                 {5, 7},
                                                 {6, 7},
                                                 {3, 4}}));
  EXPECT_EQ(found.kind, Kind::kSpring);
  const auto apart = [&](size_t a, size_t b) {
    return std::hypot(found.points[a].x - found.points[b].x, found.points[a].y - found.points[b].y);
  };
  for (size_t a = 0; a < 3; ++a) {
    for (size_t b = 5; b < 8; ++b) EXPECT_GT(apart(a, b), 1.5 * apart(a, (a + 1) % 3));
  }
}

TEST(Arcs, OfAllRoundsAreNamedOnce) {
  EXPECT_EQ(arcs_over_rounds(*make_graph("ring", 3)),
            (std::vector<Arc>{{0, 1}, {0, 2}, {1, 0}, {1, 2}, {2, 0}, {2, 1}}));
}

}  // namespace
}  // namespace kith
