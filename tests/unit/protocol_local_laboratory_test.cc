// Local SGD inside and between periods: ALGORITHMS 4.2 E2 and E3, and the times of 7 row 4.
#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "protocol/theory/error.h"
#include "protocol/theory/local_laboratory.h"
#include "protocol/theory/synchronous_laboratory.h"
#include "tests/unit/protocol_samples.h"
#include "topology/rng.h"

namespace kith {
namespace {

ScalarQuadratic drawn(Rng& rng) {
  return {.curvature = 0.5 + rng.uniform(),
          .sigma = 0.2 + rng.uniform(),
          .slope_noise = 2 * rng.uniform(),
          .rate = 0.05 + 0.2 * rng.uniform(),
          .start = 4 * rng.uniform() - 2};
}

TEST(LocalLaboratory, VarianceOfTheAverageE2) {
  for (uint32_t period : {1U, 2U, 4U, 16U, 100U}) {
    EXPECT_NEAR(local_variance({}, 8, period), 6.57895e-3, 5e-9) << period;
  }
}

TEST(LocalLaboratory, ConsensusE2) {
  EXPECT_NEAR(mean_local_consensus({}, 8, 4), 1.15415e-2, 5e-8);
  EXPECT_NEAR(mean_local_consensus({}, 8, 16), 3.14239e-2, 5e-8);
  EXPECT_EQ(mean_local_consensus({}, 8, 1), 0);
  for (uint32_t period : {2U, 7U, 30U}) {
    const double a2 = 0.81;
    const double closed =
        7.0 / 8 * 0.01 / (1 - a2) * (1 - (1 - std::pow(a2, period)) / (period * (1 - a2)));
    EXPECT_NEAR(mean_local_consensus({}, 8, period) / closed, 1, 1e-12) << period;
  }
  // Small steps: (1 - 1/N) s2 (tau - 1) / 2.
  EXPECT_NEAR(mean_local_consensus({.rate = 1e-5}, 8, 4) / (7.0 / 8 * 1e-10 * 1.5), 1, 1e-4);
}

TEST(LocalLaboratory, SlopeNoiseE3) {
  const std::vector<std::pair<uint32_t, double>> golden = {
      {1, 7.2993e-3}, {2, 7.8851e-3}, {5, 9.7298e-3}, {20, 1.87134e-2}, {100, 3.07877e-2}};
  for (const auto& [period, variance] : golden) {
    EXPECT_NEAR(local_variance({.slope_noise = 15}, 8, period), variance, 5e-8) << period;
  }
}

// The growth m = a^2 + eta^2 v may be exactly 1, where the geometric series is not (1-m^n)/(1-m).
TEST(LocalLaboratory, GrowthOfOne) {
  const ScalarQuadratic problem{.slope_noise = 19};
  LocalSgdProcess process(problem, 8, 5);
  for (int i = 0; i < 4000; ++i) process.step();
  EXPECT_NEAR(process.moments().variance_of_average / local_variance(problem, 8, 5), 1, 1e-9);
}

// The closed forms are where the recursion ends, at every step of a period.
TEST(LocalLaboratory, RecursionConverges) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const ScalarQuadratic problem = drawn(rng);
    const auto nodes = static_cast<uint32_t>(1 + rng.below(9));
    const auto period = static_cast<uint32_t>(1 + rng.below(12));
    LocalSgdProcess process(problem, nodes, period);
    for (int i = 0; i < 4000; ++i) process.step();
    EXPECT_NEAR(process.moments().variance_of_average / local_variance(problem, nodes, period), 1,
                1e-9);
    double sum = 0;
    for (uint32_t j = 0; j < period; ++j) {
      const double consensus = process.moments().consensus;
      EXPECT_NEAR(consensus, local_consensus(problem, nodes, period, j), 1e-10) << j;
      sum += consensus;
      process.local_step();
    }
    EXPECT_NEAR(sum / period, mean_local_consensus(problem, nodes, period), 1e-10);
  }
}

TEST(LocalLaboratory, PeriodOneIsSynchronous) {
  const ScalarQuadratic problem{.slope_noise = 3, .start = 2};
  LocalSgdProcess local(problem, 6, 1);
  KSyncProcess sync(problem, 6);
  for (int i = 0; i < 100; ++i) {
    local.step();
    sync.step();
    ASSERT_NEAR(local.loss(), sync.loss(), 1e-14);
  }
}

