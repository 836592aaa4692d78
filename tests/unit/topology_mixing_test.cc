// Mixing matrices: what every W keeps (ALGORITHMS: rows and columns sum to 1, so that the average
// is unchanged), each rule's weights, and the pairs that are refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "tests/unit/topology_cases.h"
#include "topology/mixing.h"
#include "topology/spectral.h"

namespace kith {
namespace {

using ::testing::HasSubstr;

using Matrix = std::vector<std::vector<double>>;

Matrix dense(const Mixing& mixing, Round round = 0) {
  const uint32_t nodes = mixing.graph().nodes();
  Matrix w(nodes, std::vector<double>(nodes, 0.0));
  MixingRow row;
  for (uint32_t i = 0; i < nodes; ++i) {
    mixing.row(NodeId{i}, round, row);
    w[i][i] = row.self;
    for (const Neighbor& neighbor : row.neighbors) w[i][index_of(neighbor.peer)] = neighbor.weight;
  }
  return w;
}

bool serves(const std::string& rule, const std::shared_ptr<const Graph>& graph) {
  return refusal([&] { make_mixing(rule, graph); }).empty();
}

// The fastest weights cost a solve: at small sizes alone.
std::vector<std::string> rules_for(const Graph& graph) {
  std::vector<std::string> rules = {
      "metropolis",      "uniform", "best-constant", "column-stochastic", "lazy-uniform",
      "lazy-metropolis", "own"};
  if (graph.nodes() <= 12) rules.emplace_back("fastest");
  return rules;
}

void for_each_mixing(const std::function<void(const Mixing&)>& visit) {
  for_each_graph([&](const std::string& label, std::shared_ptr<const Graph> graph) {
    for (const std::string& rule : rules_for(*graph)) {
      if (!serves(rule, graph)) continue;
      SCOPED_TRACE(label + " " + rule);
      visit(*make_mixing(rule, graph));
    }
  });
}

// A period, but no more than the first rounds of one that never repeats.
Round rounds_tried(const Mixing& mixing) {
  return std::min<Round>(rounds_shown(mixing.graph()), 20);
}

TEST(EveryMixing, RowsAndColumnsSumToOne) {
  for_each_mixing([](const Mixing& mixing) {
    for (Round round = 0; round < rounds_tried(mixing); ++round) {
      const Matrix w = dense(mixing, round);
      for (size_t i = 0; i < w.size(); ++i) {
        double row = 0;
        double column = 0;
        for (size_t j = 0; j < w.size(); ++j) {
          row += w[i][j];
          column += w[j][i];
        }
        // The rounding of w_ii alone on the side that the rule closes.
        if (mixing.stochastic() == Stochastic::kDoubly) {
          EXPECT_NEAR(row, 1, 6e-8);
        }
        EXPECT_NEAR(column, 1, mixing.stochastic() == Stochastic::kColumns ? 6e-8 : 1e-6);
      }
    }
  });
}

TEST(EveryMixing, IsSymmetricWhereTheGraphIsUndirected) {
  for_each_mixing([](const Mixing& mixing) {
    if (!mixing.graph().undirected() || mixing.stochastic() == Stochastic::kColumns) return;
    for (Round round = 0; round < rounds_tried(mixing); ++round) {
      const Matrix w = dense(mixing, round);
      for (size_t i = 0; i < w.size(); ++i) {
        for (size_t j = 0; j < i; ++j) EXPECT_EQ(w[i][j], w[j][i]);
      }
    }
  });
}

TEST(EveryMixing, RowNamesExactlyTheInNeighboursWithWeight) {
  for_each_mixing([](const Mixing& mixing) {
    MixingRow row;
    row.neighbors.push_back({NodeId{77}, 1.0f});
    std::vector<NodeId> in;
    for (uint32_t i = 0; i < mixing.graph().nodes(); ++i) {
      mixing.row(NodeId{i}, 0, row);
      mixing.graph().in(NodeId{i}, 0, in);
      ASSERT_EQ(row.neighbors.size(), in.size());
      for (size_t k = 0; k < in.size(); ++k) {
        EXPECT_EQ(row.neighbors[k].peer, in[k]);
        EXPECT_TRUE(std::isfinite(row.neighbors[k].weight));
      }
    }
  });
}

TEST(EveryMixing, SumsToWhatTheCheckFinds) {
  for_each_mixing([](const Mixing& mixing) {
    const MixingSums sums = mixing_sums(mixing);
    EXPECT_LT(sums.column_error, 1e-6);
    if (mixing.stochastic() == Stochastic::kDoubly) {
      EXPECT_LT(sums.row_error, 6e-8);
      EXPECT_TRUE(sums.symmetric || !mixing.graph().undirected());
    }
  });
}

// Of the rules that promise it; the fastest weights may be negative.
TEST(EveryMixing, WeighsNeighboursAboveZero) {
  for_each_graph([](const std::string& label, std::shared_ptr<const Graph> graph) {
    for (const std::string rule :
         {"metropolis", "uniform", "best-constant", "column-stochastic", "lazy-metropolis"}) {
      if (!serves(rule, graph)) continue;
      const auto mixing = make_mixing(rule, graph);
      MixingRow row;
      for (uint32_t i = 0; i < graph->nodes(); ++i) {
        mixing->row(NodeId{i}, 0, row);
        for (const Neighbor& neighbor : row.neighbors) EXPECT_GT(neighbor.weight, 0) << label;
      }
    }
  });
}

// What is left of a vector without its mean after 500 rounds or more, as many as show all of the
// graph again and again.
double left_over(const Mixing& mixing) {
  const uint32_t nodes = mixing.graph().nodes();
  std::vector<std::vector<MixingRow>> weights(rounds_shown(mixing.graph()));
  for (Round round = 0; round < weights.size(); ++round) {
    weights[round].resize(nodes);
    for (uint32_t i = 0; i < nodes; ++i) mixing.row(NodeId{i}, round, weights[round][i]);
  }
  std::vector<double> x(nodes);
  std::vector<double> next(nodes);
  for (uint32_t i = 0; i < nodes; ++i) x[i] = std::cos(1.7 * i * i);
  for (size_t round = 0; round % weights.size() != 0 || round < 500; ++round) {
    for (uint32_t i = 0; i < nodes; ++i) {
      const MixingRow& row = weights[round % weights.size()][i];
      next[i] = static_cast<double>(row.self) * x[i];
      for (const Neighbor& peer : row.neighbors) {
        next[i] += static_cast<double>(peer.weight) * x[index_of(peer.peer)];
      }
    }
    x.swap(next);
  }
  double mean = 0;
  for (const double value : x) mean += value / nodes;
  double largest = 0;
  for (const double value : x) largest = std::max(largest, std::abs(value - mean));
  return largest;
}

TEST(EveryMixing, Contracts) {
  for_each_mixing([](const Mixing& mixing) {
    if (mixing.graph().period() == 1) {
      EXPECT_LT(spectrum(mixing).zeta, 1);
    } else if (mixing.stochastic() == Stochastic::kDoubly) {  // push-sum's x alone comes to no rest
      EXPECT_LT(left_over(mixing), 1e-2);
    }
  });
}

TEST(DefaultMixing, ServesEveryGraph) {
  for_each_graph([](const std::string& label, std::shared_ptr<const Graph> graph) {
    EXPECT_TRUE(serves(default_mixing(*graph), graph)) << label;
  });
  EXPECT_EQ(default_mixing(*make_graph("star", 8)), "metropolis");
  EXPECT_EQ(default_mixing(*make_graph("static-exponential", 8)), "uniform");
  EXPECT_EQ(default_mixing(*make_graph("base-k-plus-1", 8)), "own");
}

// Xiao, Boyd, Lall 2005: w_ij = 1 / (1 + max(d_i, d_j)). A path 0 - 1 - 2 with 3 hanging on 1.
TEST(Metropolis, WeighsByTheLargerDegree) {
  const TextFile file("0 1\n1 2\n1 3\n2 4\n");
  const Matrix w =
      dense(*make_mixing("metropolis", graph_with("edge-list", 5, {{"file", file.path()}})));
  EXPECT_FLOAT_EQ(w[0][1], 0.25);
  EXPECT_FLOAT_EQ(w[1][2], 0.25);
  EXPECT_FLOAT_EQ(w[2][4], 1.0 / 3);
  EXPECT_FLOAT_EQ(w[0][0], 0.75);
  EXPECT_FLOAT_EQ(w[1][1], 0.25);
  EXPECT_FLOAT_EQ(w[2][2], 1 - 0.25 - 1.0 / 3);
  EXPECT_EQ(w[0][2], 0);
}

TEST(Uniform, WeighsAllAlike) {
  const Matrix w = dense(*make_mixing("uniform", make_graph("static-exponential", 16)));
  for (const uint32_t j : {0u, 8u, 12u, 14u, 15u}) EXPECT_FLOAT_EQ(w[0][j], 0.2);
  EXPECT_EQ(w[0][1], 0);
}

// Xiao, Boyd 2004: a = 2 / (lambda_2 + lambda_N). Star: eigenvalues 1 and N; ring of 8: 2 - sqrt 2
// and 4; two K4 with a bridge (MATCHA): a from lambda_2 = 0.35425 and lambda_N = 5.64575 is 1/3.
TEST(BestConstant, TakesTheBestConstant) {
  const auto weight = [](std::shared_ptr<const Graph> graph) {
    return dense(*make_mixing("best-constant", std::move(graph)))[0][1];
  };
  EXPECT_FLOAT_EQ(weight(make_graph("star", 8)), 2.0 / 9);
  EXPECT_FLOAT_EQ(weight(make_graph("ring", 8)), 2 / (6 - std::sqrt(2.0)));
  EXPECT_FLOAT_EQ(weight(make_graph("complete", 8)), 1.0 / 8);
  const TextFile file("0 1\n0 2\n0 3\n1 2\n1 3\n2 3\n4 5\n4 6\n4 7\n5 6\n5 7\n6 7\n3 4\n");
  EXPECT_FLOAT_EQ(weight(graph_with("edge-list", 8, {{"file", file.path()}})), 1.0 / 3);
}

// (I + W) / 2: lambda_min of an even ring is -1/3 exactly under metropolis, which D2 cannot use.
TEST(Lazy, HalvesTheWayToIdentity) {
  const auto ring = make_graph("ring", 8);
  const Matrix whole = dense(*make_mixing("metropolis", ring));
  const auto lazy = make_mixing("lazy-metropolis", ring);
  const Matrix half = dense(*lazy);
  for (size_t i = 0; i < 8; ++i) {
    for (size_t j = 0; j < 8; ++j) {
      EXPECT_NEAR(half[i][j], ((i == j ? 1 : 0) + whole[i][j]) / 2, 6e-8);
    }
  }
  EXPECT_NEAR(spectrum(*make_mixing("metropolis", ring)).lambda_min, -1.0 / 3, 1e-7);
  EXPECT_NEAR(spectrum(*lazy).lambda_min, 1.0 / 3, 1e-7);
  EXPECT_NEAR(spectrum(*make_mixing("lazy-uniform", make_graph("static-exponential", 16))).zeta,
              0.8, 1e-6);  // eigenvalues (1 + v) / 2, of which v = 0.6 is the largest
}

TEST(MakeMixing, RefusesWhatCannotServeAndNamesWhatCan) {
  const auto refused = [](const std::string& rule, const char* graph) {
    return refusal([&] { make_mixing(rule, make_graph(graph, 8)); });
  };
  EXPECT_THAT(refused("metropolis", "static-exponential"), HasSubstr("use mixing \"uniform\""));
  EXPECT_THAT(refused("best-constant", "static-exponential"), HasSubstr("use mixing \"uniform\""));
  EXPECT_THAT(refused("uniform", "star"), HasSubstr("use mixing \"metropolis\""));
  EXPECT_THAT(refused("own", "ring"), HasSubstr("use mixing \"metropolis\""));
  EXPECT_THAT(refused("fastest", "static-exponential"), HasSubstr("use mixing \"uniform\""));
  EXPECT_THAT(refused("lazy-uniform", "star"), HasSubstr("use mixing \"metropolis\""));
  for (const char* rule : {"average", "lazy", "lazy-", "lazy-lazy-metropolis", ""}) {
    EXPECT_THAT(refused(rule, "ring"), HasSubstr("metropolis, uniform, best-constant")) << rule;
  }
  EXPECT_THAT(refusal([] { make_mixing("fastest", make_graph("ring", 2000)); }),
              HasSubstr("best-constant"));
}

// in(0) = {2}, in(1) = {0, 2}, in(2) = {0, 1}: directed, degrees unequal.
class Lopsided final : public Graph {
 public:
  uint32_t nodes() const override { return 3; }
  bool undirected() const override { return false; }
  void in(NodeId node, Round, std::vector<NodeId>& out) const override {
    static const std::vector<std::vector<NodeId>> kIn = {
        {NodeId{2}}, {NodeId{0}, NodeId{2}}, {NodeId{0}, NodeId{1}}};
    out = kIn[index_of(node)];
  }
  void out(NodeId node, Round, std::vector<NodeId>& out) const override {
    static const std::vector<std::vector<NodeId>> kOut = {
        {NodeId{1}, NodeId{2}}, {NodeId{2}}, {NodeId{0}, NodeId{1}}};
    out = kOut[index_of(node)];
  }
};

TEST(MakeMixing, NoDoublyStochasticRuleServesAnIrregularDirectedGraph) {
  const auto graph = std::make_shared<Lopsided>();
  for (const char* rule : {"metropolis", "uniform", "best-constant", "fastest"}) {
    EXPECT_THAT(refusal([&] { make_mixing(rule, graph); }), HasSubstr("use a")) << rule;
  }
}

// Push-sum's P (ALGORITHMS 2D, SGP): 1 / (1 + outdegree) per column, not by in-degree. The
// outdegrees are 2, 1, 2. P has the eigenvector of a chain that stays with that chance.
TEST(ColumnStochastic, SharesWhatANodeHasAmongThoseItSendsTo) {
  const auto mixing = make_mixing("column-stochastic", std::make_shared<Lopsided>());
  EXPECT_EQ(mixing->stochastic(), Stochastic::kColumns);
  const Matrix p = dense(*mixing);
  const std::vector<std::vector<double>> expected = {
      {1. / 3, 0, 1. / 3}, {1. / 3, 1. / 2, 1. / 3}, {1. / 3, 1. / 2, 1. / 3}};
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) EXPECT_NEAR(p[i][j], expected[i][j], 6e-8);
  }
  const MixingSums sums = mixing_sums(*mixing);
  EXPECT_LT(sums.column_error, 1.2e-7);
  EXPECT_NEAR(sums.row_error, 1. / 3, 1e-6);  // the first row sums to 2/3
  EXPECT_FALSE(sums.symmetric);
  // By hand: trace 7/6, determinant 0, 2x2 minors 1/6 + 0 + 0: eigenvalues 1, 1/6, 0.
  EXPECT_NEAR(spectrum(*mixing).zeta, 1. / 6, 1e-6);
}

