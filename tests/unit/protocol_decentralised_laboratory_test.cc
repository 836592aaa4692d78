// The exact moments of gossip: golden digits of ALGORITHMS 4.2 E5, E6, E7, E13 and E14, formulas
// derived by hand, and brute force at drawn parameters. The recursion itself is held against the
// running algorithms in tests/papers/sim_decentralised_laboratory_test.cc.
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "protocol/theory/decentralised_laboratory.h"
#include "topology/registry.h"
#include "topology/rng.h"
#include "topology/spectral.h"

namespace kith {
namespace {

using Kind = GossipRule::Kind;
using Complex = std::complex<double>;

constexpr double kDigits = 5e-6;  // relative: the digits that are printed
const ScalarQuadratic kPrinted = {.curvature = 1, .sigma = 1, .rate = 0.1};

std::unique_ptr<Mixing> mixing_of(const std::string& kind, uint32_t nodes) {
  const std::shared_ptr<const Graph> graph = make_graph(kind, nodes);
  return make_mixing(default_mixing(*graph), graph);
}

std::vector<Complex> modes_of(const std::string& kind, uint32_t nodes) {
  return eigenvalues(*mixing_of(kind, nodes));
}

// Of the ring of 8 with weights 1/3, in doubles.
double ring_mode(int k) { return (1 + 2 * std::cos(2 * std::numbers::pi * k / 8)) / 3; }

std::vector<Complex> ring_modes(bool lazy) {
  std::vector<Complex> modes;
  for (int k = 0; k < 8; ++k) {
    modes.emplace_back(lazy ? (1 + ring_mode(k)) / 2 : ring_mode(k), 0);
  }
  return modes;
}

TEST(GossipModes, PrintedConsensusE5) {
  const struct {
    const char* graph;
    Kind kind;
    double consensus;
  } rows[] = {{"ring", Kind::kAdaptThenCombine, 3.91155e-3},
              {"ring", Kind::kCombineThenAdapt, 1.17999e-2},
              {"static-exponential", Kind::kAdaptThenCombine, 1.47883e-3},
              {"static-exponential", Kind::kCombineThenAdapt, 1.00225e-2}};
  for (const auto& row : rows) {
    const double found = gossip_consensus({.kind = row.kind}, kPrinted, modes_of(row.graph, 8));
    EXPECT_NEAR(found / row.consensus, 1, kDigits) << row.graph;
  }
}

TEST(GossipModes, PrintedConsensusE7) {
  const auto consensus = [](Kind kind, bool lazy) {
    return gossip_consensus({.kind = kind}, kPrinted, ring_modes(lazy));
  };
  EXPECT_NEAR(consensus(Kind::kGradientTracking, false) / 3.53122e-3, 1, kDigits);
  EXPECT_NEAR(consensus(Kind::kD2, true) / 8.9758e-3, 1, kDigits);
  EXPECT_NEAR(consensus(Kind::kGradientTracking, true) / 6.36928e-3, 1, kDigits);
  EXPECT_NEAR(consensus(Kind::kAdaptThenCombine, true) / 8.41480e-3, 1, kDigits);
}

// E6: the mean square of the bias of b_i = i on the ring of 8, by its Fourier modes.
TEST(GossipModes, PrintedBiasE6) {
  const auto bias = [](Kind kind) {
    double sum = 0;
    for (int k = 1; k < 8; ++k) {
      Complex component = 0;
      for (int i = 0; i < 8; ++i) {
        component += double(i) * std::polar(1 / std::sqrt(8.0), -2 * std::numbers::pi * i * k / 8);
      }
      sum += std::norm(gossip_mode({.kind = kind}, kPrinted, ring_mode(k)).bias * component) / 8;
    }
    return sum;
  };
  EXPECT_NEAR(bias(Kind::kCombineThenAdapt) / 4.13681e-1, 1, kDigits);
  EXPECT_NEAR(bias(Kind::kAdaptThenCombine) / 2.93333e-1, 1, kDigits);
  for (const Kind kind : {Kind::kGradientTracking, Kind::kKGt, Kind::kExtra}) {
    EXPECT_NEAR(bias(kind), 0, 1e-20);
  }
}

ScalarQuadratic random_problem(Rng& rng) {
  const double curvature = 0.5 + rng.uniform();
  const double sigma = 0.1 + rng.uniform();
  return {.curvature = curvature, .sigma = sigma, .rate = 0.02 + 0.1 * rng.uniform()};
}

// The modes of E7 as printed: GT [[l a, -l eta], [-(1-l) h, l]] of (x, u), noise [-l eta; -(1-l)].
// Its own recursion, iterated to its limit.
TEST(GossipModes, GradientTrackingIsThePrintedSystem) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const ScalarQuadratic problem = random_problem(rng);
    const double l = -0.3 + 1.2 * rng.uniform();
    const double eta = problem.rate;
    Eigen::Matrix2d a;
    a << l * problem.keep(), -l * eta, -(1 - l) * problem.curvature, l;
    const Eigen::Vector2d noise(-l * eta, l - 1);
    Eigen::Matrix2d p = Eigen::Matrix2d::Zero();
    for (int i = 0; i < 20000; ++i) {
      p = (a * p * a.transpose() + problem.sigma * problem.sigma * noise * noise.transpose())
              .eval();
    }
    const GossipRule rule = {.kind = Kind::kGradientTracking};
    EXPECT_NEAR(gossip_mode(rule, problem, l).variance / p(0, 0), 1, 1e-9);
    // K-GT with one local step is the same algorithm.
    EXPECT_NEAR(gossip_mode({.kind = Kind::kKGt}, problem, l).variance / p(0, 0), 1, 1e-9);
  }
}

