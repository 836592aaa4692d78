// MATCHA: probabilities, alpha and rho against the golden table of ALGORITHMS section 5, against a
// projected supergradient and against averages over drawn rounds; and what every W_t keeps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "tests/unit/topology_cases.h"
#include "topology/matcha.h"
#include "topology/reach.h"
#include "topology/rng.h"

namespace kith {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using ::testing::HasSubstr;

// Two K4 and a bridge: the three perfect matchings of the two K4 together, and the bridge alone.
std::vector<Matching> barbell_matchings() {
  return {{{0, 1}, {2, 3}, {4, 5}, {6, 7}},
          {{0, 2}, {1, 3}, {4, 6}, {5, 7}},
          {{0, 3}, {1, 2}, {4, 7}, {5, 6}},
          {{3, 4}}};
}

AdjacencyGraph cube() {
  std::vector<Edge> edges;
  for (uint32_t i = 0; i < 8; ++i) {
    for (const uint32_t bit : {1u, 2u, 4u}) {
      if ((i & bit) == 0) edges.emplace_back(i, i | bit);
    }
  }
  return {8, edges};
}

MatrixXd laplacian(uint32_t nodes, const std::vector<Matching>& matchings,
                   const VectorXd& weights) {
  MatrixXd result = MatrixXd::Zero(nodes, nodes);
  for (size_t j = 0; j < matchings.size(); ++j) {
    for (const auto& [a, b] : matchings[j]) {
      const double w = weights[static_cast<Index>(j)];
      result(a, a) += w;
      result(b, b) += w;
      result(a, b) -= w;
      result(b, a) -= w;
    }
  }
  return result;
}

// Projection on 0 <= p <= 1, sum p <= budget: p = clip(y - nu), nu by bisection.
VectorXd project(const VectorXd& y, double budget) {
  const auto clipped = [&](double nu) -> VectorXd {
    return (y.array() - nu).max(0.0).min(1.0).matrix();
  };
  if (clipped(0).sum() <= budget) return clipped(0);
  double low = 0;
  double high = y.maxCoeff();
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (clipped(middle).sum() > budget ? low : high) = middle;
  }
  return clipped(high);
}

struct Supergradient {
  double best = 0;       // lambda_2 reached: never above the optimum
  double ceiling = 1e9;  // never below the optimum
};

// Projected supergradient (ALGORITHMS section 5). g_j = v^T L_j v with v of lambda_2 is a
// supergradient at p, so that max over q of sum g_j q_j bounds the optimum from above (lambda_2 is
// homogeneous); so does every average of such g.
Supergradient supergradient(uint32_t nodes, const std::vector<Matching>& matchings, double budget) {
  const auto count = static_cast<Index>(matchings.size());
  VectorXd p = VectorXd::Constant(count, budget / static_cast<double>(count));
  VectorXd mean = VectorXd::Zero(count);
  double weight = 0;
  constexpr int kSteps = 20000;
  constexpr int kLevels = 5000;  // from here on Polyak's step, to a level that sinks to the best
  Supergradient found;
  for (int k = 0; k < kSteps; ++k) {
    const Eigen::SelfAdjointEigenSolver<MatrixXd> solver(laplacian(nodes, matchings, p));
    found.best = std::max(found.best, solver.eigenvalues()[1]);
    const VectorXd v = solver.eigenvectors().col(1);
    VectorXd g = VectorXd::Zero(count);
    for (Index j = 0; j < count; ++j) {
      for (const auto& [a, b] : matchings[static_cast<size_t>(j)]) g[j] += std::pow(v[a] - v[b], 2);
    }
    const double level = found.best * (1 + 0.02 * std::pow(0.5, (k - kLevels) / 1000.0));
    const double step = k < kLevels ? 0.5 / (std::sqrt(k + 1.0) * g.norm())
                                    : (level - solver.eigenvalues()[1]) / g.squaredNorm();
    p = project(p + step * g, budget);
    mean += step * g;
    weight += step;
    if (k % 100 == 99) {
      VectorXd sorted = mean / weight;
      std::sort(sorted.begin(), sorted.end(), std::greater<>());
      double value = 0;
      for (Index j = 0; j < count; ++j)
        value += sorted[j] * std::clamp(budget - double(j), 0.0, 1.0);
      found.ceiling = std::min(found.ceiling, value);
    }
  }
  return found;
}

struct Golden {
  std::vector<double> p;
  double connectivity, alpha, rho, periodic;
};

