// SVRG (Johnson, Zhang 2013; ALGORITHMS 2): the full gradient at the snapshot, and no floor.
#include <gtest/gtest.h>

#include <cmath>

#include "daemon/learn/dataset_builder.h"
#include "protocol/kernels.h"
#include "tests/unit/learn_bench.h"

namespace kith {
namespace {

constexpr size_t kWidth = 4;

std::shared_ptr<const Dataset> random_data(size_t rows) {
  return kith::random_data(rows, kWidth, 3, 1.0f / 64, -2);
}

struct Bench : LearnBench {
  explicit Bench(const std::string& kind, std::map<std::string, OptionValue> given = {},
                 std::shared_ptr<const Dataset> data = nullptr)
      : LearnBench(kind, std::move(given), std::move(data)) {
    setup.batch.size = 8;
    setup.total_batches = 1000;
  }

  SharedBuffer gradient(Trainer& trainer, const SharedBuffer& x, uint64_t index) {
    Compute work;
    work.at = x;
    work.first_batch = index;
    return trainer.run(work, pool, workspace).result;
  }

  SharedBuffer descend(Trainer& trainer, const SharedBuffer& x, uint64_t index, uint32_t steps) {
    Compute work;
    work.at = x;
    work.first_batch = index;
    work.steps = steps;
    work.rule.kind = LocalRule::Kind::kLocalSteps;
    return trainer.run(work, pool, workspace).result;
  }