// Push-sum: x <- P x, w <- P w; x / w goes to the mean at every node, x alone does not.
TEST(ColumnStochastic, CarriesPushSumToTheMean) {
  const Matrix p = dense(*make_mixing("lazy-column-stochastic", std::make_shared<Lopsided>()));
  std::vector<double> x = {1, 5, 12};
  std::vector<double> w = {1, 1, 1};
  for (int round = 0; round < 100; ++round) {
    std::vector<double> next_x(3, 0), next_w(3, 0);
    for (size_t i = 0; i < 3; ++i) {
      for (size_t j = 0; j < 3; ++j) {
        next_x[i] += p[i][j] * x[j];
        next_w[i] += p[i][j] * w[j];
      }
    }
    x = next_x;
    w = next_w;
  }
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(x[i] / w[i], 6, 1e-4);
  EXPECT_GT(std::abs(x[0] - 6), 1);
}

TEST(ColumnStochastic, IsUniformOnARegularGraph) {
  const auto graph = make_graph("static-exponential", 16);
  EXPECT_EQ(dense(*make_mixing("column-stochastic", graph)), dense(*make_mixing("uniform", graph)));
}

// A star in even rounds whose hub moves to node 1 in odd ones.
class MovingStar final : public Graph {
 public:
  uint32_t nodes() const override { return 5; }
  bool undirected() const override { return true; }
  Round period() const override { return 2; }
  void in(NodeId node, Round round, std::vector<NodeId>& out) const override {
    const NodeId hub{static_cast<uint32_t>(round % 2)};
    out.clear();
    if (node != hub) return out.push_back(hub);
    for (uint32_t i = 0; i < 5; ++i) {
      if (NodeId{i} != hub) out.push_back(NodeId{i});
    }
  }
  void out(NodeId node, Round round, std::vector<NodeId>& out) const override {
    in(node, round, out);
  }
};

