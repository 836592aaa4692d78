// Bounds B1 to B4 against the exact laboratory, and the adaptive rules: ALGORITHMS 4.1, 4.2 and 5.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "protocol/theory/asynchronous_laboratory.h"
#include "protocol/theory/elastic_laboratory.h"
#include "protocol/theory/error.h"
#include "protocol/theory/local_laboratory.h"
#include "protocol/theory/synchronous_laboratory.h"
#include "topology/rng.h"

namespace kith {
namespace {

// F(x) = h/2 x^2 from x_0: L = mu = h.
Objective objective_of(const ScalarQuadratic& problem) {
  return {.initial_gap = problem.loss(problem.start * problem.start),
          .smoothness = problem.curvature,
          .strong_convexity = problem.curvature,
          .sigma = problem.sigma};
}

ScalarQuadratic drawn(Rng& rng) {
  return {.curvature = 0.2 + 2 * rng.uniform(),
          .sigma = 2 * rng.uniform(),
          .rate = 0.3 * rng.uniform() + 1e-3,
          .start = 6 * rng.uniform() - 3};
}

// Argmin of a function with one valley, by golden section.
double argmin(double low, double high, const std::function<double(double)>& f) {
  const double ratio = (std::sqrt(5.0) - 1) / 2;
  for (int i = 0; i < 200; ++i) {
    const double left = high - ratio * (high - low);
    const double right = low + ratio * (high - low);
    (f(left) < f(right) ? high : low) = f(left) < f(right) ? right : left;
  }
  return (low + high) / 2;
}

TEST(ErrorBounds, B1HoldsOnTheExactRun) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const ScalarQuadratic problem = drawn(rng);
    const Objective objective = objective_of(problem);
    const auto k = static_cast<uint32_t>(1 + rng.below(8));
    ASSERT_TRUE(synchronous_rate_allowed(objective, problem.rate));
    KSyncProcess process(problem, k);
    double gradients = 0;  // sum of E F'(x_t)^2
    for (int t = 1; t <= 2000; ++t) {
      gradients += std::pow(problem.curvature, 2) * process.moments().second;
      process.step();
      EXPECT_LE(gradients / t, synchronous_bound(objective, problem.rate, k, t)) << t;
      EXPECT_LE(process.loss(), synchronous_gap_bound(objective, problem.rate, k, t) + 1e-15) << t;
    }
    EXPECT_GE(
        synchronous_floor(objective, problem.rate, k) / problem.loss(process.moments().second),
        1.0 - 1e-9);
  }
  EXPECT_FALSE(synchronous_rate_allowed({.smoothness = 2}, 0.51));
  EXPECT_TRUE(synchronous_rate_allowed({.smoothness = 2}, 0.5));
}

// "Dutta strongly convex floor against exact": L = cc = h, m = 1, N = 8, exponential delays.
TEST(ErrorBounds, B2AgainstExact) {
  struct Row {
    double rate;
    uint32_t k;
    double bound;
    double exact;
  };
  for (const Row& row :
       {Row{.1, 1, .1756, .0446}, Row{.1, 2, .0364, .0169}, Row{.1, 4, .0116, .0072},
        Row{.1, 8, .0042, .0033}, Row{.02, 1, .0122, .0058}}) {
    const ScalarQuadratic problem{.rate = row.rate};
    const StalenessBound staleness{.gamma = kasync_staleness(problem, 8, row.k),
                                   .fresh = row.k / 8.0};
    ASSERT_LE(staleness.gamma, 1);
    const double floor = kasync_floor(objective_of(problem), row.rate, row.k, 1, staleness);
    const double exact = problem.loss(kasync_variance(problem, 8, row.k));
    EXPECT_NEAR(floor, row.bound, 5e-5) << row.rate << " " << row.k;
    EXPECT_NEAR(exact, row.exact, 5e-5) << row.rate << " " << row.k;
    EXPECT_GT(floor / exact, 1.25);
    EXPECT_LT(floor / exact, 4);
  }
}