// D2 as published, x+ = l ((2 - c) x - (1 - c) x_before - eta (xi - xi_before)): an ARMA process.
TEST(GossipModes, D2IsThePublishedRecursion) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const ScalarQuadratic problem = random_problem(rng);
    const double l = -0.3 + 1.2 * rng.uniform();
    const double c = problem.pull();
    // Its response to one draw of the noise; the variance is the sum of squares.
    double before = 0;
    double x = -l * problem.rate * problem.sigma;
    double sum = x * x;
    double input = 1;  // the draw before
    for (int i = 0; i < 20000; ++i) {
      const double next =
          l * ((2 - c) * x - (1 - c) * before + problem.rate * problem.sigma * input);
      before = x;
      x = next;
      input = 0;
      sum += x * x;
    }
    EXPECT_NEAR(gossip_mode({.kind = Kind::kD2}, problem, l).variance / sum, 1, 1e-9);
  }
}

// D2 diverges along flat directions from lambda = -1/3 on; in the rest of (-1/3, 1) it does not,
// whatever the curvature. EXTRA's limit is eta h = (5 + 3 lambda) / 4.
TEST(GossipModes, StabilityOfD2AndExtra) {
  const GossipRule d2 = {.kind = Kind::kD2};
  const ScalarQuadratic flat = {.curvature = 0};
  EXPECT_NEAR(gossip_radius(d2, flat, -1.0 / 3), 1, 1e-12);
  EXPECT_GT(gossip_radius(d2, flat, -0.34), 1);
  for (double l = -0.33; l < 0.995; l += 0.01) {
    EXPECT_LT(gossip_radius(d2, flat, l), 1) << l;
    EXPECT_LT(gossip_radius(d2, kPrinted, l), 1) << l;
  }
  // Directed graphs have complex eigenvalues, of which no circle is wide enough.
  EXPECT_GT(gossip_radius(d2, flat, Complex(0, 0.5)), 1);
  for (double l = -0.9; l < 0.95; l += 0.1) {
    const double limit = (5 + 3 * l) / 4;
    const auto radius = [&](double c) {
      return gossip_radius({.kind = Kind::kExtra}, {.curvature = c, .rate = 1}, l);
    };
    EXPECT_LT(radius(0.999 * limit), 1) << l;
    EXPECT_GT(radius(1.001 * limit), 1) << l;
  }
}