void expect_golden(const MatchaDesign& found, const Golden& golden) {
  ASSERT_EQ(found.probabilities.size(), golden.p.size());
  for (size_t j = 0; j < golden.p.size(); ++j) {
    EXPECT_NEAR(found.probabilities[j], golden.p[j], 0.6e-4) << j;
  }
  EXPECT_NEAR(found.connectivity, golden.connectivity, 0.6e-5);
  EXPECT_NEAR(found.alpha, golden.alpha, 1e-5);
  EXPECT_NEAR(found.rho, golden.rho, 0.6e-5);
  EXPECT_NEAR(found.periodic_rho, golden.periodic, 0.6e-5);
}

// ALGORITHMS section 5, "two K4 + bridge (M=4; lam2 .35425, alpha 1/3, rho .77778)".
TEST(Matcha, GoldenBarbell) {
  const auto design = [](double budget) { return design_matcha(8, barbell_matchings(), budget); };
  expect_golden(design(0.25), {{.1847, .1847, .1847, .4459}, .10819, .54095, .93374, .94444});
  expect_golden(design(0.5), {{.3694, .3694, .3694, .8918}, .21639, .42333, .86981, .88889});
  expect_golden(design(0.75), {{2. / 3, 2. / 3, 2. / 3, 1}, .30575, .36736, .81138, .83333});
  expect_golden(design(1), {{1, 1, 1, 1}, .35425, 1. / 3, .77778, .77778});
  for (const double budget : {0.25, 0.5, 0.75}) EXPECT_TRUE(design(budget).helps());
}

// By symmetry p = 1/2; lambda_2 of the cube is 2. The last columns are the golden ones.
TEST(Matcha, GoldenCubeRingAndStar) {
  expect_golden(design_matcha(cube(), 0.5), {{.5, .5, .5}, 1, .4, .52, .625});
  const MatchaDesign ring = design_matcha(*make_graph("ring", 8), 0.5);
  expect_golden(ring, {{.5, .5}, (2 - std::sqrt(2.0)) / 2, .60737, .78391, .77716});
  expect_golden(design_matcha(*make_graph("star", 5), 0.5),
                {{.5, .5, .5, .5}, .5, .5, .6875, .72222});
}

TEST(Matcha, SaysWhereItDoesNotHelp) {
  const MatchaDesign ring = design_matcha(*make_graph("ring", 8), 0.5);
  EXPECT_LE(ring.periodic_rho, ring.rho);
  EXPECT_FALSE(ring.helps());
  EXPECT_TRUE(design_matcha(cube(), 0.5).helps());
  EXPECT_FALSE(design_matcha(cube(), 1).helps());  // the same thing then
}

// C_B = 1: p = 1 and alpha = 2 / (lambda_2 + lambda_N), as D-PSGD with the best constant.
TEST(Matcha, WholeBudgetIsTheBestConstant) {
  for_each_graph([](const std::string& label, std::shared_ptr<const Graph> graph) {
    if (!graph->undirected() || graph->nodes() < 2 || graph->nodes() > 33) return;
    if (graph->period() != 1) return;  // a single round of it need not be connected
    SCOPED_TRACE(label);
    const MatchaDesign found = design_matcha(*graph, 1);
    for (const double p : found.probabilities) EXPECT_EQ(p, 1);
    EXPECT_EQ(found.alpha, found.periodic_alpha);
    EXPECT_EQ(found.rho, found.periodic_rho);
    EXPECT_NEAR(matcha_rho(graph->nodes(), found.matchings, found.probabilities, found.alpha),
                found.rho, 1e-6);
    for (const double off : {0.999, 1.001}) {
      EXPECT_GE(matcha_rho(graph->nodes(), found.matchings, found.probabilities, off * found.alpha),
                found.rho - 1e-9);
    }
    EXPECT_DOUBLE_EQ(found.expected_matchings(), static_cast<double>(found.matchings.size()));
  });
}

AdjacencyGraph random_connected(uint64_t seed) {
  Rng rng(seed, NodeId{0}, Purpose::kTest);
  for (;;) {
    const auto nodes = static_cast<uint32_t>(4 + rng.below(9));
    const double density = 0.2 + 0.5 * rng.uniform();
    std::vector<Edge> edges;
    for (uint32_t i = 0; i < nodes; ++i) {
      for (uint32_t j = i + 1; j < nodes; ++j) {
        if (rng.uniform() < density) edges.emplace_back(i, j);
      }
    }
    AdjacencyGraph graph(nodes, edges);
    if (connected(graph)) return graph;
  }
}