TEST(ErrorBounds, B2WithoutStalenessOutruns) {
  const Objective objective{.smoothness = 2, .strong_convexity = 0.5};
  const StalenessBound none{.gamma = 0, .fresh = 1};
  EXPECT_NEAR(none.progress(), 1.5, 1e-15);
  EXPECT_NEAR(kasync_bound(objective, .1, 4, 2, none, 50) * 1.5,
              synchronous_bound(objective, .1, 8, 50), 1e-12);
  EXPECT_NEAR(kasync_gap_bound(objective, .1, 4, 2, none, 0), objective.initial_gap, 1e-12);
  EXPECT_NEAR(kasync_gap_bound(objective, .1, 4, 2, none, 1e6),
              kasync_floor(objective, .1, 4, 2, none), 1e-12);
  // 1 / (2 L (M_G/(K m) + 1/K)) = 1 / (4 (3/8 + 1/4)) = .4
  EXPECT_TRUE(kasync_rate_allowed(objective, .3999, 4, 2, 3));
  EXPECT_FALSE(kasync_rate_allowed(objective, .4001, 4, 2, 3));
}

TEST(ErrorBounds, B3HoldsOnTheExactRun) {
  int held = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const ScalarQuadratic problem = drawn(rng);
    const Objective objective = objective_of(problem);
    const auto nodes = static_cast<uint32_t>(1 + rng.below(8));
    const auto period = static_cast<uint32_t>(1 + rng.below(12));
    if (!local_rate_allowed(objective, problem.rate, period)) continue;
    ++held;
    LocalSgdProcess process(problem, nodes, period);
    double gradients = 0;
    for (uint32_t t = 1; t <= 1000; ++t) {
      gradients += 2 * problem.curvature * process.loss();
      process.local_step();
      if (t % period == 0) process.average();
      EXPECT_LE(gradients / t, local_bound(objective, problem.rate, nodes, period, t)) << t;
    }
  }
  EXPECT_GT(held, 15);
  const Objective unit;
  EXPECT_NEAR(local_bound(unit, .1, 4, 1, 100), synchronous_bound(unit, .1, 4, 100), 1e-15);
  EXPECT_NEAR(local_bound(unit, .1, 4, 5, 100) - local_bound(unit, .1, 4, 1, 100), .04, 1e-12);
  EXPECT_TRUE(local_rate_allowed(unit, .25, 4));  // .25 + .0625 * 12 = 1
  EXPECT_FALSE(local_rate_allowed(unit, .2501, 4));
}

TEST(ErrorBounds, B3StronglyConvex) {
  const Objective objective{.smoothness = 4, .strong_convexity = 0.5, .sigma = 2};
  EXPECT_NEAR(stich_rate(objective, 10, 72), 4 / (.5 * (128 + 72)), 1e-12);
  EXPECT_NEAR(stich_rate(objective, 200, 0), 4 / (.5 * 200), 1e-12);
  // sigma^2/(mu N T) = 4/(.5*8*100) = .01, kappa tau^2 G^2/(mu T^2) = 8*25*9/(.5*1e4) = .36
  EXPECT_NEAR(stich_order(objective, 8, 5, 3, 100), .37, 1e-12);
}

// The bracket of B4 is twice the exact small-step mean square of a mode of W, over a period.
TEST(ErrorBounds, B4BracketIsTwiceTheExactConsensus) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const double mode = 0.95 * rng.uniform();
    const auto period = static_cast<uint32_t>(1 + rng.below(12));
    const double rate = 1e-6;
    const double s2 = rate * rate;
    double square = 0;
    double sum = 0;
    for (int round = 0; round < 2000; ++round) {
      sum = 0;
      for (uint32_t j = 0; j < period; ++j) {
        sum += square;
        square = (1 - rate) * (1 - rate) * square + s2;
      }
      square *= mode * mode;
    }
    EXPECT_NEAR(sum / period / (s2 / 2 * cooperative_spread(mode, period)), 1, 1e-3);
  }
  EXPECT_EQ(cooperative_spread(0, 1), 0);  // synchronous
  EXPECT_NEAR(cooperative_spread(.5, 1), 2 * .25 / .75, 1e-15);
}

