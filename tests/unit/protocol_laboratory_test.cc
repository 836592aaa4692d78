// The moment recursion against the stationary closed forms of ALGORITHMS 4.2: golden digits at the
// printed parameters, formulas at drawn ones.
#include <gtest/gtest.h>

#include <cmath>
#include <complex>

#include "protocol/theory/laboratory.h"
#include "topology/registry.h"
#include "topology/rng.h"
#include "topology/spectral.h"

namespace kith {
namespace {

constexpr uint64_t kLong = 4000;  // rounds: every transient below has died out by then

Laboratory homogeneous(uint32_t nodes, double rate, double h, double sigma) {
  Laboratory lab;
  lab.curvature.assign(nodes, h);
  lab.offset.assign(nodes, 0.0);
  lab.rate = rate;
  lab.sigma = sigma;
  return lab;
}

std::unique_ptr<Mixing> mixing_of(const std::string& kind, uint32_t nodes) {
  const std::shared_ptr<const Graph> graph = make_graph(kind, nodes);
  return make_mixing(default_mixing(*graph), graph);
}

// E1: s2 / (N (1 - a^2)).
TEST(Laboratory, SynchronousVarianceE1) {
  const LaboratoryMoments moments = predict_synchronous(homogeneous(8, 0.1, 1, 1), kLong);
  EXPECT_NEAR(moments.variance_of_average, 6.57895e-3, 5e-9);
  EXPECT_NEAR(moments.consensus, 0, 1e-12);
}

// E2: local steps on a homogeneous quadratic leave the variance of the average alone.
TEST(Laboratory, LocalStepsDoNotMoveTheAverageE2) {
  Laboratory lab = homogeneous(8, 0.1, 1, 1);
  lab.local_steps = 16;
  EXPECT_NEAR(predict_synchronous(lab, 500).variance_of_average, 6.57895e-3, 5e-9);
}

// E3: with slope noise they raise it.
TEST(Laboratory, SlopeNoiseRaisesTheFloorWithLocalStepsE3) {
  const std::vector<std::pair<uint32_t, double>> golden = {
      {1, 7.2993e-3}, {2, 7.8851e-3}, {5, 9.7298e-3}, {20, 1.87134e-2}, {100, 3.07877e-2}};
  for (const auto& [steps, variance] : golden) {
    Laboratory lab = homogeneous(8, 0.1, 1, 1);
    lab.slope_noise = 15;
    lab.local_steps = steps;
    EXPECT_NEAR(predict_synchronous(lab, 2000).variance_of_average / variance, 1, 1e-5) << steps;
  }
}

// E5: consensus of both orders on the ring and on the static exponential graph.
TEST(Laboratory, ConsensusOfGossipE5) {
  struct Row {
    const char* graph;
    bool adapt_first;
    double consensus;
  };
  for (const Row& row : {Row{"ring", true, 3.91155e-3}, Row{"ring", false, 1.17999e-2},
                         Row{"static-exponential", true, 1.47883e-3},
                         Row{"static-exponential", false, 1.00225e-2}}) {
    Laboratory lab = homogeneous(8, 0.1, 1, 1);
    lab.adapt_first = row.adapt_first;
    const LaboratoryMoments moments = predict(lab, *mixing_of(row.graph, 8), kLong);
    EXPECT_NEAR(moments.consensus / row.consensus, 1, 5e-6) << row.graph << row.adapt_first;
    EXPECT_NEAR(moments.variance_of_average, 6.57895e-3, 5e-9);
  }
}

// E5 as a formula, at parameters drawn at random: sum over the modes of W but the first.
TEST(Laboratory, ConsensusIsTheSumOverModesE5) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const auto nodes = static_cast<uint32_t>(3 + rng.below(10));
    const double h = 0.5 + rng.uniform();
    const double rate = 0.05 + 0.3 * rng.uniform();
    const double sigma = 0.1 + rng.uniform();
    const char* graphs[] = {"ring", "complete", "star", "static-exponential"};
    const std::unique_ptr<Mixing> mixing = mixing_of(graphs[rng.below(4)], nodes);
    Laboratory lab = homogeneous(nodes, rate, h, sigma);
    const double c = rate * h;
    const double a = 1 - c;
    const double s2 = rate * rate * sigma * sigma;
    for (const bool adapt_first : {true, false}) {
      lab.adapt_first = adapt_first;
      double expected = 0;
      const std::vector<std::complex<double>> modes = eigenvalues(*mixing);
      for (size_t k = 1; k < modes.size(); ++k) {
        const double l2 = std::norm(modes[k]);
        expected += adapt_first ? l2 * s2 / (1 - l2 * a * a) : s2 / (1 - std::norm(modes[k] - c));
      }
      EXPECT_NEAR(predict(lab, *mixing, kLong).consensus, expected / nodes,
                  2e-5 * expected + 1e-12 * s2);
    }
  }
}

// E6: heterogeneous offsets bias each node; the average stays at the optimum.
TEST(Laboratory, HeterogeneityBiasE6) {
  for (const auto& [adapt_first, bias] : {std::pair{false, 4.13681e-1}, {true, 2.93333e-1}}) {
    Laboratory lab = homogeneous(8, 0.1, 1, 0);
    for (uint32_t i = 0; i < 8; ++i) lab.offset[i] = i;
    lab.adapt_first = adapt_first;
    const LaboratoryMoments moments = predict(lab, *mixing_of("ring", 8), kLong);
    EXPECT_NEAR(moments.consensus / bias, 1, 5e-6);
    EXPECT_NEAR(moments.mean_of_average, 3.5, 1e-6);
  }
}

}  // namespace
}  // namespace kith
