// ASYNC, K-ASYNC and K-BATCH-ASYNC: ALGORITHMS 4.2 E8 and E9, and the times of 7 rows 2 and 3.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "protocol/theory/asynchronous_laboratory.h"
#include "protocol/theory/delayed_laboratory.h"
#include "protocol/theory/error.h"
#include "protocol/theory/synchronous_laboratory.h"
#include "protocol/theory/wall_clock.h"
#include "tests/unit/protocol_samples.h"
#include "topology/rng.h"

namespace kith {
namespace {

double harmonic(uint32_t n) { return n == 0 ? 0 : 1.0 / n + harmonic(n - 1); }

double kasync_seconds(uint32_t nodes, uint32_t k) { return harmonic(nodes) - harmonic(nodes - k); }

struct Case {
  uint32_t nodes;
  uint32_t k;
  ScalarQuadratic problem;
};

// Well inside stability, so that the estimates of second moments are good.
Case drawn(Rng& rng) {
  Case out;
  out.nodes = static_cast<uint32_t>(1 + rng.below(9));
  out.k = static_cast<uint32_t>(1 + rng.below(out.nodes));
  const double c = 0.7 * rng.uniform() * std::min(1.0, kasync_pull_limit(out.nodes, out.k));
  out.problem.curvature = 0.5 + rng.uniform();
  out.problem.rate = c / out.problem.curvature;
  out.problem.sigma = 0.2 + rng.uniform();
  out.problem.slope_noise = 1 / out.problem.rate;
  while (!kasync_stable(out.problem, out.nodes, out.k)) out.problem.slope_noise /= 2;
  out.problem.slope_noise *= 0.2 + 0.3 * rng.uniform();
  out.problem.start = 8 * rng.uniform() - 4;
  return out;
}

double gradient(const ScalarQuadratic& problem, double at, Rng& rng) {
  return (problem.curvature + std::sqrt(problem.slope_noise) * rng.normal()) * at +
         problem.sigma * rng.normal();
}

// The workers with their exponential clocks: what the theory says that only indices matter of.
double run_kasync(const Case& c, int updates, Rng& rng) {
  double x = c.problem.start;
  std::vector<double> read(c.nodes, x);
  std::vector<double> due(c.nodes);
  for (double& t : due) t = rng.exponential();
  for (int update = 0; update < updates; ++update) {
    std::vector<uint32_t> order(c.nodes);
    for (uint32_t i = 0; i < c.nodes; ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](uint32_t i, uint32_t j) { return due[i] < due[j]; });
    const double now = due[order[c.k - 1]];
    double sum = 0;
    for (uint32_t i = 0; i < c.k; ++i) sum += gradient(c.problem, read[order[i]], rng);
    x -= c.problem.rate / c.k * sum;
    for (uint32_t i = 0; i < c.k; ++i) {
      read[order[i]] = x;
      due[order[i]] = now + rng.exponential();
    }
  }
  return x;
}

double run_kbatch_async(const Case& c, int updates, Rng& rng) {
  double x = c.problem.start;
  std::vector<double> read(c.nodes, x);
  std::vector<double> due(c.nodes);
  for (double& t : due) t = rng.exponential();
  double sum = 0;
  uint32_t arrived = 0;
  for (int update = 0; update < updates;) {
    const auto next = static_cast<size_t>(std::min_element(due.begin(), due.end()) - due.begin());
    sum += gradient(c.problem, read[next], rng);
    if (++arrived == c.k) {
      x -= c.problem.rate / c.k * sum;
      sum = 0;
      arrived = 0;
      ++update;
    }
    read[next] = x;
    due[next] += rng.exponential();
  }
  return x;
}

TEST(AsynchronousLaboratory, VarianceE8) {
  const ScalarQuadratic problem;
  EXPECT_NEAR(kasync_variance(problem, 8, 1), 8.91089e-2, 5e-8);
  EXPECT_NEAR(kasync_variance({.rate = 0.05}, 16, 1), 4.47761e-2, 5e-8);
  for (uint32_t nodes : {1U, 3U, 8U, 50U}) {
    const double n = nodes;
    const double c = 0.02;
    const double expected = c * c * (1 + n * c) / (c * (2 + c - n * c * c));
    EXPECT_NEAR(kasync_variance({.rate = c}, nodes, 1) / expected, 1, 1e-12) << nodes;
    EXPECT_NEAR(kasync_staleness({.rate = c}, nodes, 1), 2 * (n - 1) * c / (1 + n * c), 1e-12);
    EXPECT_NEAR(kasync_pull_limit(nodes, 1), (1 + std::sqrt(1 + 8 * n)) / (2 * n), 1e-12);
  }
  EXPECT_NEAR(kasync_pull_limit(8, 1), .5664, 5e-5);
  EXPECT_NEAR(kasync_pull_limit(8, 8), 2, 1e-12);
  EXPECT_NEAR(kasync_pull_limit(1, 1), 2, 1e-12);
}

TEST(AsynchronousLaboratory, VarianceE9) {
  EXPECT_NEAR(kasync_variance({}, 8, 2), 3.38919e-2, 5e-8);
  EXPECT_NEAR(kasync_variance({}, 8, 4), 1.44099e-2, 5e-8);
  EXPECT_NEAR(kasync_variance({}, 8, 8), 6.57895e-3, 5e-9);
}

// The closed form is where the recursion ends, and the limit of stability is where it stops ending.
TEST(AsynchronousLaboratory, RecursionConvergesExactlyBelowTheLimit) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const Case c = drawn(rng);
    ASSERT_TRUE(kasync_stable(c.problem, c.nodes, c.k));
    KAsyncProcess process(c.problem, c.nodes, c.k);
    for (int i = 0; i < 40000; ++i) process.step();
    EXPECT_NEAR(process.moments().second / kasync_variance(c.problem, c.nodes, c.k), 1, 1e-8);
    const double limit = kasync_pull_limit(c.nodes, c.k);
    for (const double factor : {0.99, 1.01}) {
      const ScalarQuadratic near{.sigma = 0, .rate = factor * limit, .start = 1};
      KAsyncProcess decaying(near, c.nodes, c.k);
      for (int i = 0; i < 20000; ++i) decaying.step();
      EXPECT_EQ(decaying.moments().second < 1, factor < 1) << factor;
      EXPECT_EQ(kasync_stable(near, c.nodes, c.k), factor < 1) << factor;
    }
  }
}