TEST(ErrorBounds, B4Reduces) {
  const Objective unit;
  const Cooperation averaging{.workers = 4, .period = 5};
  EXPECT_NEAR(cooperative_bound(unit, .01, averaging, 200), local_bound(unit, .01, 4, 5, 200),
              1e-15);
  const Cooperation elastic{.workers = 8, .auxiliary = 1, .zeta = .8, .period = 1};
  EXPECT_NEAR(elastic.effective_rate(.09), .08, 1e-15);
  // e + 5 e^2 (1/.2)^2 = 1 at e = (sqrt(501) - 1) / 250
  const double most = (std::sqrt(501.0) - 1) / 250 * 9 / 8;
  EXPECT_TRUE(cooperative_rate_allowed(unit, most * .999, elastic));
  EXPECT_FALSE(cooperative_rate_allowed(unit, most * 1.001, elastic));
  EXPECT_FALSE(cooperative_rate_allowed(unit, 1e-9, {.zeta = 1.1}));
}

// EASGD as Cooperative SGD with one auxiliary column: the average u of all N + 1 columns.
TEST(ErrorBounds, B4HoldsForElasticAveraging) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    ScalarQuadratic problem = drawn(rng);
    const Objective objective = objective_of(problem);
    const auto nodes = static_cast<uint32_t>(1 + rng.below(8));
    const double n = nodes;
    const ElasticSpec spec{.nodes = nodes,
                           .alpha = elastic_best_alpha(nodes) * (0.3 + 0.7 * rng.uniform()),
                           .order = ElasticOrder::kStepFirst};
    const Cooperation how{
        .workers = n, .auxiliary = 1, .zeta = elastic_zeta(nodes, spec.alpha), .period = 1};
    while (!cooperative_rate_allowed(objective, problem.rate, how)) problem.rate /= 2;
    ElasticProcess process(problem, spec);
    double gradients = 0;
    for (int t = 1; t <= 2000; ++t) {
      const ElasticMoments& m = process.moments();
      const double square =
          (n * n * m.average.second + 2 * n * m.product + m.centre.second) / ((n + 1) * (n + 1));
      gradients += std::pow(problem.curvature, 2) * square;
      process.step();
      EXPECT_LE(gradients / t, cooperative_bound(objective, problem.rate, how, t)) << t;
    }
  }
}

TEST(AdaSync, PrintedDigits) {
  const std::vector<std::pair<double, double>> golden = {
      {1, 1}, {2, 1.376}, {4, 1.871}, {10, 2.741}, {100, 5.714}};
  for (const auto& [fall, optimum] : golden) {  // F_0 / F
    EXPECT_NEAR(adasync_harmonic_optimum(1, 8, 1 / fall), optimum, 5e-4) << fall;
    EXPECT_EQ(adasync_harmonic(1, 8, 1 / fall), std::ceil(optimum)) << fall;
  }
  EXPECT_EQ(adasync_batch(1, 8, 1.0 / 4), 2U);
  EXPECT_EQ(adasync_batch(1, 8, 1.0 / 4.01), 3U);
  EXPECT_EQ(adasync_batch(1, 8, 1.0 / 64.01), 8U);
}

// At the start both rules give back K_0, without a rounding error that would add one.
TEST(AdaSync, KeepsWhatItStartedWith) {
  for (uint32_t nodes = 1; nodes <= 64; ++nodes) {
    for (uint32_t first = 1; first <= nodes; ++first) {
      EXPECT_EQ(adasync_harmonic(first, nodes, 1), first) << nodes;
      EXPECT_EQ(adasync_batch(first, nodes, 1), first) << nodes;
    }
  }
}