TEST(Metropolis, FollowsAGraphThatChanges) {
  const auto mixing = make_mixing("metropolis", std::make_shared<MovingStar>());
  MixingRow row;
  for (const Round round : {Round{0}, Round{1}, Round{2}, Round{1000001}}) {
    const uint32_t hub = round % 2;
    mixing->row(NodeId{4}, round, row);
    ASSERT_EQ(row.neighbors.size(), 1u);
    EXPECT_EQ(row.neighbors[0].peer, NodeId{hub});
    EXPECT_FLOAT_EQ(row.neighbors[0].weight, 0.2f);
  }
  EXPECT_THAT(refusal([] { make_mixing("best-constant", std::make_shared<MovingStar>()); }),
              HasSubstr("use mixing \"metropolis\""));
}

TEST(MixingRow, KeepsItsStorageOnceWarm) {
  const auto mixing = make_mixing("metropolis", make_graph("star", 50));
  MixingRow row;
  mixing->row(NodeId{0}, 0, row);
  const Neighbor* storage = row.neighbors.data();
  const NodeId* scratch = row.scratch.data();
  for (uint32_t i = 0; i < 50; ++i) mixing->row(NodeId{49 - i}, i, row);
  EXPECT_EQ(row.neighbors.data(), storage);
  EXPECT_EQ(row.scratch.data(), scratch);
}

TEST(EveryMixing, AnswersManyThreadsAlike) {
  const std::shared_ptr<const Graph> graph = make_graph("random-regular", 200, 3);
  const auto mixing = make_mixing("metropolis", graph);
  const Matrix expected = dense(*mixing);
  std::vector<Matrix> found(4);
  std::vector<std::thread> threads;
  for (Matrix& w : found) threads.emplace_back([&] { w = dense(*mixing); });
  for (std::thread& thread : threads) thread.join();
  for (const Matrix& w : found) EXPECT_EQ(w, expected);
}

}  // namespace
}  // namespace kith
