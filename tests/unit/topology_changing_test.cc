// Graphs that change from round to round: what the product of their W over a period is, and what a
// round that is drawn anew does on average.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <set>

#include "tests/unit/topology_cases.h"
#include "topology/mixing.h"
#include "topology/permutation.h"
#include "topology/rng.h"

namespace kith {
namespace {

using Matrix = std::vector<std::vector<double>>;

// W of `round` times `x`, from the left.
Matrix mixed(const Mixing& mixing, Round round, const Matrix& x) {
  Matrix next(x.size(), std::vector<double>(x.size(), 0.0));
  MixingRow row;
  for (uint32_t i = 0; i < x.size(); ++i) {
    mixing.row(NodeId{i}, round, row);
    for (size_t c = 0; c < x.size(); ++c) {
      next[i][c] = static_cast<double>(row.self) * x[i][c];
      for (const Neighbor& neighbor : row.neighbors) {
        next[i][c] += static_cast<double>(neighbor.weight) * x[index_of(neighbor.peer)][c];
      }
    }
  }
  return next;
}

// W of the rounds first, first + 1, .. of a whole period.
Matrix product(const Mixing& mixing, Round first) {
  const uint32_t nodes = mixing.graph().nodes();
  Matrix x(nodes, std::vector<double>(nodes, 0.0));
  for (uint32_t i = 0; i < nodes; ++i) x[i][i] = 1;
  for (Round round = 0; round < mixing.graph().period(); ++round) {
    x = mixed(mixing, first + round, x);
  }
  return x;
}

// The largest singular value of x - J, by power iteration on its square. Needs one that is well
// above 0.
double norm_off_average(const Matrix& x) {
  const size_t nodes = x.size();
  const double mean = 1.0 / static_cast<double>(nodes);
  std::vector<double> v(nodes);
  for (size_t i = 0; i < nodes; ++i) v[i] = std::cos(1.3 * static_cast<double>(i * i));
  double norm = 0;
  for (int step = 0; step < 2000; ++step) {
    std::vector<double> forth(nodes, 0.0);
    std::vector<double> back(nodes, 0.0);
    for (size_t i = 0; i < nodes; ++i) {
      for (size_t j = 0; j < nodes; ++j) forth[i] += (x[i][j] - mean) * v[j];
    }
    for (size_t i = 0; i < nodes; ++i) {
      for (size_t j = 0; j < nodes; ++j) back[j] += (x[i][j] - mean) * forth[i];
    }
    double length = 0;
    for (const double value : back) length += value * value;
    length = std::sqrt(length);
    norm = std::sqrt(length);
    for (size_t i = 0; i < nodes; ++i) v[i] = back[i] / length;
  }
  return norm;
}

// Ying et al. 2021; ALGORITHMS 2D: exact iff N is a power of two. The weights are 1/2, so that the
// arithmetic is exact too.
TEST(OnePeerExponential, APeriodAveragesExactlyAtPowersOfTwo) {
  for (const uint32_t nodes : {1u, 2u, 4u, 8u, 16u, 64u, 128u}) {
    const auto mixing = make_mixing("uniform", make_graph("one-peer-exponential", nodes));
    for (const Round first : {0u, 1u, 5u}) {
      for (const auto& row : product(*mixing, first)) {
        for (const double entry : row) ASSERT_EQ(entry, 1.0 / nodes) << nodes;
      }
    }
  }
}

// |prod_k (1 + exp(-2 pi i m 2^k / N)) / 2| = prod_k |cos(pi m 2^k / N)|; .217 at N = 6, .209
// at 12.
TEST(OnePeerExponential, APeriodLeavesTheProductOfCosinesElsewhere) {
  for (const uint32_t nodes : {3u, 5u, 6u, 7u, 9u, 10u, 12u, 15u, 20u, 33u, 48u}) {
    SCOPED_TRACE(nodes);
    const auto graph = make_graph("one-peer-exponential", nodes);
    double expected = 0;
    for (uint32_t m = 1; m < nodes; ++m) {
      double modulus = 1;
      for (Round k = 0; k < graph->period(); ++k) {
        modulus *= std::abs(std::cos(std::numbers::pi * m * std::exp2(k) / nodes));
      }
      expected = std::max(expected, modulus);
    }
    const double found = norm_off_average(product(*make_mixing("uniform", graph), 0));
    EXPECT_NEAR(found, expected, 1e-9);
    EXPECT_GT(found, 1e-3);
    if (nodes == 6) {
      EXPECT_NEAR(found, 0.217, 0.5e-3);
    }
    if (nodes == 12) {
      EXPECT_NEAR(found, 0.209, 0.5e-3);
    }
  }
}

TEST(OnePeerExponential, OnePeerARound) {
  const auto graph = make_graph("one-peer-exponential", 6);
  EXPECT_EQ(graph->period(), 3u);
  std::vector<NodeId> peers;
  for (const auto& [round, from, to] :
       {std::tuple{0u, 0u, 2u}, {1u, 5u, 3u}, {2u, 3u, 5u}, {3u, 0u, 2u}, {301u, 5u, 3u}}) {
    graph->in(NodeId{1}, round, peers);
    EXPECT_EQ(peers, std::vector<NodeId>{NodeId{from}});
    graph->out(NodeId{1}, round, peers);
    EXPECT_EQ(peers, std::vector<NodeId>{NodeId{to}});
  }
}

// Takezawa et al. 2023: exact after a period whatever N, with at most k neighbours a round and
// 2 log_{k+1} N + 2 rounds at most (theorem 1).
TEST(BaseKPlus1, APeriodAveragesExactlyAtAnySize) {
  for (int64_t degree = 1; degree <= 4; ++degree) {
    for (uint32_t nodes = 1; nodes <= 40; ++nodes) {
      SCOPED_TRACE("N=" + std::to_string(nodes) + " k=" + std::to_string(degree));
      const auto graph = graph_with("base-k-plus-1", nodes, {{"degree", degree}});
      const auto mixing = make_mixing("own", graph);
      EXPECT_LE(static_cast<double>(graph->period()),
                2 * std::log(nodes) / std::log(degree + 1) + 2 + 1e-9);
      for (const Round first : {Round{0}, 7 * graph->period()}) {
        for (const auto& row : product(*mixing, first)) {
          for (const double entry : row) ASSERT_NEAR(entry, 1.0 / nodes, 1e-6);
        }
      }
      std::vector<NodeId> peers;
      for (Round round = 0; round < graph->period(); ++round) {
        for (uint32_t i = 0; i < nodes; ++i) {
          graph->in(NodeId{i}, round, peers);
          ASSERT_LE(peers.size(), static_cast<size_t>(degree));
        }
      }
    }
  }
}

TEST(BaseKPlus1, EveryRoundIsSymmetricAndDoublyStochastic) {
  for (int64_t degree = 1; degree <= 4; ++degree) {
    for (uint32_t nodes = 1; nodes <= 40; ++nodes) {
      SCOPED_TRACE("N=" + std::to_string(nodes) + " k=" + std::to_string(degree));
      const auto graph = graph_with("base-k-plus-1", nodes, {{"degree", degree}});
      const auto mixing = make_mixing("own", graph);
      Matrix identity(nodes, std::vector<double>(nodes, 0.0));
      for (uint32_t i = 0; i < nodes; ++i) identity[i][i] = 1;
      for (Round round = 0; round < graph->period(); ++round) {
        const Matrix w = mixed(*mixing, round, identity);
        for (uint32_t i = 0; i < nodes; ++i) {
          double sum = 0;
          for (uint32_t j = 0; j < nodes; ++j) {
            ASSERT_EQ(w[i][j], w[j][i]);
            ASSERT_GE(w[i][j], 0);
            sum += w[i][j];
          }
          ASSERT_NEAR(sum, 1, 1e-7);
        }
      }
    }
  }
}

// Powers of k + 1 need log rounds alone: base-2 is the hypercube of one peer a round. At N = 5 = 4
// + 1 the parts take 2 rounds, meet in 1 and average in 2 more; N = 6 = 2 x 3 takes 3 for the
// threes and 1 across, against 5 for 4 + 2.
TEST(BaseKPlus1, IsAsShortAsThePaperHasIt) {
  const auto period = [](uint32_t nodes, int64_t degree) {
    return graph_with("base-k-plus-1", nodes, {{"degree", degree}})->period();
  };
  for (uint32_t log = 1; log <= 10; ++log) EXPECT_EQ(period(1u << log, 1), log);
  EXPECT_EQ(period(81, 2), 4u);
  EXPECT_EQ(period(6, 2), 2u);
  EXPECT_EQ(period(3, 1), 3u);
  EXPECT_EQ(period(5, 1), 5u);
  EXPECT_EQ(period(6, 1), 4u);
  EXPECT_EQ(period(7, 6), 1u);
}

TEST(BaseKPlus1, TenThousandNodes) {
  const auto graph = make_graph("base-k-plus-1", 9999);
  const auto mixing = make_mixing("own", graph);
  std::vector<double> x(9999);
  double mean = 0;
  for (size_t i = 0; i < x.size(); ++i) mean += x[i] = std::cos(static_cast<double>(i * i));
  mean /= 9999;
  std::vector<double> next(x.size());
  MixingRow row;
  for (Round round = 0; round < graph->period(); ++round) {
    for (uint32_t i = 0; i < x.size(); ++i) {
      mixing->row(NodeId{i}, round, row);
      next[i] = static_cast<double>(row.self) * x[i];
      for (const Neighbor& peer : row.neighbors) {
        next[i] += static_cast<double>(peer.weight) * x[index_of(peer.peer)];
      }
    }
    x.swap(next);
  }
  for (const double value : x) ASSERT_NEAR(value, mean, 1e-5);
}

TEST(Permutation, IsOneAndIsUndoneByItsInverse) {
  for (const uint32_t size : {1u, 2u, 3u, 4u, 5u, 17u, 64u, 1000u, 65537u}) {
    const Permutation permutation(size, 11 * size, 13);
    std::vector<NodeId> image;
    for (uint32_t i = 0; i < size; ++i) image.push_back(NodeId{i});
    permutation.forward(image);
    for (uint32_t i = 0; i < size; ++i) ASSERT_EQ(permutation.inverse(image[i]), NodeId{i});
    std::ranges::sort(image);
    for (uint32_t i = 0; i < size; ++i) ASSERT_EQ(image[i], NodeId{i});
  }
}

// All 120 permutations of five nodes equally often. Chi-squared with 119 degrees of freedom has
// standard deviation sqrt(238); 4 of them, about one false alarm in 10^4 seeds.
TEST(Permutation, EveryPermutationComesEquallyOften) {
  constexpr int kDraws = 60000;
  std::map<std::vector<NodeId>, int> count;
  Rng rng(3, NodeId{0}, Purpose::kTest);
  for (int draw = 0; draw < kDraws; ++draw) {
    const uint64_t partners = rng.next();
    std::vector<NodeId> image = {NodeId{0}, NodeId{1}, NodeId{2}, NodeId{3}, NodeId{4}};
    Permutation(5, partners, rng.next()).forward(image);
    ++count[image];
  }
  ASSERT_EQ(count.size(), 120u);
  double chi_squared = 0;
  for (const auto& [image, times] : count) {
    chi_squared += std::pow(times - kDraws / 120.0, 2) / (kDraws / 120.0);
  }
  EXPECT_LT(chi_squared, 119 + 4 * std::sqrt(238.0));
}

std::shared_ptr<const Graph> epidemic(uint32_t nodes, int64_t degree, uint64_t seed) {
  return graph_with("random-regular", nodes, {{"degree", degree}, {"every_round", true}}, seed);
}

TEST(EveryRound, DegreesAreExactAndRoundsDiffer) {
  for (const auto& [nodes, degree] :
       {std::pair{2, 1}, {6, 1}, {7, 2}, {8, 3}, {9, 8}, {10, 9}, {50, 14}, {1000, 7}}) {
    SCOPED_TRACE(std::to_string(nodes) + " " + std::to_string(degree));
    const auto graph = epidemic(static_cast<uint32_t>(nodes), degree, 1);
    EXPECT_EQ(graph->period(), kNeverRepeats);
    std::set<std::vector<NodeId>> seen;
    std::vector<NodeId> peers;
    for (Round round = 0; round < 30; ++round) {
      for (uint32_t i = 0; i < graph->nodes(); ++i) {
        graph->in(NodeId{i}, round, peers);
        ASSERT_EQ(peers.size(), static_cast<size_t>(degree));
      }
      seen.insert(peers);  // of the last node
    }
    EXPECT_GT(seen.size(), degree < nodes - 1 ? 4u : 0u);
  }
  EXPECT_EQ(refusal([] { epidemic(6, 1, 0); }), "");
  EXPECT_NE(refusal([] { epidemic(7, 3, 0); }), "");
  EXPECT_NE(refusal([] { epidemic(7, 7, 0); }), "");
}

// The neighbours of a node are a uniform draw: of the 35 threes among seven others each comes
// equally often. Chi-squared, 34 degrees of freedom, 4 standard deviations.
TEST(EveryRound, NeighboursAreAUniformDraw) {
  constexpr int kRounds = 35000;
  const auto graph = epidemic(8, 3, 9);
  std::map<std::vector<NodeId>, int> count;
  std::vector<NodeId> peers;
  for (Round round = 0; round < kRounds; ++round) {
    graph->in(NodeId{5}, round, peers);
    ++count[peers];
  }
  ASSERT_EQ(count.size(), 35u);
  double chi_squared = 0;
  for (const auto& [set, times] : count) chi_squared += std::pow(times - 1000.0, 2) / 1000;
  EXPECT_LT(chi_squared, 34 + 4 * std::sqrt(68.0));
}

// De Vos et al. 2023 (EL-Oracle): a round leaves (1 - d / (N - 1)) / (d + 1) of the squared
// disagreement on average. 4 standard errors, taken from the rounds themselves.
TEST(EveryRound, ShrinksTheDisagreementAsEpidemicLearningSays) {
  constexpr int kRounds = 4000;
  for (const auto& [nodes, degree] : {std::pair{6, 1}, {10, 3}, {16, 4}, {50, 7}, {101, 6}}) {
    SCOPED_TRACE(std::to_string(nodes) + " " + std::to_string(degree));
    const auto size = static_cast<uint32_t>(nodes);
    const auto mixing = make_mixing("metropolis", epidemic(size, degree, 17));
    std::vector<double> x(size);
    double mean = 0;
    for (uint32_t i = 0; i < size; ++i) mean += x[i] = i < size / 3 ? 1.0 : 0.1 * i / nodes;
    mean /= nodes;
    double before = 0;
    for (const double value : x) before += (value - mean) * (value - mean);
    double sum = 0;
    double squares = 0;
    MixingRow row;
    for (Round round = 0; round < kRounds; ++round) {
      double after = 0;
      for (uint32_t i = 0; i < size; ++i) {
        mixing->row(NodeId{i}, round, row);
        double value = static_cast<double>(row.self) * x[i];
        for (const Neighbor& peer : row.neighbors) {
          value += static_cast<double>(peer.weight) * x[index_of(peer.peer)];
        }
        after += (value - mean) * (value - mean);
      }
      sum += after / before;
      squares += after / before * after / before;
    }
    const double average = sum / kRounds;
    const double error = std::sqrt((squares / kRounds - average * average) / kRounds);
    EXPECT_NEAR(average, (1 - degree / (nodes - 1.0)) / (degree + 1), 4 * error + 1e-9);
    EXPECT_LT(error, 0.05 * average);
  }
}

}  // namespace
}  // namespace kith
