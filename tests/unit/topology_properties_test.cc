// What `kith topology` prints.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/topology_cases.h"
#include "topology/properties.h"
#include "topology/reach.h"

namespace kith {
namespace {

TopologyProperties properties_of(const std::shared_ptr<const Graph>& graph) {
  return topology_properties(*make_mixing(default_mixing(*graph), graph));
}

TEST(Properties, CountsOfKnownGraphs) {
  struct Known {
    const char* name;
    uint32_t nodes;
    uint64_t edges;
    uint32_t degree_min, degree_max;
    uint32_t diameter;
  };
  for (const Known& known :
       {Known{"ring", 8, 8, 2, 2, 4}, Known{"ring", 9, 9, 2, 2, 4}, Known{"star", 16, 15, 1, 15, 2},
        Known{"torus", 16, 32, 4, 4, 4}, Known{"torus", 12, 24, 4, 4, 3},
        Known{"complete", 10, 45, 9, 9, 1}, Known{"static-exponential", 16, 64, 4, 4, 4},
        Known{"static-exponential", 8, 24, 3, 3, 3}, Known{"ring", 1, 0, 0, 0, 0},
        Known{"path", 9, 8, 1, 2, 8}, Known{"directed-ring", 9, 9, 1, 1, 8},
        Known{"grid", 12, 17, 2, 4, 5}, Known{"grid", 16, 24, 2, 4, 6},
        Known{"hypercube", 16, 32, 4, 4, 4}, Known{"hypercube", 64, 192, 6, 6, 6},
        Known{"binary-tree", 15, 14, 1, 3, 6}, Known{"binary-tree", 20, 19, 1, 3, 7},
        Known{"barbell", 8, 13, 3, 4, 3}, Known{"barbell", 9, 17, 3, 5, 3}}) {
    SCOPED_TRACE(std::string(known.name) + " " + std::to_string(known.nodes));
    const TopologyProperties found = properties_of(make_graph(known.name, known.nodes));
    EXPECT_EQ(found.nodes, known.nodes);
    EXPECT_EQ(found.edges, known.edges);
    EXPECT_EQ(found.degree_min, known.degree_min);
    EXPECT_EQ(found.degree_max, known.degree_max);
    EXPECT_EQ(found.diameter, known.diameter);
    EXPECT_TRUE(found.diameter_exact);
    EXPECT_TRUE(found.connected);
  }
}

TEST(Properties, MeanDegreeOfAStar) {
  EXPECT_DOUBLE_EQ(properties_of(make_graph("star", 16)).degree_mean, 30.0 / 16);
}

// On trees and rings the double sweep finds the diameter itself.
TEST(Properties, LargeDiameterIsALowerBoundAndSaysSo) {
  const TopologyProperties found = properties_of(make_graph("torus", 6400));
  EXPECT_FALSE(found.diameter_exact);
  EXPECT_EQ(found.diameter, 80u);
}

// zeta^t <= 1/1000 for the first time: ring of 8 with zeta .804738 needs ln 1000 / .21724 = 31.8.
TEST(Properties, RoundsToShrinkTheDisagreement) {
  EXPECT_EQ(properties_of(make_graph("ring", 8)).rounds_to_thousandth, 32u);
  EXPECT_EQ(properties_of(make_graph("complete", 8)).rounds_to_thousandth, 1u);
  EXPECT_EQ(rounds_to_thousandth(0), 1u);
  EXPECT_EQ(rounds_to_thousandth(0.5), 10u);
  EXPECT_EQ(rounds_to_thousandth(1), std::nullopt);
  for (const double zeta : {0.01, 0.3, 0.9, 0.999, 0.9999999}) {
    const auto rounds = static_cast<double>(rounds_to_thousandth(zeta).value());
    EXPECT_LE(rounds * std::log(zeta), std::log(1e-3) + 1e-9) << zeta;
    EXPECT_GT((rounds - 1) * std::log(zeta), std::log(1e-3) - 1e-9) << zeta;
  }
}

// Two pairs that never meet, and an arc of no return.
class Arcs final : public Graph {
 public:
  explicit Arcs(std::vector<std::vector<NodeId>> in, bool undirected)
      : in_(std::move(in)), undirected_(undirected) {}
  uint32_t nodes() const override { return static_cast<uint32_t>(in_.size()); }
  bool undirected() const override { return undirected_; }
  void in(NodeId node, Round, std::vector<NodeId>& out) const override {
    out = in_[index_of(node)];
  }
  void out(NodeId node, Round, std::vector<NodeId>& out) const override {
    out.clear();
    for (uint32_t i = 0; i < in_.size(); ++i) {
      for (const NodeId from : in_[i]) {
        if (from == node) out.push_back(NodeId{i});
      }
    }
  }

 private:
  std::vector<std::vector<NodeId>> in_;
  bool undirected_;
};

TEST(Connected, SeesWhatIsApartAndWhatCannotReturn) {
  const Arcs pairs({{NodeId{1}}, {NodeId{0}}, {NodeId{3}}, {NodeId{2}}}, true);
  EXPECT_FALSE(connected(pairs));
  EXPECT_EQ(first_unreached(pairs, Direction::kOut), 2u);
  const Arcs line({{}, {NodeId{0}}, {NodeId{1}}}, false);
  EXPECT_FALSE(connected(line));
  EXPECT_EQ(first_unreached(line, Direction::kOut), 3u);
  EXPECT_EQ(first_unreached(line, Direction::kIn), 1u);
  EXPECT_TRUE(connected(Arcs({{NodeId{2}}, {NodeId{0}}, {NodeId{1}}}, false)));
}

// The ring's news comes back after all others have it; of the static exponential graph at N = 8, -4
// is +4, -2 is 4 + 2, -1 is 4 + 2 + 1.
TEST(LongestReturn, IsHowFarASenderCanBeAhead) {
  for (const uint32_t nodes : {3u, 20u, 1024u, 1025u}) {
    EXPECT_EQ(longest_return(*make_graph("directed-ring", nodes)), nodes - 1);
    EXPECT_EQ(longest_return(*make_graph("ring", nodes)), 1u);
  }
  EXPECT_EQ(longest_return(*make_graph("static-exponential", 8)), 3u);
  EXPECT_EQ(longest_return(*make_graph("static-exponential", 2000)), 9u);
  EXPECT_EQ(longest_return(*make_graph("ring", 1)), 0u);
}

TEST(Properties, AGraphThatIsApartNeverAgrees) {
  const auto pairs = std::make_shared<Arcs>(
      std::vector<std::vector<NodeId>>{{NodeId{1}}, {NodeId{0}}, {NodeId{3}}, {NodeId{2}}}, true);
  const TopologyProperties found = properties_of(pairs);
  EXPECT_FALSE(found.connected);
  EXPECT_NEAR(found.spectrum.zeta, 1, 1e-12);
}

}  // namespace
}  // namespace kith
