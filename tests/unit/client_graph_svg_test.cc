// Drawings of graphs: every node and edge is there, inside the paper.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "client/view/graph_svg.h"
#include "tests/unit/topology_cases.h"

namespace kith {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(GraphSvg, DrawsEachNodeAndEachEdgeOnce) {
  const std::string ring = graph_svg(*make_graph("ring", 16), "a ring");
  EXPECT_EQ(count(ring, "<circle"), 16u);
  EXPECT_EQ(count(ring, "<line"), 16u);
  EXPECT_EQ(count(ring, "<path"), 0u);  // no arrows
  EXPECT_THAT(ring, HasSubstr(">15</text>"));
  EXPECT_THAT(ring, HasSubstr(">a ring</text>"));
  EXPECT_EQ(count(graph_svg(*make_graph("complete", 9), ""), "<line"), 36u);
}

TEST(GraphSvg, HasAnArrowForEachArcOfADirectedGraph) {
  const std::string svg = graph_svg(*make_graph("static-exponential", 16), "");
  EXPECT_EQ(count(svg, "<line"), 64u);
  EXPECT_EQ(count(svg, "<path"), 64u);
}

// 4 x 4: 24 edges inside, 8 that wrap round, each with two dashed ends.
TEST(GraphSvg, DashesWhatWrapsRoundATorus) {
  const std::string svg = graph_svg(*make_graph("torus", 16), "");
  EXPECT_EQ(count(svg, "stroke-dasharray"), 16u);
  EXPECT_EQ(count(svg, "<line"), 24u + 16u);
}

TEST(GraphSvg, StaysOnThePaper) {
  for (const char* name : {"ring", "torus", "star", "static-exponential", "random-regular"}) {
    for (const uint32_t nodes : {8u, 16u, 64u}) {
      const std::string svg = graph_svg(*make_graph(name, nodes, 1), "");
      const std::regex number("(?:cx|cy|x1|x2|y1|y2)=\"([-0-9.a-z]+)\"");
      for (std::sregex_iterator at(svg.begin(), svg.end(), number), end; at != end; ++at) {
        const double value = std::stod((*at)[1]);
        EXPECT_TRUE(value >= 0 && value <= 760) << name << " " << nodes << " " << (*at)[0];
      }
    }
  }
}

TEST(GraphSvg, LeavesNumbersOutWhereTheyDoNotFit) {
  EXPECT_THAT(graph_svg(*make_graph("ring", 500), ""), Not(HasSubstr(">499</text>")));
}

TEST(GraphSvg, EscapesItsCaption) {
  EXPECT_THAT(graph_svg(*make_graph("ring", 3), "a<b&c"), HasSubstr("a&lt;b&amp;c"));
}

TEST(GraphSvg, RefusesWhatNobodyCanSee) {
  EXPECT_THAT(refusal([] { graph_svg(*make_graph("ring", 5000), ""); }), HasSubstr("1,000"));
  EXPECT_THAT(refusal([] { graph_svg(*make_graph("complete", 1000), ""); }), HasSubstr("fewer"));
}

}  // namespace
}  // namespace kith