TEST(AdaSync, StaysWithinTheNodes) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const auto& rule : {adasync_harmonic, adasync_batch}) {
    EXPECT_EQ(rule(2, 8, 0), 8U);
    EXPECT_EQ(rule(2, 8, infinity), 1U);
    EXPECT_EQ(rule(1, 1, 0.5), 1U);
    uint32_t last = 1;
    for (double ratio = 100; ratio > 1e-6; ratio /= 1.3) {
      const uint32_t k = rule(3, 8, ratio);
      EXPECT_GE(k, last);
      last = k;
    }
    EXPECT_EQ(last, 8U);
  }
}

// Both laws are the minimisers over K of B2 at a time t, relative to the one at the start.
TEST(AdaSync, MinimisesB2InTime) {
  const StalenessBound staleness{.gamma = 0.3, .fresh = 0.2};
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const double nodes = 16;
    const double rate = 0.01 + 0.05 * rng.uniform();
    const double seconds = 100;
    const auto best = [&](double gap, double high, const std::function<double(double)>& mean) {
      const Objective objective{.initial_gap = gap};
      return argmin(1e-3, high, [&](double k) {
        return kasync_bound(objective, rate, k, 1, staleness, seconds / mean(k));
      });
    };
    const auto batch = [&](double k) { return k / nodes; };
    const auto harmonic = [&](double k) { return std::log(nodes / (nodes - k)); };
    const double gap = 1 + rng.uniform();
    const double ratio = 0.02 + 0.9 * rng.uniform();
    EXPECT_NEAR(best(gap * ratio, 1e3, batch) / adasync_batch_optimum(best(gap, 1e3, batch), ratio),
                1, 1e-6);
    EXPECT_NEAR(best(gap * ratio, nodes - 1e-9, harmonic) /
                    adasync_harmonic_optimum(best(gap, nodes - 1e-9, harmonic), nodes, ratio),
                1, 1e-6);
  }
}

TEST(AdaComm, PrintedDigits) { EXPECT_NEAR(adacomm_optimum({}, .1, 1, 100), 4.472, 5e-4); }

TEST(AdaComm, MinimisesB3InTime) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const Objective objective{.initial_gap = 1 + rng.uniform(),
                              .smoothness = 1 + rng.uniform(),
                              .sigma = 0.5 + rng.uniform()};
    const double rate = 0.02 + 0.1 * rng.uniform();
    const double exchange = 1 + rng.uniform();
    const double seconds = 50 + 100 * rng.uniform();
    const double best = argmin(0.1, 1000, [&](double period) {
      return local_bound(objective, rate, 8, period, seconds / (0.7 + exchange / period));
    });
    EXPECT_NEAR(best / adacomm_optimum(objective, rate, exchange, seconds), 1, 1e-6);
  }
}

TEST(AdaComm, Rule) {
  EXPECT_EQ(adacomm_period(20, 20, 0.25), 10U);
  EXPECT_EQ(adacomm_period(20, 20, 0.26), 11U);
  EXPECT_EQ(adacomm_period(20, 10, 0.25), 5U);  // not smaller: halved
  EXPECT_EQ(adacomm_period(20, 5, 0.25), 3U);   // rounded up
  EXPECT_EQ(adacomm_period(20, 20, 1), 10U);
  EXPECT_EQ(adacomm_period(20, 20, 4), 10U);
  EXPECT_EQ(adacomm_period(20, 20, 0), 1U);
  EXPECT_EQ(adacomm_period(20, 1, 0.5), 1U);
  // A quarter of the rate at a quarter of the loss calls for the period of the start.
  EXPECT_EQ(adacomm_period(20, 40, 0.25, 4), 20U);
  EXPECT_EQ(adacomm_period(20, 20, 0.25, 2), 15U);
  EXPECT_EQ(adacomm_period(20, 8, std::numeric_limits<double>::quiet_NaN()), 4U);
}

// It always comes down to 1, whatever the loss does.
TEST(AdaComm, AlwaysFalls) {
  uint32_t period = 100;
  for (int i = 0; i < 7; ++i) period = adacomm_period(100, period, 1e9);
  EXPECT_EQ(period, 1U);
}

}  // namespace
}  // namespace kith