// The supergradient's iterates lie below the optimum and its dual bound above: both must be within
// four digits of the barrier's answer.
TEST(Matcha, AgreesWithASupergradientOnRandomGraphs) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    const AdjacencyGraph graph = random_connected(seed);
    Rng rng(seed, NodeId{1}, Purpose::kTest);
    const double budget = 0.1 + 0.8 * rng.uniform();
    SCOPED_TRACE("seed " + std::to_string(seed) + " budget " + std::to_string(budget));
    const MatchaDesign found = design_matcha(graph, budget);
    const double most = budget * static_cast<double>(found.matchings.size());
    EXPECT_LE(found.expected_matchings(), most + 1e-9);
    for (const double p : found.probabilities) EXPECT_TRUE(p > 0 && p <= 1) << p;
    const Supergradient other = supergradient(graph.nodes(), found.matchings, most);
    EXPECT_NEAR(found.connectivity / other.best, 1, 1e-4);
    EXPECT_GE(found.connectivity, other.best * (1 - 1e-6));
    EXPECT_LE(found.connectivity, other.ceiling * (1 + 1e-9));
    const Eigen::Map<const VectorXd> p(found.probabilities.data(),
                                       static_cast<Index>(found.probabilities.size()));
    const Eigen::SelfAdjointEigenSolver<MatrixXd> solver(
        laplacian(graph.nodes(), found.matchings, p));
    EXPECT_NEAR(solver.eigenvalues()[1] / found.connectivity, 1, 1e-6);
  }
}

// rho from its definition: E[W^2] summed over all 2^M sets of active matchings.
TEST(Matcha, RhoIsTheMeanOverAllDraws) {
  for (uint64_t seed = 20; seed < 30; ++seed) {
    const AdjacencyGraph graph = random_connected(seed);
    const MatchaDesign found = design_matcha(graph, 0.4);
    const auto n = static_cast<Index>(graph.nodes());
    const size_t count = found.matchings.size();
    const auto rho_at = [&](double alpha) {
      MatrixXd mean = MatrixXd::Constant(n, n, -1.0 / static_cast<double>(n));
      for (uint32_t set = 0; set < (1u << count); ++set) {
        double chance = 1;
        VectorXd active = VectorXd::Zero(static_cast<Index>(count));
        for (size_t j = 0; j < count; ++j) {
          const bool on = (set >> j & 1) != 0;
          active[static_cast<Index>(j)] = on ? 1 : 0;
          chance *= on ? found.probabilities[j] : 1 - found.probabilities[j];
        }
        const MatrixXd w =
            MatrixXd::Identity(n, n) - alpha * laplacian(graph.nodes(), found.matchings, active);
        mean += chance * w * w;
      }
      return Eigen::SelfAdjointEigenSolver<MatrixXd>(mean).eigenvalues()[n - 1];
    };
    SCOPED_TRACE("seed " + std::to_string(seed));
    EXPECT_NEAR(rho_at(found.alpha), found.rho, 1e-9);
    EXPECT_GE(rho_at(found.alpha + 1e-3), found.rho);
    EXPECT_GE(rho_at(found.alpha - 1e-3), found.rho);
    EXPECT_NEAR(matcha_rho(graph.nodes(), found.matchings, found.probabilities, 0.3), rho_at(0.3),
                1e-9);
  }
}

TEST(Matcha, RefusesWithASentence) {
  const auto refused = [](const char* name, uint32_t nodes, double budget) {
    return refusal([&] { design_matcha(*make_graph(name, nodes), budget); });
  };
  for (const double budget : {0.0, -0.5, 1.5, std::nan("")}) {
    EXPECT_THAT(refused("ring", 8, budget), HasSubstr("above 0 and at most 1")) << budget;
  }
  EXPECT_THAT(refused("ring", 1, 0.5), HasSubstr("2 nodes"));
  EXPECT_THAT(refused("ring", 2000, 0.5), HasSubstr("1024"));
  EXPECT_THAT(refused("static-exponential", 16, 0.5), HasSubstr("directed"));
  EXPECT_THAT(refusal([] { design_matcha(4, {{{0, 1}, {2, 3}}}, 0.5); }), HasSubstr("connected"));
}

