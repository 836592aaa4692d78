// Update rules against numbers worked out by hand; semantics of torch.optim.SGD (dampening 0).
#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <vector>

#include "protocol/optimizer.h"

namespace kith {
namespace {

std::vector<float> step(Optimizer& optimizer, float rate, const std::vector<float>& x,
                        const std::vector<float>& g) {
  std::vector<float> y(x.size());
  optimizer.step(rate, x, g, y);
  return y;
}

TEST(Optimizer, PlainStepIsXMinusRateTimesGradient) {
  Optimizer optimizer(OptimizerSpec{});
  EXPECT_EQ(step(optimizer, 0.5f, {1, 2, -4}, {2, -2, 4}), (std::vector<float>{0, 3, -6}));
  EXPECT_TRUE(optimizer.velocity().empty());
}

TEST(Optimizer, WeightDecayAddsTheParametersToTheGradient) {
  OptimizerSpec spec;
  spec.weight_decay = 0.25f;
  Optimizer optimizer(spec);
  // d = 1 + 0.25 * 4 = 2; y = 4 - 0.5 * 2.
  EXPECT_EQ(step(optimizer, 0.5f, {4}, {1}), std::vector<float>{3});
}

TEST(Optimizer, MomentumAccumulatesGradients) {
  OptimizerSpec spec;
  spec.momentum = 0.5f;
  Optimizer optimizer(spec);
  // v = 2, y = 1 - 2; then v = 0.5 * 2 + 4 = 5, y = -1 - 5.
  EXPECT_EQ(step(optimizer, 1, {1}, {2}), std::vector<float>{-1});
  EXPECT_EQ(step(optimizer, 1, {-1}, {4}), std::vector<float>{-6});
  EXPECT_EQ(optimizer.velocity()[0], 5);
}

TEST(Optimizer, NesterovLooksAhead) {
  OptimizerSpec spec;
  spec.momentum = 0.5f;
  spec.nesterov = true;
  Optimizer optimizer(spec);
  // v = 2, d = 2 + 0.5 * 2 = 3; then v = 0.5 * 2 + 4 = 5, d = 4 + 0.5 * 5 = 6.5.
  EXPECT_EQ(step(optimizer, 1, {1}, {2}), std::vector<float>{-2});
  EXPECT_EQ(step(optimizer, 2, {-2}, {4}), std::vector<float>{-15});
}

TEST(Optimizer, AllTogetherWithDecayInsideTheVelocity) {
  OptimizerSpec spec;
  spec.momentum = 0.5f;
  spec.nesterov = true;
  spec.weight_decay = 0.5f;
  Optimizer optimizer(spec);
  // d = 1 + 0.5 * 2 = 2, v = 2, direction = 2 + 1 = 3, y = 2 - 1 * 3.
  EXPECT_EQ(step(optimizer, 1, {2}, {1}), std::vector<float>{-1});
}

TEST(Optimizer, EveryLengthAndTargetAndInPlaceGivesTheBitsOfTheScalarRule) {
  OptimizerSpec spec;
  spec.momentum = 0.9f;
  spec.weight_decay = 0.01f;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().DeInit();
    for (size_t n = 1; n <= 70; ++n) {
      SCOPED_TRACE(testing::Message() << hwy::TargetName(target) << " " << n);
      Optimizer apart(spec);
      Optimizer in_place(spec);
      std::vector<float> x(n), g(n), y(n), v(n);
      for (size_t i = 0; i < n; ++i) {
        x[i] = 0.1f * static_cast<float>(i) - 1;
        g[i] = 0.3f - 0.07f * static_cast<float>(i);
      }
      std::vector<float> z = x;
      for (int k = 0; k < 3; ++k) {
        std::vector<float> expected(n);
        for (size_t i = 0; i < n; ++i) {
          v[i] = 0.9f * v[i] + (g[i] + 0.01f * x[i]);
          expected[i] = x[i] - 0.1f * v[i];
        }
        apart.step(0.1f, x, g, y);
        in_place.step(0.1f, z, g, z);
        ASSERT_EQ(y, expected);
        ASSERT_EQ(z, expected);
        x = y;
      }
    }
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().DeInit();
}

TEST(Schedule, ConstantWithWarmUpRisesLinearly) {
  Schedule schedule;
  schedule.warm_up_steps = 4;
  EXPECT_DOUBLE_EQ(schedule.at(0, 100), 0.25);
  EXPECT_DOUBLE_EQ(schedule.at(3, 100), 1);
  EXPECT_DOUBLE_EQ(schedule.at(99, 100), 1);
}

TEST(Schedule, StepMultipliesAtEachMilestone) {
  Schedule schedule;
  schedule.kind = Schedule::Kind::kStep;
  schedule.milestones = {0.5, 0.75};
  schedule.factor = 0.5;
  EXPECT_DOUBLE_EQ(schedule.at(49, 100), 1);
  EXPECT_DOUBLE_EQ(schedule.at(50, 100), 0.5);
  EXPECT_DOUBLE_EQ(schedule.at(74, 100), 0.5);
  EXPECT_DOUBLE_EQ(schedule.at(75, 100), 0.25);
}

TEST(Schedule, CosineFallsToTheFloorAtTheLastStep) {
  Schedule schedule;
  schedule.kind = Schedule::Kind::kCosine;
  schedule.floor_fraction = 0.2;
  EXPECT_DOUBLE_EQ(schedule.at(0, 101), 1);
  EXPECT_DOUBLE_EQ(schedule.at(50, 101), 0.6);  // half way between 1 and 0.2
  EXPECT_DOUBLE_EQ(schedule.at(100, 101), 0.2);
  EXPECT_DOUBLE_EQ(schedule.at(500, 101), 0.2);
}

TEST(Schedule, CosineStartsBehindTheWarmUp) {
  Schedule schedule;
  schedule.kind = Schedule::Kind::kCosine;
  schedule.warm_up_steps = 10;
  EXPECT_DOUBLE_EQ(schedule.at(4, 111), 0.5);
  EXPECT_DOUBLE_EQ(schedule.at(10, 111), 1);
  EXPECT_DOUBLE_EQ(schedule.at(60, 111), 0.5);
  EXPECT_NEAR(schedule.at(110, 111), 0, 1e-15);
}

TEST(Schedule, RateIsTheBaseRateTimesTheMultiplier) {
  OptimizerSpec spec;
  spec.learning_rate = 0.5f;
  spec.schedule.warm_up_steps = 2;
  EXPECT_FLOAT_EQ(spec.rate_at(0, 10), 0.25f);
  EXPECT_FLOAT_EQ(spec.rate_at(5, 10), 0.5f);
}

}  // namespace
}  // namespace kith
