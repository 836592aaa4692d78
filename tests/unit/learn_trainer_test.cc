// The trainer: which rows a batch holds, what its rules compute, that a step allocates nothing, and
// that no thread changes a bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <future>
#include <map>
#include <new>
#include <set>

#include "daemon/learn/permutation.h"
#include "daemon/learn/trainer.h"
#include "daemon/learn/workers.h"
#include "tests/unit/learn_bench.h"

namespace {
std::atomic<uint64_t> allocations{0};
}

// Counted for the whole executable; every other form of operator new ends here. Not inlined: g++
// would see free() beside a new expression and warn.
#define KEEP_APART [[gnu::noinline]]
KEEP_APART void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
KEEP_APART void* operator new(size_t size, std::align_val_t alignment) {
  ++allocations;
  const auto a = static_cast<size_t>(alignment);
  if (void* memory = std::aligned_alloc(a, (size + a - 1) / a * a)) return memory;
  throw std::bad_alloc();
}
KEEP_APART void operator delete(void* memory) noexcept { std::free(memory); }
KEEP_APART void operator delete(void* memory, size_t) noexcept { std::free(memory); }
KEEP_APART void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
KEEP_APART void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace kith {
namespace {

using Bench = LearnBench;

std::shared_ptr<const Dataset> random_data(size_t rows, size_t width, size_t classes) {
  return kith::random_data(rows, width, classes, 1.0f / 255, 0);
}

Compute local_steps(SharedBuffer at, uint64_t first, uint32_t steps) {
  Compute work;
  work.at = std::move(at);
  work.first_batch = first;
  work.steps = steps;
  work.rule.kind = LocalRule::Kind::kLocalSteps;
  return work;
}

TEST(Permutation, IsABijectionForEverySize) {
  for (uint32_t n : {1u, 2u, 3u, 4u, 5u, 7u, 10u, 16u, 17u, 99u, 100u, 101u, 1000u, 60000u}) {
    SCOPED_TRACE(n);
    Rng rng(1, NodeId{0}, Purpose::kTest, n);
    const Permutation permutation(n, rng);
    std::vector<bool> seen(n);
    for (uint32_t i = 0; i < n; ++i) {
      const uint32_t image = permutation(i);
      ASSERT_LT(image, n);
      ASSERT_FALSE(seen[image]);
      seen[image] = true;
    }
  }
}

// Where each of 12 elements lands over 24,000 keys: chi-squared with 121 degrees of freedom (the
// table has fixed row and column sums), mean 121, deviation sqrt(242) = 15.6; six deviations.
TEST(Permutation, SendsEveryElementEverywhereEquallyOften) {
  constexpr int kDraws = 24000;
  std::vector<int> counts(144);
  for (uint64_t draw = 0; draw < kDraws; ++draw) {
    Rng rng(2, NodeId{0}, Purpose::kTest, draw);
    const Permutation permutation(12, rng);
    for (uint32_t i = 0; i < 12; ++i) ++counts[i * 12 + permutation(i)];
  }
  double chi = 0;
  for (const int count : counts) chi += (count - kDraws / 12.0) * (count - kDraws / 12.0);
  EXPECT_LT(chi / (kDraws / 12.0), 121 + 6 * 15.6);
}

// Where two elements land together, over all keys: every ordered pair of places equally often. 132
// cells, 131 degrees of freedom, deviation sqrt(262) = 16.2; six deviations. Two rounds of the
// network fail this by far.
TEST(Permutation, SendsEveryPairEverywhereEquallyOften) {
  constexpr int kDraws = 40000;
  constexpr uint32_t kSize = 12;
  for (uint32_t other = 1; other < kSize; ++other) {
    SCOPED_TRACE(other);
    std::vector<int> counts(kSize * kSize);
    for (uint64_t draw = 0; draw < kDraws; ++draw) {
      Rng rng(3, NodeId{other}, Purpose::kTest, draw);
      const Permutation permutation(kSize, rng);
      ++counts[permutation(0) * kSize + permutation(other)];
    }
    const double expected = kDraws / static_cast<double>(kSize * (kSize - 1));
    double chi = 0;
    for (uint32_t i = 0; i < kSize; ++i) {
      for (uint32_t j = 0; j < kSize; ++j) {
        const double off = counts[i * kSize + j] - (i == j ? 0 : expected);
        chi += off * off / expected;
      }
    }
    EXPECT_LT(chi, 131 + 6 * 16.2);
  }
}

// The rows of the first batches of node `node`, one after the other.
std::vector<uint32_t> stream_of(const Batches& batches, uint64_t count) {
  std::vector<uint32_t> stream;
  for (uint64_t index = 0; index < count; ++index) {
    EXPECT_EQ(batches.first_sample(index), stream.size());
    std::vector<uint32_t> rows(batches.size(index));
    batches.rows(index, rows);
    stream.insert(stream.end(), rows.begin(), rows.end());
  }
  return stream;
}

TEST(Batches, EveryPassHoldsEveryRowOnceInAnotherOrder) {
  Shard shard;
  for (uint32_t row = 0; row < 50; row += 2) shard.push_back(row);
  const Batches batches(random_data(50, 4, 3), shard, {.size = 8}, 25, 3, NodeId{0});
  const std::vector<uint32_t> stream = stream_of(batches, 25);
  ASSERT_EQ(stream.size(), 200u);  // 25 batches of 8 = 8 passes of 25 rows
  std::set<std::vector<uint32_t>> orders;
  for (size_t pass = 0; pass < 8; ++pass) {
    std::vector<uint32_t> rows(stream.begin() + pass * 25, stream.begin() + (pass + 1) * 25);
    orders.insert(rows);
    std::ranges::sort(rows);
    EXPECT_EQ(rows, shard);
  }
  EXPECT_EQ(orders.size(), 8u);
}

TEST(Batches, DependOnSeedNodeAndIndexAlone) {
  const auto data = random_data(100, 4, 3);
  const auto rows_of = [&](uint64_t seed, uint32_t node, uint64_t index) {
    std::vector<uint32_t> rows(10);
    Batches(data, {}, {.size = 10}, 100, seed, NodeId{node}).rows(index, rows);
    return rows;
  };
  const std::vector<uint32_t> reference = rows_of(1, 2, 7);
  EXPECT_EQ(rows_of(1, 2, 7), reference);
  EXPECT_NE(rows_of(2, 2, 7), reference);
  EXPECT_NE(rows_of(1, 3, 7), reference);
  EXPECT_NE(rows_of(1, 2, 17), reference);
}

TEST(BatchSchedule, GrowsByTheFactorAtEachMilestoneRoundedToWholeSamples) {
  const BatchSchedule schedule{.size = 5, .milestones = {0.5, 0.75}, .factor = 1.5};
  EXPECT_EQ(schedule.at(0, 10), 5u);
  EXPECT_EQ(schedule.at(4, 10), 5u);
  EXPECT_EQ(schedule.at(5, 10), 8u);  // 7.5
  EXPECT_EQ(schedule.at(7, 10), 8u);
  EXPECT_EQ(schedule.at(8, 10), 11u);  // from 7.5 on: 11.25, not 12
  EXPECT_EQ(schedule.at(1000, 10), 11u);
  EXPECT_EQ(schedule.before(10, 10, 100), 5u * 5 + 3 * 8 + 2 * 11);
  EXPECT_EQ(schedule.before(12, 10, 100), 5u * 5 + 3 * 8 + 4 * 11);
  EXPECT_EQ(schedule.before(10, 10, 7), 5u * 5 + 5 * 7);  // no more than 7 rows
  EXPECT_EQ((BatchSchedule{.size = 32, .milestones = {}, .factor = 1}).before(1'000'000, 9, 60'000),
            32'000'000u);
}

// Milestones that fall inside a pass, and at last batches of the whole shard: the samples run on
// where the batch before ended (stream_of checks it), and every pass holds every row once.
TEST(Batches, GrowthSkipsNoRowAndDoublesNone) {
  const auto data = random_data(37, 4, 3);
  const BatchSchedule schedule{.size = 4, .milestones = {0.3, 0.5, 0.5, 0.8}, .factor = 1.7};
  const Batches batches(data, {}, schedule, 50, 3, NodeId{1});
  EXPECT_EQ(batches.size(0), 4u);
  EXPECT_EQ(batches.size(49), 33u);
  std::vector<uint32_t> stream = stream_of(batches, 60);
  const Batches fixed(data, {}, {.size = 4}, 50, 3, NodeId{1});
  const std::vector<uint32_t> plain = stream_of(fixed, stream.size() / 4);
  stream.resize(plain.size());
  EXPECT_EQ(stream, plain);  // the same stream, cut at other places
}

// f(x) = 1/2 h (x - b)^2: every number by hand.
TEST(Trainer, GradientAndLocalStepsOnTheQuadratic) {
  Bench bench("quadratic", {{"curvature", 2.0}, {"offset", 1.0}, {"replicas", int64_t{3}}});
  bench.setup.optimizer.learning_rate = 0.25f;
  Trainer trainer(bench.setup);
  Compute gradient;
  gradient.ticket = 9;
  gradient.at = bench.at(3);
  const Computed g = trainer.run(gradient, bench.pool, bench.workspace);
  EXPECT_EQ(g.ticket, 9u);
  EXPECT_EQ(g.result.floats()[2], 4);  // 2 (3 - 1)
  EXPECT_EQ(g.loss, 4);                // (3 - 1)^2
  EXPECT_TRUE(g.finite);
  // x: 3 -> 3 - 0.25 * 4 = 2 -> 2 - 0.25 * 2 = 1.5; losses 4 and 1.
  const Computed x = trainer.run(local_steps(bench.at(3), 0, 2), bench.pool, bench.workspace);
  EXPECT_EQ(x.result.floats()[0], 1.5f);
  EXPECT_EQ(x.loss, 2.5);
}

TEST(Trainer, CorrectionAndPullToTheAnchorJoinTheGradient) {
  Bench bench("quadratic", {{"curvature", 2.0}, {"offset", 1.0}});
  bench.setup.optimizer.learning_rate = 0.25f;
  Trainer trainer(bench.setup);
  Compute work = local_steps(bench.at(3), 0, 1);
  work.rule.correction = bench.at(-2);
  work.rule.mu = 0.5f;
  work.rule.anchor = bench.at(1);
  // g = 4 - 2 + 0.5 (3 - 1) = 3; x = 3 - 0.75.
  EXPECT_EQ(trainer.run(work, bench.pool, bench.workspace).result.floats()[0], 2.25f);
}

TEST(Trainer, MomentumOutlivesTheCallAndRateFollowsTheBatchIndex) {
  OptimizerSpec spec;
  spec.momentum = 0.9f;
  spec.schedule.kind = Schedule::Kind::kCosine;
  Bench bench("quadratic", {{"noise", 1.0}});
  bench.setup.optimizer = spec;
  Trainer together(bench.setup);
  Trainer apart(bench.setup);
  const Computed all = together.run(local_steps(bench.at(1), 0, 6), bench.pool, bench.workspace);
  Computed one;
  one.result = bench.at(1);
  for (uint64_t k = 0; k < 6; ++k) {
    one = apart.run(local_steps(one.result, k, 1), bench.pool, bench.workspace);
  }
  EXPECT_EQ(one.result.floats()[0], all.result.floats()[0]);
}

TEST(Trainer, TellsAResultThatIsNotFinite) {
  Bench bench("quadratic", {{"curvature", 3e38}, {"offset", -3e38}});
  Trainer trainer(bench.setup);
  Compute work;
  work.at = bench.at(1);
  EXPECT_FALSE(trainer.run(work, bench.pool, bench.workspace).finite);
}

TEST(Trainer, StopsEarlyWhenCancelled) {
  Bench bench("mlp", {}, random_data(64, 100, 3));
  Trainer trainer(bench.setup);
  const std::atomic<bool> cancelled = true;
  // A million steps would take minutes.
  trainer.run(local_steps(bench.at(0), 0, 1'000'000), bench.pool, bench.workspace, &cancelled);
}

std::vector<float> copy(const SharedBuffer& x) { return {x.floats().begin(), x.floats().end()}; }

// What a trainer answers that has run `dropped` steps and taken them back, before each of 4 runs,
// must be what one answers that never began them.
void expect_no_trace(Bench& bench, uint32_t dropped) {
  bench.setup.revocable = true;
  Trainer straight(bench.setup);
  Trainer turned(bench.setup);
  SharedBuffer x = bench.at(0.5f);
  for (uint64_t k = 0; k < 4; ++k) {
    turned.run(local_steps(bench.at(7), 100 + 10 * k, dropped), bench.pool, bench.workspace);
    turned.take_back();
    const Compute work = local_steps(x, 3 * k, 3);
    x = straight.run(work, bench.pool, bench.workspace).result;
    ASSERT_EQ(copy(turned.run(work, bench.pool, bench.workspace).result), copy(x));
  }
}

TEST(Trainer, TakenBackWorkLeavesNoTrace) {
  for (const uint32_t dropped : {1u, 2u, 9u}) {
    SCOPED_TRACE(dropped);
    Bench bench("softmax", {}, random_data(40, 6, 3));
    bench.setup.batch.size = 8;
    expect_no_trace(bench, dropped);
    bench.setup.optimizer.momentum = 0.9f;
    expect_no_trace(bench, dropped);
    bench.setup.optimizer = {.kind = OptimizerSpec::Kind::kAdamW, .learning_rate = 0.01f};
    expect_no_trace(bench, dropped);
    bench.setup.svrg_period = 4;
    expect_no_trace(bench, dropped);
  }
}

// A quadratic that asks for the end of its own work in its third gradient.
class Impatient final : public Model {
 public:
  explicit Impatient(const Model& model) : model_(model) {}

  size_t parameters() const override { return model_.parameters(); }
  Layout tensors() const override { return model_.tensors(); }
  void initialise(Rng& rng, std::span<float> x) const override { model_.initialise(rng, x); }
  double gradient(std::span<const float> x, const Batch& batch, std::span<float> g,
                  Workspace& workspace) const override {
    if (++gradients == 3) enough = true;
    return model_.gradient(x, batch, g, workspace);
  }
  Score score(std::span<const float> x, const Batch& batch, Workspace& w) const override {
    return model_.score(x, batch, w);
  }
  bool needs_data() const override { return false; }

  mutable int gradients = 0;
  mutable std::atomic<bool> enough = false;

 private:
  const Model& model_;
};

TEST(Trainer, WorkCancelledHalfWayLeavesNoTrace) {
  Bench bench("quadratic", {{"noise", 1.0}, {"replicas", int64_t{5}}});
  bench.setup.optimizer.momentum = 0.9f;
  bench.setup.revocable = true;
  Trainer straight(bench.setup);
  const Impatient model(*bench.model);
  bench.setup.model = &model;
  Trainer cancelled(bench.setup);
  model.gradients = 100;
  const Compute first = local_steps(bench.at(1), 0, 2);
  straight.run(first, bench.pool, bench.workspace);
  cancelled.run(first, bench.pool, bench.workspace);
  model.gradients = 0;
  cancelled.run(local_steps(bench.at(9), 2, 50), bench.pool, bench.workspace, &model.enough);
  EXPECT_EQ(model.gradients, 3);
  cancelled.take_back();
  const Compute next = local_steps(bench.at(2), 2, 4);
  EXPECT_EQ(copy(cancelled.run(next, bench.pool, bench.workspace).result),
            copy(straight.run(next, bench.pool, bench.workspace).result));
}

TEST(Trainer, SmallShardGivesSmallBatches) {
  Bench bench("softmax", {}, random_data(5, 4, 3));
  Trainer trainer(bench.setup);
  Compute work;
  work.at = bench.at(0);
  const Computed first = trainer.run(work, bench.pool, bench.workspace);
  work.first_batch = 1;
  // Each batch is the whole shard: the same gradient, whatever the order.
  const Computed second = trainer.run(work, bench.pool, bench.workspace);
  for (size_t j = 0; j < bench.model->parameters(); ++j) {
    EXPECT_NEAR(first.result.floats()[j], second.result.floats()[j], 1e-6);
  }
}

// Of `rounds` runs of 3 local steps and of a gradient each, after the first `settled`.
uint64_t allocations_of(Bench& bench, uint64_t settled, uint64_t rounds) {
  Trainer trainer(bench.setup);
  SharedBuffer x = bench.at(0.01f);
  uint64_t before = 0;
  for (uint64_t k = 0; k < rounds; ++k) {
    if (k == settled) before = allocations;
    x = trainer.run(local_steps(x, 4 * k, 3), bench.pool, bench.workspace).result;
    Compute gradient;
    gradient.at = x;
    gradient.first_batch = 4 * k + 3;
    trainer.run(gradient, bench.pool, bench.workspace);
  }
  return allocations - before;
}

TEST(Trainer, AllocatesNothingPerStep) {
  for (const char* kind : {"softmax", "mlp"}) {
    for (const bool revocable : {false, true}) {
      SCOPED_TRACE(testing::Message() << kind << " " << revocable);
      Bench bench(kind, {}, random_data(200, 784, 10));
      bench.setup.revocable = revocable;
      bench.setup.optimizer.momentum = 0.9f;
      EXPECT_EQ(allocations_of(bench, 4, 12), 0u);
      bench.setup.svrg_period = 0;  // a pass of 6.25 batches
      EXPECT_EQ(allocations_of(bench, 4, 12), 0u);
      bench.setup.svrg_period.reset();
      bench.setup.optimizer = {.kind = OptimizerSpec::Kind::kAdamW};
      EXPECT_EQ(allocations_of(bench, 4, 12), 0u);
    }
  }
}

// The batch grows at batch 40 of 100: after round 10 it has its new size.
TEST(Trainer, AllocatesNothingPerStepOnceTheBatchHasGrown) {
  Bench bench("mlp", {}, random_data(200, 784, 10));
  bench.setup.batch = {.size = 16, .milestones = {0.4}, .factor = 3};
  EXPECT_EQ(allocations_of(bench, 11, 25), 0u);
  EXPECT_EQ(allocations_of(bench, 1, 25), 0u);  // the workspace has had the largest
}

TEST(Workers, AnyThreadAndAnyHistoryGiveTheSameBits) {
  Bench bench("mlp", {{"hidden", std::vector<double>{33, 17}}}, random_data(200, 50, 7));
  const SharedBuffer start = bench.at(0.02f);
  const auto train = [&](Workspace& workspace) {
    Trainer trainer(bench.setup);
    return trainer.run(local_steps(start, 0, 20), bench.pool, workspace).result;
  };
  Workspace fresh;
  const SharedBuffer expected = train(fresh);
  Workers workers(3);
  EXPECT_EQ(workers.threads(), 3u);
  std::vector<std::promise<SharedBuffer>> results(24);
  for (auto& result : results) {
    workers.submit([&](Workspace& workspace) { result.set_value(train(workspace)); });
  }
  for (auto& result : results) {
    const SharedBuffer x = result.get_future().get();
    EXPECT_TRUE(std::ranges::equal(x.floats(), expected.floats()));
  }
}

TEST(Workers, RunTasksInOrderOfSubmissionAndDropTheRestAtTheEnd) {
  std::vector<int> order;
  std::promise<void> started, gate;
  std::jthread opener;
  {
    Workers workers(1);
    for (int i = 0; i < 5; ++i) workers.submit([&order, i](Workspace&) { order.push_back(i); });
    workers.submit([&](Workspace&) {
      started.set_value();
      gate.get_future().wait();
      order.push_back(5);
    });
    workers.submit([&](Workspace&) { order.push_back(6); });
    started.get_future().wait();
    opener = std::jthread([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));  // until the end has begun
      gate.set_value();
    });
  }
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5}));
}

}  // namespace
}  // namespace kith