// With curvature and noise alike, the matrix recursion at the ends of periods.
TEST(LocalLaboratory, IsTheMatrixRecursion) {
  Laboratory laboratory{.curvature = std::vector<double>(5, 1.2),
                        .offset = std::vector<double>(5, 0.0),
                        .sigma = 0.7,
                        .slope_noise = 2,
                        .rate = 0.1,
                        .start = 3,
                        .local_steps = 7};
  LocalSgdProcess process({.curvature = 1.2, .sigma = 0.7, .slope_noise = 2, .start = 3}, 5, 7);
  for (uint64_t round = 0; round < 20; ++round) {
    const LaboratoryMoments expected = predict_synchronous(laboratory, round);
    EXPECT_NEAR(process.moments().mean_of_average, expected.mean_of_average, 1e-12);
    EXPECT_NEAR(process.moments().variance_of_average, expected.variance_of_average, 1e-12);
    process.step();
  }
}

// Periods that change from round to round, seen in the middle of the last one, against the nodes.
TEST(LocalLaboratory, TransientOfTheNodes) {
  const std::vector<uint32_t> periods = {6, 1, 3, 2};
  constexpr int kLast = 4;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const ScalarQuadratic problem = drawn(rng);
    const auto nodes = static_cast<uint32_t>(1 + rng.below(5));
    LocalSgdProcess process(problem, nodes, 1);
    for (uint32_t period : periods) {
      process.set_period(period);
      process.step();
    }
    for (int i = 0; i < kLast; ++i) process.local_step();
    Samples mean;
    Samples second;
    Samples consensus;
    for (int replica = 0; replica < 20000; ++replica) {
      std::vector<double> x(nodes, problem.start);
      const auto local_steps = [&](uint32_t count) {
        for (double& value : x) {
          for (uint32_t i = 0; i < count; ++i) {
            const double slope = problem.curvature + std::sqrt(problem.slope_noise) * rng.normal();
            value -= problem.rate * (slope * value + problem.sigma * rng.normal());
          }
        }
        double average = 0;
        for (double value : x) average += value / nodes;
        return average;
      };
      for (uint32_t period : periods) x.assign(nodes, local_steps(period));
      const double average = local_steps(kLast);
      double spread = 0;
      for (double value : x) spread += (value - average) * (value - average) / nodes;
      mean.add(average);
      second.add(average * average);
      consensus.add(spread);
    }
    const LaboratoryMoments moments = process.moments();
    expect_mean(mean, moments.mean_of_average, "E xbar");
    expect_mean(second,
                moments.variance_of_average + moments.mean_of_average * moments.mean_of_average,
                "E xbar^2");
    expect_mean(consensus, moments.consensus, "consensus");
  }
}

// ALGORITHMS 7 row 4: x0^2 = 100, N = 8, eta = .1, h = sigma = 1, v = 15; a local step takes 1 s
// and an average 4 s. A target is seen at the ends of rounds.
constexpr ScalarQuadratic kRow4{.slope_noise = 15, .start = 10};
const std::vector<double> kTargets = {5, .5, .05, .02, .01, .006, .004};
constexpr double kExchange = 4;

TEST(LocalLaboratory, TimesToTargets) {
  const std::vector<std::pair<uint32_t, std::vector<double>>> rows = {
      {1, {65, 125, 190, 215, 240, 270, 320}},
      {5, {27, 54, 72, 90, 99, 108}},
      {20, {24, 48, 72, 96, 120}}};
  for (const auto& [period, printed] : rows) {
    LocalSgdProcess process(kRow4, 8, period);
    double now = 0;
    for (size_t i = 0; i < kTargets.size(); ++i) {
      while (process.loss() > kTargets[i] && now < 10000) {
        process.step();
        now += period + kExchange;
      }
      ASSERT_EQ(now < 10000, i < printed.size()) << period << " to " << kTargets[i];
      if (i == printed.size()) break;
      EXPECT_EQ(now, printed[i]) << period << " to " << kTargets[i];
    }
  }
}

// AdaComm with tau_0 = 20, T_0 = 60 s: the period is reconsidered at the first end of a round at or
// after each multiple of T_0, from E F itself. It begins like tau = 20 and ends like tau = 1.
TEST(LocalLaboratory, AdaCommTimesToTargets) {
  const std::vector<double> printed = {24, 48, 72, 82, 107, 132, 182};
  LocalSgdProcess process(kRow4, 8, 20);
  const double first_loss = process.loss();
  std::vector<uint32_t> path = {20};
  double now = 0;
  double reconsider = 60;
  for (size_t i = 0; i < kTargets.size(); ++i) {
    while (process.loss() > kTargets[i]) {
      ASSERT_LT(now, 10000);
      for (; now >= reconsider; reconsider += 60) {
        path.push_back(adacomm_period(20, path.back(), process.loss() / first_loss));
        process.set_period(path.back());
      }
      process.step();
      now += path.back() + kExchange;
    }
    EXPECT_EQ(now, printed[i]) << kTargets[i];
  }
  EXPECT_EQ(path, (std::vector<uint32_t>{20, 1, 1}));
  EXPECT_NEAR(320 / now, 1.76, .005);  // tau = 1 takes 320 s to .004
}

}  // namespace
}  // namespace kith