// W = I: the steps of a node alone, eta / (1 - beta) in the long run. m+ = (mu + (1 - mu) beta) m +
// (1 - mu) g, where x moves by -eta (beta m + g): with mu = beta = .9, h = 1, that of both.
TEST(GossipModes, QuasiGlobalMomentumOfANodeAlone) {
  const ScalarQuadratic problem = {.curvature = 0.3, .rate = 0.05};
  const GossipRule rule = {.kind = Kind::kQuasiGlobalMomentum, .beta = 0.8, .mu = 0.7};
  Eigen::Matrix2d a;
  const double eta = problem.rate;
  const double h = problem.curvature;
  a << 1 - eta * h, -eta * rule.beta, (1 - rule.mu) * h, rule.mu + (1 - rule.mu) * rule.beta;
  EXPECT_NEAR(gossip_radius(rule, problem, 1), a.eigenvalues().cwiseAbs().maxCoeff(), 1e-12);
  EXPECT_NEAR(gossip_mode(rule, problem, 1).bias.real(), 1, 1e-12);
}

// The recursion of all nodes against the modes, and against the recursion of laboratory.h.
TEST(GossipPrediction, IsTheSumOverModes) {
  const Kind kinds[] = {Kind::kAdaptThenCombine,
                        Kind::kCombineThenAdapt,
                        Kind::kD2,
                        Kind::kExtra,
                        Kind::kGradientTracking,
                        Kind::kKGt,
                        Kind::kDmsgd,
                        Kind::kQuasiGlobalMomentum};
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const auto nodes = static_cast<uint32_t>(3 + 2 * rng.below(4));  // odd rings suit D2
    const char* graphs[] = {"ring", "complete"};
    const std::unique_ptr<Mixing> mixing = mixing_of(graphs[rng.below(2)], nodes);
    const GossipRule rule = {
        .kind = kinds[seed % 8], .beta = 0.8 * rng.uniform(), .mu = 0.8 * rng.uniform()};
    SCOPED_TRACE("seed " + std::to_string(seed) + ", kind " + std::to_string(seed % 8));
    Laboratory lab;
    lab.curvature.assign(nodes, 0.5 + rng.uniform());
    lab.offset.assign(nodes, 0.0);
    lab.sigma = 0.1 + rng.uniform();
    lab.rate = 0.05 + 0.1 * rng.uniform();
    const ScalarQuadratic problem = {
        .curvature = lab.curvature[0], .sigma = lab.sigma, .rate = lab.rate};
    const LaboratoryMoments found = predict_gossip(rule, lab, *mixing, 3000);
    const double expected = gossip_consensus(rule, problem, eigenvalues(*mixing));
    EXPECT_NEAR(found.consensus, expected, 1e-5 * expected + 1e-12);
    if (rule.kind == Kind::kAdaptThenCombine || rule.kind == Kind::kCombineThenAdapt) {
      lab.adapt_first = rule.kind == Kind::kAdaptThenCombine;
      lab.slope_noise = 0.3;
      lab.local_steps = 3;
      lab.start = 2;
      lab.offset[0] = 1;
      const LaboratoryMoments other = predict(lab, *mixing, 40);
      const LaboratoryMoments same = predict_gossip(rule, lab, *mixing, 40);
      EXPECT_NEAR(other.mean_of_average, same.mean_of_average, 1e-12);
      EXPECT_NEAR(other.variance_of_average, same.variance_of_average, 1e-14);
      EXPECT_NEAR(other.consensus, same.consensus, 1e-12);
    }
  }
}

