// What `kith topology` prints.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <numbers>

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
  EXPECT_EQ(properties_of(make_graph("ring", 8)).rounds_to_tolerance, 32u);
  EXPECT_EQ(properties_of(make_graph("complete", 8)).rounds_to_tolerance, 1u);
  EXPECT_EQ(rounds_to_tolerance(0, 1e-3), 1u);
  EXPECT_EQ(rounds_to_tolerance(0.5, 1e-3), 10u);
  EXPECT_EQ(rounds_to_tolerance(0.5, 0.25), 2u);
  EXPECT_EQ(rounds_to_tolerance(0.5, 0.9), 1u);
  EXPECT_EQ(rounds_to_tolerance(1, 1e-3), std::nullopt);
  for (const double tolerance : {1e-9, 1e-3, 0.1, 0.9}) {
    for (const double zeta : {0.01, 0.3, 0.9, 0.999, 0.9999999}) {
      const auto rounds = static_cast<double>(rounds_to_tolerance(zeta, tolerance).value());
      EXPECT_LE(rounds * std::log(zeta), std::log(tolerance) + 1e-9) << zeta;
      EXPECT_GT((rounds - 1) * std::log(zeta), std::log(tolerance) - 1e-9) << zeta;
    }
  }
}

TEST(Properties, RefusesATolerance) {
  const auto mixing = make_mixing("metropolis", make_graph("ring", 8));
  for (const double tolerance : {0.0, 1.0, -1.0, 2.0, std::nan("")}) {
    EXPECT_NE(refusal([&] { topology_properties(*mixing, tolerance); }).find("0.001"),
              std::string::npos);
  }
}

TEST(Properties, CountsMatchings) {
  EXPECT_EQ(properties_of(make_graph("ring", 8)).matchings, (std::vector<size_t>{4, 4}));
  EXPECT_EQ(properties_of(make_graph("star", 4)).matchings, (std::vector<size_t>{1, 1, 1}));
  EXPECT_EQ(properties_of(make_graph("static-exponential", 8)).matchings, std::nullopt);
}

// One peer at distance 2^(t mod L), L = ceil(log2 N), every round.
class OnePeer final : public Graph {
 public:
  explicit OnePeer(uint32_t nodes) : nodes_(nodes) {}
  uint32_t nodes() const override { return nodes_; }
  bool undirected() const override { return false; }
  Round period() const override { return std::bit_width(nodes_ - 1); }
  void in(NodeId node, Round round, std::vector<NodeId>& out) const override {
    out = {NodeId{(index_of(node) + nodes_ - hop(round)) % nodes_}};
  }
  void out(NodeId node, Round round, std::vector<NodeId>& out) const override {
    out = {NodeId{(index_of(node) + hop(round)) % nodes_}};
  }

 private:
  uint32_t hop(Round round) const { return 1u << round % period(); }
  uint32_t nodes_;
};

// ALGORITHMS 2D, one-peer exponential: over log2 N rounds exactly J where N is a power of 2, else
// .217 is left at N = 6 and .209 at N = 12. A round alone: (1 + w) / 2 over the N-th roots of 1.
TEST(Properties, OfAGraphThatChangesRunOverItsPeriod) {
  for (const uint32_t nodes : {4u, 8u, 16u, 64u}) {
    const TopologyProperties found = properties_of(std::make_shared<OnePeer>(nodes));
    ASSERT_TRUE(found.changing);
    EXPECT_EQ(found.changing->zeta.size(), found.changing->rounds);
    EXPECT_NEAR(found.changing->zeta_product, 0, 1e-9);
    EXPECT_EQ(found.rounds_to_tolerance, std::bit_width(nodes - 1));
    EXPECT_NEAR(found.changing->zeta[0], std::cos(std::numbers::pi / nodes), 1e-7);
    EXPECT_NEAR(found.changing->zeta.back(), 1, 1e-7);  // pairs: the round is not connected
  }
  const TopologyProperties six = properties_of(std::make_shared<OnePeer>(6));
  EXPECT_NEAR(six.changing->zeta_product, 0.217, 5e-4);
  EXPECT_NEAR(six.spectrum.zeta, std::cbrt(six.changing->zeta_product), 1e-12);
  EXPECT_EQ(six.rounds_to_tolerance, 3u * 5);  // .217^4 = .0022, .217^5 = .0005
  EXPECT_NEAR(properties_of(std::make_shared<OnePeer>(12)).changing->zeta_product, 0.209, 5e-4);
  EXPECT_EQ(properties_of(make_graph("ring", 8)).changing, std::nullopt);
  EXPECT_NE(refusal([] { properties_of(std::make_shared<OnePeer>(4096)); }).find("changes"),
            std::string::npos);
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