  // Over all rows in one batch.
  std::vector<float> full_gradient(const SharedBuffer& x) {
    const Batches all(setup.data, {}, {}, 1, 1, NodeId{0});
    std::vector<float> g(model->parameters());
    const Batch batch = all.load_block(0, setup.data->rows(), workspace);
    model->gradient(x.floats(), batch, g, workspace);
    return g;
  }
};

std::vector<float> copy(const SharedBuffer& x) { return {x.floats().begin(), x.floats().end()}; }

double norm(const SharedBuffer& x) { return std::sqrt(kernels::squared_norm(x.floats())); }

double distance(const SharedBuffer& x, const SharedBuffer& z) {
  return std::sqrt(kernels::squared_distance(x.floats(), z.floats()));
}

TEST(Svrg, IsTheFullGradientBitForBitAtTheSnapshot) {
  Bench bench("softmax", {}, random_data(40));
  bench.setup.svrg_period = 5;
  Trainer trainer(bench.setup);
  const SharedBuffer first = bench.at(0.3f);
  for (uint64_t index = 0; index < 5; ++index) {
    EXPECT_EQ(copy(bench.gradient(trainer, first, index)), bench.full_gradient(first)) << index;
  }
  SharedBuffer second = bench.descend(trainer, first, 3, 1);  // elsewhere
  EXPECT_NE(copy(bench.gradient(trainer, second, 4)), bench.full_gradient(second));
  EXPECT_EQ(copy(bench.gradient(trainer, second, 5)), bench.full_gradient(second));
  EXPECT_EQ(copy(bench.gradient(trainer, second, 9)), bench.full_gradient(second));
}

TEST(Svrg, IsTheBatchsGradientMinusThatAtTheSnapshotPlusTheFullOne) {
  Bench bench("softmax", {}, random_data(40));
  Trainer plain(bench.setup);
  bench.setup.svrg_period = 5;
  Trainer trainer(bench.setup);
  const SharedBuffer snapshot = bench.at(0.3f);
  const std::vector<float> full = copy(bench.gradient(trainer, snapshot, 0));
  const SharedBuffer x = bench.descend(plain, snapshot, 70, 3);
  for (uint64_t index = 1; index < 5; ++index) {
    const std::vector<float> here = copy(bench.gradient(plain, x, index));
    const std::vector<float> there = copy(bench.gradient(plain, snapshot, index));
    std::vector<float> expected(full.size());
    for (size_t j = 0; j < full.size(); ++j) expected[j] = here[j] - there[j] + full[j];
    EXPECT_EQ(copy(bench.gradient(trainer, x, index)), expected);
  }
}

TEST(Svrg, LocalStepsFollowTheSameGradients) {
  Bench bench("softmax", {}, random_data(40));
  bench.setup.svrg_period = 3;
  bench.setup.optimizer.momentum = 0.9f;
  Trainer local(bench.setup);
  Trainer gradients(bench.setup);
  Optimizer optimizer(bench.setup.optimizer);
  std::vector<float> x = copy(bench.at(0.3f));
  const SharedBuffer reached = bench.descend(local, bench.at(0.3f), 0, 8);
  for (uint64_t index = 0; index < 8; ++index) {
    const SharedBuffer g = bench.gradient(gradients, copy_of(x, bench.pool), index);
    optimizer.step(bench.setup.optimizer.learning_rate, x, g.floats(), x);
  }
  EXPECT_EQ(copy(reached), x);
}

// 0: the first batch that begins in each pass, also when a batch grows.
TEST(Svrg, PeriodOfZeroIsOnePassOverTheShard) {
  Bench bench("softmax", {}, random_data(20));
  bench.setup.svrg_period = 0;
  // Samples 0, 8, 16, 24, 32, 40 begin batches 0 to 5, then 56, 72, 88: passes of 20.
  bench.setup.batch = {.size = 8, .milestones = {0.5}, .factor = 2};
  bench.setup.total_batches = 10;
  const std::vector<uint64_t> expected = {0, 3, 5, 7, 8};
  Trainer trainer(bench.setup);
  std::vector<uint64_t> snapshots;
  for (uint64_t index = 0; index < 9; ++index) {
    std::vector<float> x(bench.model->parameters());
    for (size_t j = 0; j < x.size(); ++j) {
      x[j] = 0.1f * static_cast<float>(index) * std::sin(static_cast<float>(j));
    }
    const SharedBuffer at = copy_of(x, bench.pool);
    if (copy(bench.gradient(trainer, at, index)) == bench.full_gradient(at)) {
      snapshots.push_back(index);
    }
  }
  EXPECT_EQ(snapshots, expected);
}

TEST(Svrg, ManyBlocksOfAShardGiveItsMean) {
  Bench bench("softmax", {}, random_data(600));  // blocks of 256, 256 and 88
  for (uint32_t row = 1; row < 600; row += 2) bench.setup.rows.push_back(row);
  bench.setup.svrg_period = 0;
  Trainer trainer(bench.setup);
  const SharedBuffer x = bench.at(0.3f);
  const std::vector<float> g = copy(bench.gradient(trainer, x, 0));
  std::vector<float> expected(g.size());
  const Batches shard(bench.setup.data, bench.setup.rows, {}, 1, 1, NodeId{0});
  bench.model->gradient(x.floats(), shard.load_block(0, 300, bench.workspace), expected,
                        bench.workspace);
  for (size_t j = 0; j < g.size(); ++j) EXPECT_NEAR(g[j], expected[j], 1e-6);
}

// At a constant rate SGD stalls at a floor of order sqrt(rate); SVRG goes on to the optimum, up to
// the rounding of single precision.
TEST(Svrg, ReachesTheOptimumOfAFiniteSumWhereSgdStalls) {
  Bench bench("softmax", {}, random_data(60));
  bench.setup.batch.size = 4;
  bench.setup.optimizer.learning_rate = 0.2f;
  constexpr uint32_t kSteps = 6000;  // 400 passes
  Trainer sgd(bench.setup);
  bench.setup.svrg_period = 0;
  Trainer svrg(bench.setup);
  bench.setup.svrg_period = 1;  // every batch a snapshot: gradient descent
  Trainer descent(bench.setup);
  const SharedBuffer optimum = bench.descend(descent, bench.at(0), 0, kSteps);
  ASSERT_LT(norm(bench.gradient(descent, optimum, kSteps)), 2e-6);
  const SharedBuffer noisy = bench.descend(sgd, bench.at(0), 0, kSteps);
  const SharedBuffer exact = bench.descend(svrg, bench.at(0), 0, kSteps);
  EXPECT_GT(distance(noisy, optimum), 1e-2);
  EXPECT_LT(distance(exact, optimum), 1e-5);
}

// f = h/2 (x - b)^2 with noise that is added: it cancels, and each step is one of gradient descent,
// x - b = (1 - c)^k (x_0 - b).
TEST(Svrg, AdditiveNoiseOfTheLaboratoryCancels) {
  Bench bench("quadratic", {{"curvature", 2.0}, {"offset", 1.0}, {"noise", 1.0}});
  bench.setup.optimizer.learning_rate = 0.1f;
  bench.setup.svrg_period = 4;
  Trainer trainer(bench.setup);
  const SharedBuffer x = bench.descend(trainer, bench.at(3), 0, 10);
  EXPECT_NEAR(x.floats()[0], 1 + 2 * std::pow(0.8, 10), 1e-6);
}

// With noise on the slope, g = h (x - b) + xi (x - x_s): within a period of T steps of rate eta,
// started at distance d, the mean contracts as (1 - c)^k and the variance follows
//   s_{k+1} = (1 - c)^2 s_k + eta^2 v E (x_k - x_s)^2
// which is proportional to d^2: both go to 0 together. SGD with additive noise as well would stall.
TEST(Svrg, NoiseOnTheSlopeVanishesWithTheDistance) {
  constexpr size_t kReplicas = 20000;
  constexpr double kRate = 0.1;
  constexpr double kSlopeNoise = 4;
  Bench bench("quadratic", {{"curvature", 1.0},
                            {"noise", 1.0},
                            {"slope_noise", kSlopeNoise},
                            {"replicas", int64_t{kReplicas}}});
  bench.setup.optimizer.learning_rate = kRate;
  bench.setup.svrg_period = 5;
  Trainer trainer(bench.setup);
  double mean = 1;      // E x_k / x_s
  double variance = 0;  // Var x_k / x_s^2
  double second = 1;    // E x_s^2 relative to that at the start
  double first = 1;
  SharedBuffer x = bench.at(1);
  for (uint64_t period = 0; period < 4; ++period) {
    x = bench.descend(trainer, x, 5 * period, 5);
    mean = 1;
    variance = 0;
    for (int k = 0; k < 5; ++k) {
      const double away = (mean - 1) * (mean - 1) + variance;
      variance = (1 - kRate) * (1 - kRate) * variance + kRate * kRate * kSlopeNoise * away;
      mean *= 1 - kRate;
    }
    first *= mean;
    second *= mean * mean + variance;
    // Four standard errors, the fourth moment from the sample: false alarm 6e-5 a comparison.
    double sum = 0;
    double squares = 0;
    double fourths = 0;
    for (const float value : x.floats()) {
      const double square = static_cast<double>(value) * value;
      sum += value / static_cast<double>(kReplicas);
      squares += square / kReplicas;
      fourths += square * square / kReplicas;
    }
    EXPECT_NEAR(sum, first, 4 * std::sqrt((squares - sum * sum) / kReplicas));
    EXPECT_NEAR(squares, second, 4 * std::sqrt((fourths - squares * squares) / kReplicas));
  }
  EXPECT_LT(second, 0.05);
}

}  // namespace
}  // namespace kith