// Nodes that differ in data and in curvature: what is exact ends at sum h b / sum h with all equal,
// D-PSGD elsewhere, and apart.
TEST(GossipPrediction, CorrectionsTakeTheBiasOfUnequalDataAway) {
  Laboratory lab;
  for (int i = 0; i < 7; ++i) {
    lab.curvature.push_back(0.5 + i / 7.0);
    lab.offset.push_back(i);
  }
  lab.sigma = 0;
  double pulls = 0;
  double pulled = 0;
  for (size_t i = 0; i < 7; ++i) {
    pulls += lab.curvature[i];
    pulled += lab.curvature[i] * lab.offset[i];
  }
  const double optimum = pulled / pulls;
  const std::unique_ptr<Mixing> ring = mixing_of("ring", 7);
  for (const Kind kind : {Kind::kD2, Kind::kExtra, Kind::kGradientTracking, Kind::kKGt}) {
    lab.local_steps = kind == Kind::kKGt ? 5 : 1;
    lab.rate = kind == Kind::kKGt ? 0.02 : 0.1;
    const LaboratoryMoments end = predict_gossip({.kind = kind}, lab, *ring, 3000);
    EXPECT_NEAR(end.mean_of_average, optimum, 1e-7);
    EXPECT_LT(end.consensus, 1e-12);
  }
  lab.local_steps = 1;
  lab.rate = 0.1;
  for (const Kind kind : {Kind::kAdaptThenCombine, Kind::kCombineThenAdapt, Kind::kDmsgd,
                          Kind::kQuasiGlobalMomentum}) {
    const GossipRule rule = {.kind = kind, .beta = 0.5, .mu = 0.5};
    EXPECT_GT(predict_gossip(rule, lab, *ring, 3000).consensus, 0.05);
  }
}

// ---- W drawn anew in each round ----

// The barbell of E13: two complete graphs of 4, joined by an edge between nodes 3 and 4. Three
// matchings cover both, the bridge is the fourth.
constexpr uint32_t kBarbell = 8;

std::vector<Eigen::MatrixXd> barbell_laplacians() {
  const std::vector<std::vector<std::pair<int, int>>> matchings = {{{0, 1}, {2, 3}, {4, 5}, {6, 7}},
                                                                   {{0, 2}, {1, 3}, {4, 6}, {5, 7}},
                                                                   {{0, 3}, {1, 2}, {4, 7}, {5, 6}},
                                                                   {{3, 4}}};
  std::vector<Eigen::MatrixXd> laplacians;
  for (const auto& matching : matchings) {
    Eigen::MatrixXd l = Eigen::MatrixXd::Zero(kBarbell, kBarbell);
    for (const auto& [i, j] : matching) {
      l(i, i) += 1;
      l(j, j) += 1;
      l(i, j) -= 1;
      l(j, i) -= 1;
    }
    laplacians.push_back(l);
  }
  return laplacians;
}

std::vector<double> by_rows(const Eigen::MatrixXd& w) {
  std::vector<double> values;
  for (Eigen::Index i = 0; i < w.rows(); ++i) {
    for (Eigen::Index j = 0; j < w.cols(); ++j) values.push_back(w(i, j));
  }
  return values;
}

// W = I - alpha sum b_j L_j, b_j = 1 with probability p_j.
std::vector<MixingOutcome> matching_law(const std::vector<double>& p, double alpha) {
  const std::vector<Eigen::MatrixXd> laplacians = barbell_laplacians();
  std::vector<MixingOutcome> law;
  for (unsigned chosen = 0; chosen < 16; ++chosen) {
    MixingOutcome outcome{1, {}};
    Eigen::MatrixXd w = Eigen::MatrixXd::Identity(kBarbell, kBarbell);
    for (unsigned j = 0; j < 4; ++j) {
      const bool on = (chosen >> j & 1) != 0;
      outcome.probability *= on ? p[j] : 1 - p[j];
      if (on) w -= alpha * laplacians[j];
    }
    outcome.weights = by_rows(w);
    law.push_back(std::move(outcome));
  }
  return law;
}