TEST(AsynchronousLaboratory, SlopeNoiseLowersTheLimit) {
  ScalarQuadratic problem{.sigma = 0, .rate = 0.1, .start = 1};
  for (const double slope_noise : {0.0, 5.0, 9.0, 11.5, 13.0, 20.0}) {
    problem.slope_noise = slope_noise;
    KAsyncProcess process(problem, 8, 1);
    for (int i = 0; i < 20000; ++i) process.step();
    EXPECT_EQ(process.moments().second < 1, kasync_stable(problem, 8, 1)) << slope_noise;
  }
}

// All four second moments and both means, by way of E x^2 and E x, at an early update.
TEST(AsynchronousLaboratory, TransientOfWorkersWithClocks) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const Case c = drawn(rng);
    const int updates = static_cast<int>(5 + rng.below(20));
    KAsyncProcess kasync(c.problem, c.nodes, c.k);
    KBatchAsyncProcess kbatch(c.problem, c.nodes, c.k);
    for (int i = 0; i < updates; ++i) {
      kasync.step();
      kbatch.step();
    }
    Samples sums[4];
    for (int replica = 0; replica < 20000; ++replica) {
      const double x = run_kasync(c, updates, rng);
      sums[0].add(x);
      sums[1].add(x * x);
      const double y = run_kbatch_async(c, updates, rng);
      sums[2].add(y);
      sums[3].add(y * y);
    }
    expect_mean(sums[0], kasync.moments().mean, "K-async E x");
    expect_mean(sums[1], kasync.moments().second, "K-async E x^2");
    expect_mean(sums[2], kbatch.moments().mean, "K-batch-async E x");
    expect_mean(sums[3], kbatch.moments().second, "K-batch-async E x^2");
  }
}

