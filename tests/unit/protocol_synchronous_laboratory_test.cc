// SYNC, K-SYNC and K-BATCH-SYNC: ALGORITHMS 4.2 E1, and the times of 7 row 1.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "protocol/theory/laboratory.h"
#include "protocol/theory/synchronous_laboratory.h"
#include "protocol/theory/wall_clock.h"
#include "tests/unit/protocol_samples.h"
#include "topology/rng.h"

namespace kith {
namespace {

double harmonic(uint32_t n) { return n == 0 ? 0 : 1.0 / n + harmonic(n - 1); }

ScalarQuadratic drawn(Rng& rng) {
  return {.curvature = 0.5 + rng.uniform(),
          .sigma = 0.2 + rng.uniform(),
          .slope_noise = 3 * rng.uniform(),
          .rate = 0.05 + 0.3 * rng.uniform(),
          .start = 4 * rng.uniform() - 2};
}

TEST(SynchronousLaboratory, VarianceE1) {
  const ScalarQuadratic problem;
  EXPECT_NEAR(ksync_variance(problem, 8), 6.57895e-3, 5e-9);
  EXPECT_NEAR(ksync_variance(problem, 4), 1.31579e-2, 5e-8);
  EXPECT_NEAR(ksync_variance(problem, 2), 2.63158e-2, 5e-8);
  EXPECT_DOUBLE_EQ(ksync_variance(problem, 1), 8 * ksync_variance(problem, 8));
}

TEST(SynchronousLaboratory, ConvergesToItsVariance) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const ScalarQuadratic problem = drawn(rng);
    const auto k = static_cast<uint32_t>(1 + rng.below(9));
    ASSERT_TRUE(ksync_stable(problem, k));
    KSyncProcess process(problem, k);
    for (int i = 0; i < 4000; ++i) process.step();
    EXPECT_NEAR(process.moments().mean, 0, 1e-12);
    EXPECT_NEAR(process.moments().second / ksync_variance(problem, k), 1, 1e-9);
  }
}

// K = N is the moment recursion of all nodes with W = J, at every round of the transient.
TEST(SynchronousLaboratory, AllNodesAreTheMatrixRecursion) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const ScalarQuadratic problem = drawn(rng);
    const auto nodes = static_cast<uint32_t>(1 + rng.below(6));
    Laboratory laboratory{.curvature = std::vector<double>(nodes, problem.curvature),
                          .offset = std::vector<double>(nodes, 0.0),
                          .sigma = problem.sigma,
                          .slope_noise = problem.slope_noise,
                          .rate = problem.rate,
                          .start = problem.start};
    KSyncProcess process(problem, nodes);
    for (uint64_t round = 0; round < 30; ++round) {
      const LaboratoryMoments expected = predict_synchronous(laboratory, round);
      EXPECT_NEAR(process.moments().mean, expected.mean_of_average, 1e-12);
      EXPECT_NEAR(process.moments().variance(), expected.variance_of_average, 1e-12);
      process.step();
    }
  }
}

// Against the scalar recursion itself, with K falling and rising on the way.
TEST(SynchronousLaboratory, TransientOfTheRecursion) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const ScalarQuadratic problem = drawn(rng);
    const std::vector<uint32_t> waits = {1, 1, 3, 3, 3, 2, 5, 5};
    KSyncProcess process(problem, waits[0]);
    for (uint32_t k : waits) {
      process.wait_for(k);
      process.step();
    }
    Samples mean;
    Samples second;
    for (int replica = 0; replica < 20000; ++replica) {
      double x = problem.start;
      for (uint32_t k : waits) {
        double sum = 0;
        for (uint32_t i = 0; i < k; ++i) {
          sum += (problem.curvature + std::sqrt(problem.slope_noise) * rng.normal()) * x +
                 problem.sigma * rng.normal();
        }
        x -= problem.rate / k * sum;
      }
      mean.add(x);
      second.add(x * x);
    }
    expect_mean(mean, process.moments().mean, "E x");
    expect_mean(second, process.moments().second, "E x^2");
  }
}

struct Row {
  uint32_t k;
  double seconds_per_update;
  std::vector<double> printed;  // as many targets as are reached
  std::vector<double> half_digit;
};

// ALGORITHMS 7 row 1: x0^2 = 100, N = 8, eta = .05, Exp(1), h = sigma = 1; times to F. What it
// prints as 43.2 is 43.1476, rounded twice.
TEST(SynchronousLaboratory, TimesToTargets) {
  const std::vector<double> targets = {5, .5, .05, .01, .004, .002};
  const ScalarQuadratic problem{.rate = 0.05, .start = 10};
  const double after[] = {harmonic(8) - harmonic(6), harmonic(8) - harmonic(4), harmonic(8), 1};
  const std::vector<Row> rows = {
      {2, after[0], {6.16, 12.3, 18.5, 25.2}, {.005, .05, .05, .05}},
      {4, after[1], {14.6, 28.6, 43.2, 55.2, 68.5}, {.05, .05, .053, .05, .05}},
      {8, after[2], {62.5, 122, 185, 231, 264, 313}, {.05, .5, .5, .5, .5, .5}},
      {8, after[3], {23, 45, 68, 85, 97, 115}, {.5, .5, .5, .5, .5, .5}},  // K-batch-sync
  };
  for (const Row& row : rows) {
    for (size_t i = 0; i < targets.size(); ++i) {
      const auto updates = updates_to_loss(KSyncProcess(problem, row.k), targets[i], 100000);
      ASSERT_EQ(updates.has_value(), i < row.printed.size()) << row.k << " to " << targets[i];
      if (!updates) continue;
      const double seconds = static_cast<double>(*updates) * row.seconds_per_update;
      EXPECT_NEAR(seconds, row.printed[i], row.half_digit[i]) << row.k << " to " << targets[i];
    }
  }
}

// loss_at counts whole updates, and sees the one that ends at the very time.
TEST(WallClock, LossAtATime) {
  const ScalarQuadratic problem{.start = 10};
  KSyncProcess process(problem, 4);
  EXPECT_EQ(loss_at(process, 0, 0.3), process.loss());
  for (int i = 0; i < 7; ++i) process.step();
  EXPECT_EQ(loss_at(KSyncProcess(problem, 4), 7 * 0.3, 0.3), process.loss());
  EXPECT_EQ(loss_at(KSyncProcess(problem, 4), 7.9 * 0.3, 0.3), process.loss());
}

}  // namespace
}  // namespace kith