// Connectivity of the mean graph, which MATCHA maximises: sum p = C_B M, the matchings of the
// complete parts alike.
double least_curvature(double bridge, double budget) {
  const std::vector<Eigen::MatrixXd> laplacians = barbell_laplacians();
  Eigen::MatrixXd mean = bridge * laplacians[3];
  for (int j = 0; j < 3; ++j) mean += (budget - bridge) / 3 * laplacians[static_cast<size_t>(j)];
  return Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(mean).eigenvalues()(1);
}

template <class Function>
double minimum_of(double low, double high, Function function) {
  const double ratio = (std::sqrt(5.0) - 1) / 2;
  for (int i = 0; i < 100; ++i) {
    const double a = high - ratio * (high - low);
    const double b = low + ratio * (high - low);
    (function(a) < function(b) ? high : low) = function(a) < function(b) ? b : a;
  }
  return (low + high) / 2;
}

struct Matcha {
  std::vector<double> p;
  double alpha = 0;
};

Matcha matcha(double budget) {
  const double bridge =
      minimum_of(0, std::min(1.0, budget), [&](double p) { return -least_curvature(p, budget); });
  Matcha result;
  result.p.assign(3, (budget - bridge) / 3);
  result.p.push_back(bridge);
  result.alpha = minimum_of(0, 2, [&](double alpha) {
    return mean_square_contraction(kBarbell, matching_law(result.p, alpha));
  });
  return result;
}

// ALGORITHMS 5, MATCHA on the barbell with half the communication; and E13.
TEST(RandomMixing, PrintedMatchaOfTheBarbellE13) {
  const Matcha half = matcha(2);
  EXPECT_NEAR(half.p[0], 0.3694, 5e-5);
  EXPECT_NEAR(half.p[3], 0.8918, 5e-5);
  EXPECT_NEAR(half.alpha, 0.42333, 5e-6);
  const std::vector<MixingOutcome> law = matching_law(half.p, half.alpha);
  EXPECT_NEAR(mean_square_contraction(kBarbell, law), 0.86981, 5e-6);
  const LaboratoryMoments found = random_mixing_limit(kPrinted, kBarbell, law);
  EXPECT_NEAR(found.consensus / 9.14186e-3, 1, kDigits);
  EXPECT_NEAR(found.variance_of_average / 6.57895e-3, 1, kDigits);

  const std::vector<MixingOutcome> full = matching_law({1, 1, 1, 1}, 1.0 / 3);
  EXPECT_NEAR(mean_square_contraction(kBarbell, full), 0.77778, 5e-6);
  EXPECT_NEAR(random_mixing_limit(kPrinted, kBarbell, full).consensus / 6.01838e-3, 1, kDigits);
}