TEST(AsynchronousLaboratory, MeanIsAHeavyBallE8) {
  for (uint32_t k : {1U, 3U}) {
    const ScalarQuadratic problem{.rate = 0.2, .start = 10};
    KAsyncProcess process(problem, 8, k);
    const double q = k / 8.0;
    double x = problem.start;
    double before = (1 + problem.pull()) * x;  // all workers' first gradients are at x_0
    for (int i = 0; i < 200; ++i) {
      process.step();
      const double next = x - problem.pull() * q * x + (1 - q) * (x - before);
      before = x;
      x = next;
      EXPECT_NEAR(process.moments().mean, x, 1e-10) << i;
    }
  }
}

TEST(AsynchronousLaboratory, Equivalences) {
  const ScalarQuadratic problem{.curvature = 1.3, .slope_noise = 0.4, .rate = 0.07, .start = 3};
  KAsyncProcess all(problem, 5, 5);
  KSyncProcess sync(problem, 5);
  KAsyncProcess one(problem, 5, 1);
  KBatchAsyncProcess one_batch(problem, 5, 1);
  KAsyncProcess alone(problem, 1, 1);
  KSyncProcess alone_sync(problem, 1);
  KBatchAsyncProcess alone_batch(problem, 1, 1);
  for (int i = 0; i < 500; ++i) {
    all.step();
    sync.step();
    one.step();
    one_batch.step();
    alone.step();
    alone_sync.step();
    alone_batch.step();
    ASSERT_NEAR(all.moments().second, sync.moments().second, 1e-13);
    ASSERT_NEAR(one.moments().second, one_batch.moments().second, 1e-13);
    ASSERT_NEAR(alone.moments().second, alone_sync.moments().second, 1e-13);
    ASSERT_NEAR(alone_batch.moments().second, alone_sync.moments().second, 1e-13);
  }
  EXPECT_NEAR(kbatch_async_variance(problem, 5, 1) / kasync_variance(problem, 5, 1), 1, 1e-10);
  // StalenessBound (N-1)/N stays with K = N.
  EXPECT_GT(kbatch_async_variance(problem, 5, 5), 1.02 * ksync_variance(problem, 5));
}

TEST(AsynchronousLaboratory, KBatchConvergesToItsVariance) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const Case c = drawn(rng);
    KBatchAsyncProcess process(c.problem, c.nodes, c.k);
    for (int i = 0; i < 40000; ++i) process.step();
    EXPECT_NEAR(process.moments().second / kbatch_async_variance(c.problem, c.nodes, c.k), 1, 1e-8);
  }
}

TEST(DelayedLaboratory, ClosedFormsE8E9) {
  EXPECT_NEAR(delayed_variance({}, 1), 5.8201e-2, 5e-7);
  EXPECT_NEAR(delayed_pull_limit(7), .209, 5e-4);
  EXPECT_NEAR(delayed_pull_limit(0), 2, 1e-12);
  for (const double c : {0.01, 0.3, 0.9}) {
    EXPECT_NEAR(delayed_variance({.rate = c}, 1) / (c * (1 + c) / ((1 - c) * (2 + c))), 1, 1e-10);
    EXPECT_NEAR(delayed_variance({.rate = c}, 0, 3) / ksync_variance({.rate = c}, 3), 1, 1e-10);
  }
}