// Symmetric, rows and columns sum to 1, each round; a row names the active edges alone.
TEST(MatchaMixing, IsSymmetricAndDoublyStochasticInEveryRound) {
  const MatchaDesign design = design_matcha(8, barbell_matchings(), 0.5);
  const auto mixing = make_matcha_mixing(8, design, 7);
  EXPECT_NE(mixing->graph().period(), 1u);
  MixingRow row;
  for (Round round = 0; round < 200; ++round) {
    SCOPED_TRACE(round);
    VectorXd active(4);
    for (uint32_t j = 0; j < 4; ++j) {
      active[j] = matching_active(7, round, j, design.probabilities[j]) ? 1 : 0;
    }
    const MatrixXd expected =
        MatrixXd::Identity(8, 8) - design.alpha * laplacian(8, design.matchings, active);
    MatrixXd w = MatrixXd::Zero(8, 8);
    std::vector<NodeId> peers;
    for (uint32_t i = 0; i < 8; ++i) {
      mixing->row(NodeId{i}, round, row);
      w(i, i) = static_cast<double>(row.self);
      for (const Neighbor& n : row.neighbors) {
        w(i, index_of(n.peer)) = static_cast<double>(n.weight);
      }
      mixing->graph().in(NodeId{i}, round, peers);
      EXPECT_EQ(peers.size(), row.neighbors.size());
      EXPECT_TRUE(std::ranges::equal(peers, row.neighbors, {}, {}, &Neighbor::peer));
      EXPECT_TRUE(std::ranges::is_sorted(peers));
    }
    EXPECT_EQ(w, w.transpose());
    EXPECT_LT((w.rowwise().sum().array() - 1).abs().maxCoeff(), 6e-8);
    EXPECT_LT((w - expected).cwiseAbs().maxCoeff(), 1e-6);
  }
}

// Over R rounds a flag is up p R times with standard error sqrt(p (1 - p) R): five of them, eight
// flags and pairs, false alarm below 1e-5. Flags of two matchings are independent.
TEST(MatchaMixing, DrawsEachMatchingWithItsProbability) {
  constexpr Round kRounds = 100000;
  const std::vector<double> p = {0.1847, 0.5, 0.8918};
  std::vector<double> up(3, 0);
  double both = 0;
  for (Round round = 0; round < kRounds; ++round) {
    std::vector<bool> flags;
    for (uint32_t j = 0; j < 3; ++j) {
      flags.push_back(matching_active(3, round, j, p[j]));
      up[j] += flags[j] ? 1 : 0;
    }
    both += flags[0] && flags[1] ? 1 : 0;
  }
  const auto near = [](double count, double chance) {
    const double error = std::sqrt(chance * (1 - chance) * kRounds);
    EXPECT_NEAR(count, chance * kRounds, 5 * error);
  };
  for (size_t j = 0; j < 3; ++j) near(up[j], p[j]);
  near(both, p[0] * p[1]);
  EXPECT_FALSE(matching_active(1, 5, 0, 0));
  EXPECT_TRUE(matching_active(1, 5, 0, 1));
}

// The mean of W_t^2 over drawn rounds shrinks a disagreement at the rate rho. Over 200,000 rounds
// each entry's mean is within 5 standard errors, at most 0.5 / sqrt(200,000) each, of E[W_t^2].
TEST(MatchaMixing, ContractsAtRho) {
  constexpr Round kRounds = 200000;
  const MatchaDesign design = design_matcha(8, barbell_matchings(), 0.5);
  const auto mixing = make_matcha_mixing(8, design, 11);
  MatrixXd mean = MatrixXd::Zero(8, 8);
  MixingRow row;
  for (Round round = 0; round < kRounds; ++round) {
    MatrixXd w = MatrixXd::Zero(8, 8);
    for (uint32_t i = 0; i < 8; ++i) {
      mixing->row(NodeId{i}, round, row);
      w(i, i) = static_cast<double>(row.self);
      for (const Neighbor& n : row.neighbors) {
        w(i, index_of(n.peer)) = static_cast<double>(n.weight);
      }
    }
    mean += w * w;
  }
  mean /= static_cast<double>(kRounds);
  mean.array() -= 1.0 / 8;
  const double rho = Eigen::SelfAdjointEigenSolver<MatrixXd>(mean).eigenvalues()[7];
  EXPECT_NEAR(rho, design.rho, 5 * 0.5 / std::sqrt(static_cast<double>(kRounds)));
}

TEST(MatchaMixing, SeedsAndRoundsDiffer) {
  const MatchaDesign design = design_matcha(8, barbell_matchings(), 0.5);
  const auto drawn = [&](uint64_t seed) {
    std::string flags;
    for (Round round = 0; round < 64; ++round) {
      flags += matching_active(seed, round, 0, 0.5) ? '1' : '0';
    }
    return flags;
  };
  EXPECT_EQ(drawn(1), drawn(1));
  EXPECT_NE(drawn(1), drawn(2));
  EXPECT_NE(drawn(1).find('0'), std::string::npos);
  EXPECT_NE(drawn(1).find('1'), std::string::npos);
}

}  // namespace
}  // namespace kith