// One draw of W in each round, in doubles, against the exact second moment. 4 standard errors of
// 20000 runs, estimated from them: a false alarm in 16,000.
TEST(RandomMixing, LimitAndDecayAreWhatRunsShow) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    std::vector<double> p(4);
    for (double& value : p) value = 0.2 + 0.8 * rng.uniform();
    const std::vector<MixingOutcome> law = matching_law(p, 0.3 + 0.2 * rng.uniform());
    const ScalarQuadratic problem = {
        .curvature = 0.5 + rng.uniform(), .sigma = 1, .rate = 0.1 + 0.1 * rng.uniform()};
    constexpr int kRounds = 60;
    constexpr int kRuns = 20000;
    std::vector<double> start(kBarbell);
    for (double& x : start) x = rng.uniform();
    const std::vector<double> decay = random_mixing_decay(problem, start, law, kRounds);
    std::vector<Eigen::MatrixXd> outcomes;
    for (const MixingOutcome& outcome : law) {
      outcomes.push_back(Eigen::Map<const Eigen::MatrixXd>(outcome.weights.data(), 8, 8));
    }
    double sums[2] = {};
    double squares[2] = {};
    std::vector<float> noise(kBarbell);
    for (int run = 0; run < kRuns; ++run) {
      Eigen::VectorXd x = Eigen::Map<const Eigen::VectorXd>(start.data(), kBarbell);
      for (int round = 0; round < kRounds; ++round) {
        rng.fill_normal(noise);
        for (int i = 0; i < 8; ++i) {
          x(i) = problem.keep() * x(i) - problem.rate * static_cast<double>(noise[i]);
        }
        double draw = rng.uniform();
        size_t k = 0;
        while (k + 1 < law.size() && draw >= law[k].probability) draw -= law[k++].probability;
        x = (outcomes[k] * x).eval();  // symmetric
        if (round != 2 && round != kRounds - 1) continue;
        const double apart = (x.array() - x.mean()).square().mean();
        sums[round != 2] += apart / kRuns;
        squares[round != 2] += apart * apart / kRuns;
      }
    }
    const double limit = random_mixing_limit(problem, kBarbell, law).consensus;
    EXPECT_NEAR(decay.back() / limit, 1, 1e-2);
    for (int which = 0; which < 2; ++which) {
      const double error = std::sqrt((squares[which] - sums[which] * sums[which]) / kRuns);
      EXPECT_NEAR(sums[which], decay[which == 0 ? 2 : kRounds - 1], 4 * error);
    }
  }
}

// One outcome: D-PSGD with a fixed W.
TEST(RandomMixing, OfOneOutcomeIsE5) {
  for (const char* graph : {"ring", "star", "static-exponential"}) {
    const std::vector<MixingOutcome> law = {{1, dense_weights(*mixing_of(graph, 8), 0)}};
    const double expected =
        gossip_consensus({.kind = Kind::kAdaptThenCombine}, kPrinted, modes_of(graph, 8));
    EXPECT_NEAR(random_mixing_limit(kPrinted, 8, law).consensus / expected, 1, 1e-5) << graph;
  }
}

// E14: gossip alone brings |x - xbar|^2 down to rho^t of what it was at most, to the last bit so
// for one outcome and its slowest mode; zeta of the ring of 3 to 1000 nodes.
TEST(RandomMixing, GossipAloneForgetsAsRhoToTheTimesE14) {
  const ScalarQuadratic still = {.sigma = 0, .rate = 0};
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    std::vector<double> p(4);
    for (double& value : p) value = rng.uniform();
    const std::vector<MixingOutcome> law = matching_law(p, 0.1 + 0.4 * rng.uniform());
    const double rho = mean_square_contraction(kBarbell, law);
    std::vector<double> start(kBarbell);
    for (double& x : start) x = rng.uniform();
    const double mean = std::accumulate(start.begin(), start.end(), 0.0) / kBarbell;
    double bound = 0;
    for (const double x : start) bound += (x - mean) * (x - mean) / kBarbell;
    for (const double apart : random_mixing_decay(still, start, law, 50)) {
      bound *= rho;
      EXPECT_LE(apart, bound * (1 + 1e-9) + 1e-15);
    }
  }
  std::vector<double> slowest(8);
  for (int i = 0; i < 8; ++i) slowest[i] = std::cos(2 * std::numbers::pi * i / 8);
  const std::vector<MixingOutcome> ring = {{1, dense_weights(*mixing_of("ring", 8), 0)}};
  const std::vector<double> decay = random_mixing_decay(still, slowest, ring, 20);
  EXPECT_NEAR(decay.back() / (0.5 * std::pow(ring_mode(1), 40)), 1, 1e-5);
  EXPECT_NEAR(mean_square_contraction(8, ring), ring_mode(1) * ring_mode(1), 1e-6);
  for (const uint32_t nodes : {100u, 1000u}) {
    const double gap = spectrum(*mixing_of("ring", nodes)).spectral_gap;
    EXPECT_NEAR(gap / ring_gap_limit(nodes), 1, 4.0 / (nodes * nodes) + 1e-5);
  }
}

}  // namespace
}  // namespace kith