TEST(DelayedLaboratory, TransientAndLimit) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const auto delay = static_cast<uint32_t>(rng.below(9));
    const auto k = static_cast<uint32_t>(1 + rng.below(3));
    const double c = delayed_pull_limit(delay) * (0.1 + 0.5 * rng.uniform());
    const ScalarQuadratic problem{.sigma = 0.5, .slope_noise = 0.2 / c, .rate = c, .start = 2};
    DelayedProcess process(problem, delay, k);
    const int updates = static_cast<int>(1 + rng.below(25));
    for (int i = 0; i < updates; ++i) process.step();
    Samples mean;
    Samples second;
    for (int replica = 0; replica < 20000; ++replica) {
      std::vector<double> x = {problem.start};
      for (int i = 0; i < updates; ++i) {
        const double at = x[static_cast<size_t>(std::max(0, i - static_cast<int>(delay)))];
        double sum = 0;
        for (uint32_t j = 0; j < k; ++j) sum += gradient(problem, at, rng);
        x.push_back(x.back() - problem.rate / k * sum);
      }
      mean.add(x.back());
      second.add(x.back() * x.back());
    }
    expect_mean(mean, process.moments().mean, "E x");
    expect_mean(second, process.moments().second, "E x^2");
    for (int i = 0; i < 20000; ++i) process.step();
    EXPECT_NEAR(process.moments().second / delayed_variance(problem, delay, k), 1, 1e-8);
    for (const double factor : {0.99, 1.01}) {
      DelayedProcess near({.sigma = 0, .rate = factor * delayed_pull_limit(delay), .start = 1},
                          delay);
      for (int i = 0; i < 30000; ++i) near.step();
      EXPECT_EQ(near.moments().second < 1, factor < 1) << factor;
    }
  }
}

// ALGORITHMS 7 row 2: x0^2 = 100, N = 8, eta = .05, Exp(1), h = sigma = 1; times to F.
TEST(AsynchronousLaboratory, TimesToTargets) {
  const std::vector<double> targets = {5, .5, .05, .01, .004, .002};
  const ScalarQuadratic problem{.rate = 0.05, .start = 10};
  struct Row {
    uint32_t k;
    std::vector<double> printed;
    std::vector<double> half_digit;
    double floor;
  };
  // 2.125 and 4.625 s are printed as 2.12 and 4.62.
  for (const Row& row :
       {Row{1, {2.12, 3.50, 4.62}, {.00501, .005, .00501}, .01724},
        Row{4, {13.96, 27.3, 41.2, 52.7, 66.0}, {.005, .05, .05, .05, .05}, .00336}}) {
    EXPECT_NEAR(problem.loss(kasync_variance(problem, 8, row.k)), row.floor, 5e-6);
    for (size_t i = 0; i < targets.size(); ++i) {
      const auto updates = updates_to_loss(KAsyncProcess(problem, 8, row.k), targets[i], 100000);
      ASSERT_EQ(updates.has_value(), i < row.printed.size()) << row.k << " to " << targets[i];
      if (!updates) continue;
      const double seconds = static_cast<double>(*updates) * kasync_seconds(8, row.k);
      EXPECT_NEAR(seconds, row.printed[i], row.half_digit[i]) << row.k << " to " << targets[i];
    }
  }
}

// ALGORITHMS 7 row 3: AdaSync on K-async, K_0 = 1. K is reconsidered at the first update at or
// after each multiple of t0 = 2.5 s, from E F itself.
TEST(AsynchronousLaboratory, AdaSyncTimesToTargets) {
  const std::vector<double> targets = {5, .5, .05, .01, .004, .002};
  const std::vector<double> printed = {2.12, 15.2, 63.7, 110, 143, 191};
  const std::vector<double> half_digit = {.00501, .05, .05, .5, .5, .5};
  KAsyncProcess process({.rate = 0.05, .start = 10}, 8, 1);
  const double first_loss = process.loss();
  std::vector<uint32_t> path = {1};
  double now = 0;
  double reconsider = 2.5;
  for (size_t i = 0; i < targets.size(); ++i) {
    while (process.loss() > targets[i]) {
      ASSERT_LT(now, 1000);
      for (; now >= reconsider; reconsider += 2.5) {
        const uint32_t k = adasync_harmonic(1, 8, process.loss() / first_loss);
        if (k > path.back()) path.push_back(k);
        process.wait_for(path.back());
      }
      process.step();
      now += kasync_seconds(8, path.back());
    }
    EXPECT_NEAR(now, printed[i], half_digit[i]) << targets[i];
  }
  EXPECT_EQ(path, (std::vector<uint32_t>{1, 4, 5, 6, 7, 8}));
}

}  // namespace
}  // namespace kith
