// Update rules against numbers worked out by hand (SGD: semantics of torch.optim.SGD, dampening 0),
// by PyTorch and by a transcription of the papers.
#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "protocol/optimizer.h"
#include "tests/instruction_sets.h"

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

// The scalar form of each rule, with the operations of the vector form in their order: what every
// length and instruction set must give bit for bit.
struct Reference {
  OptimizerSpec spec;
  std::vector<float> m, v;
  uint64_t t = 0;

  float second(float v_old, float s) const {
    using Kind = OptimizerSpec::Kind;
    const auto rest = static_cast<float>(1 - spec.beta2);
    if (spec.kind == Kind::kAdagrad) return v_old + s;
    if (spec.kind == Kind::kYogi) {
      return v_old > s ? v_old - rest * s : v_old < s ? v_old + rest * s : v_old;
    }
    return static_cast<float>(spec.beta2) * v_old + rest * s;
  }

  void adaptive(float rate, std::vector<float>& x, const std::vector<float>& g) {
    const bool corrected = spec.kind == OptimizerSpec::Kind::kAdamW;
    double b1 = 1;
    double b2 = 1;
    for (uint64_t k = 0; k <= t; ++k) b1 *= spec.beta1;
    for (uint64_t k = 0; k <= t; ++k) b2 *= spec.beta2;
    const auto scaled = static_cast<float>(corrected ? rate / (1 - b1) : rate);
    const auto root = static_cast<float>(corrected ? 1 / std::sqrt(1 - b2) : 1);
    const auto shrink = static_cast<float>(1 - static_cast<double>(rate) * spec.weight_decay);
    for (size_t i = 0; i < x.size(); ++i) {
      m[i] = static_cast<float>(spec.beta1) * m[i] + static_cast<float>(1 - spec.beta1) * g[i];
      v[i] = second(v[i], g[i] * g[i]);
      const float bottom = root * std::sqrt(v[i]) + static_cast<float>(spec.epsilon);
      x[i] = shrink * x[i] - scaled * (m[i] / bottom);
    }
    ++t;
  }

  void step(float rate, std::vector<float>& x, const std::vector<float>& g) {
    if (m.empty()) {
      m.resize(x.size());
      const bool zero = spec.kind == OptimizerSpec::Kind::kAdamW;
      v.assign(x.size(), zero ? 0 : static_cast<float>(spec.epsilon * spec.epsilon));
    }
    if (spec.kind != OptimizerSpec::Kind::kSgd) return adaptive(rate, x, g);
    for (size_t i = 0; i < x.size(); ++i) {
      m[i] = spec.momentum * m[i] + (g[i] + spec.weight_decay * x[i]);
      x[i] -= rate * m[i];
    }
  }
};

std::vector<OptimizerSpec> every_kind() {
  using Kind = OptimizerSpec::Kind;
  std::vector<OptimizerSpec> specs(5);
  specs[0].momentum = 0.9f;
  specs[0].weight_decay = 0.01f;
  specs[1].kind = Kind::kAdamW;
  specs[1].weight_decay = 0.01f;
  specs[2].kind = Kind::kAdam;
  specs[3].kind = Kind::kYogi;
  specs[4].kind = Kind::kAdagrad;
  return specs;
}

TEST(Optimizer, EveryLengthAndTargetAndInPlaceGivesTheBitsOfTheScalarRule) {
  test::for_each_instruction_set([] {
    for (const OptimizerSpec& spec : every_kind()) {
      for (size_t n = 1; n <= 70; ++n) {
        SCOPED_TRACE(testing::Message() << static_cast<int>(spec.kind) << " " << n);
        Optimizer apart(spec);
        Optimizer in_place(spec);
        Reference reference{.spec = spec, .m = {}, .v = {}};
        std::vector<float> x(n), g(n), y(n);
        for (size_t i = 0; i < n; ++i) x[i] = 0.1f * static_cast<float>(i) - 1;
        std::vector<float> z = x;
        std::vector<float> expected = x;
        for (int k = 0; k < 4; ++k) {
          for (size_t i = 0; i < n; ++i) {
            g[i] = static_cast<float>(k - 1) * (0.3f - 0.07f * static_cast<float>(i));
          }
          reference.step(0.1f, expected, g);
          apart.step(0.1f, x, g, y);
          in_place.step(0.1f, z, g, z);
          ASSERT_EQ(y, expected);
          ASSERT_EQ(z, expected);
          x = y;
        }
      }
    }
  });
}

constexpr size_t kSteps = 5;
const std::vector<float> kStart = {1, -2, 0.5f, 3};
const std::vector<std::vector<float>> kGradients = {{0.5f, -1, 2, 0},
                                                    {0.25f, 1, -2, 1e-3f},
                                                    {-1.5f, 0.125f, 0.75f, 1e-3f},
                                                    {0.5f, -0.5f, 0.25f, 0},
                                                    {2, 0.3f, -0.7f, -1e-3f}};

void expect_near(const std::vector<float>& values, const std::vector<double>& expected) {
  ASSERT_EQ(values.size(), expected.size());
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(values[i], expected[i], 1e-6 * std::abs(expected[i])) << i;
  }
}

// Printed by torch.optim.AdamW of PyTorch 1.13.1 in doubles, with lr 0.1, betas (0.9, 0.999), eps
// 1e-8 and weight_decay 0.01; a transcription of the paper's Algorithm 2 gives the same digits.
TEST(Optimizer, AdamWGivesPyTorchsFiveSteps) {
  const std::vector<std::vector<double>> expected = {
      {0.899000002, -1.898, 0.399500001, 2.997},
      {0.80488304, -1.90136516, 0.404363658, 2.91959037},
      {0.838800508, -1.90914504, 0.391506892, 2.83082557},
      {0.847773618, -1.89538941, 0.375999452, 2.75767571},
      {0.8104343, -1.89435367, 0.375864141, 2.73792893}};
  OptimizerSpec spec;
  spec.kind = OptimizerSpec::Kind::kAdamW;
  spec.weight_decay = 0.01f;
  Optimizer optimizer(spec);
  std::vector<float> x = kStart;
  for (size_t k = 0; k < kSteps; ++k) {
    SCOPED_TRACE(k);
    x = step(optimizer, 0.1f, x, kGradients[k]);
    expect_near(x, expected[k]);
  }
  const std::vector<double> m = {0.17453, 0.002415, -0.00133, 5.39e-05};
  // Sums of terms of about 0.2 that cancel: 3e-8 is an ulp or two of these.
  for (size_t i = 0; i < m.size(); ++i) EXPECT_NEAR(optimizer.velocity()[i], m[i], 3e-8);
  expect_near(
      {optimizer.second_moment().begin(), optimizer.second_moment().end()},
      {0.006806566436437756, 0.002348352760626002, 0.009085849042504009, 2.9950039990000033e-09});
}

// After the same five gradients: Reddi et al. 2021, Algorithm 2, transcribed in doubles (Python),
// with eta 0.1, beta1 0.9, beta2 0.99, tau 2e-3 and v_0 = tau^2.
TEST(Optimizer, FedOptRulesGiveTheirAlgorithmsFifthStep) {
  using Kind = OptimizerSpec::Kind;
  const std::vector<std::pair<Kind, std::vector<double>>> cases = {
      {Kind::kAdam, {0.786483503, -1.9052729, 0.362883426, 2.98703497}},
      {Kind::kYogi, {0.787091262, -1.9053304, 0.363118434, 2.98711209}},
      {Kind::kAdagrad, {0.97799454, -1.9903619, 0.486217755, 2.98836583}}};
  for (const auto& [kind, expected] : cases) {
    SCOPED_TRACE(static_cast<int>(kind));
    OptimizerSpec spec;
    spec.kind = kind;
    spec.beta2 = 0.99;
    spec.epsilon = 2e-3;
    Optimizer optimizer(spec);
    std::vector<float> x = kStart;
    for (const std::vector<float>& g : kGradients) x = step(optimizer, 0.1f, x, g);
    expect_near(x, expected);
  }
}

TEST(Optimizer, YogiStaysWhereTheSquareMeetsTheSecondMoment) {
  OptimizerSpec spec;
  spec.kind = OptimizerSpec::Kind::kYogi;
  spec.epsilon = 0.5;
  Optimizer optimizer(spec);
  step(optimizer, 0.1f, {1, 1, 1}, {0.5f, 0.25f, 1});  // v_0 = 0.25
  EXPECT_EQ(optimizer.second_moment()[0], 0.25f);
  EXPECT_LT(optimizer.second_moment()[1], 0.25f);
  EXPECT_GT(optimizer.second_moment()[2], 0.25f);
}

TEST(Optimizer, TakenBackStepsLeaveNoTrace) {
  for (const OptimizerSpec& spec : every_kind()) {
    for (const size_t before : {0u, 2u}) {
      for (const size_t dropped : {0u, 1u, 3u}) {
        SCOPED_TRACE(testing::Message()
                     << static_cast<int>(spec.kind) << " " << before << " " << dropped);
        Optimizer straight(spec);
        Optimizer turned(spec);
        std::vector<float> x = kStart;
        for (size_t k = 0; k < before; ++k) {
          step(straight, 0.1f, x, kGradients[k]);
          turned.mark();
          x = step(turned, 0.1f, x, kGradients[k]);
        }
        turned.mark();
        for (size_t k = 0; k < dropped; ++k) step(turned, 0.1f, {9, 9, 9, 9}, kGradients[4]);
        turned.take_back();
        turned.take_back();  // once is enough
        for (size_t k = before; k < kSteps; ++k) {
          if (k == before + 1) turned.mark();
          const std::vector<float> expected = step(straight, 0.1f, x, kGradients[k]);
          ASSERT_EQ(step(turned, 0.1f, x, kGradients[k]), expected);
          x = expected;
        }
      }
    }
  }
}

TEST(Optimizer, OnlySgdWithoutMomentumAndDecayIsPlain) {
  EXPECT_TRUE(Optimizer(OptimizerSpec{}).plain());
  for (const OptimizerSpec& spec : every_kind()) EXPECT_FALSE(Optimizer(spec).plain());
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

// A run that is counted anew after `over` of its steps goes on where it was.
TEST(Schedule, TheRestOfARunHasTheRatesThatItWouldHaveHad) {
  constexpr uint64_t kTotal = 200;
  for (const auto kind :
       {Schedule::Kind::kConstant, Schedule::Kind::kStep, Schedule::Kind::kCosine}) {
    const Schedule whole{
        .kind = kind, .warm_up_steps = 20, .milestones = {0.5, 0.75}, .floor_fraction = 0.1};
    for (const uint64_t over : {1, 7, 100, 199}) {
      Schedule rest = whole;
      rest.done = static_cast<double>(over) / kTotal;
      for (uint64_t step = 0; step < kTotal - over; ++step) {
        EXPECT_EQ(rest.at(step, kTotal - over), whole.at(over + step, kTotal)) << over;
      }
      EXPECT_EQ(rest.fraction(0, kTotal - over), rest.done);
      EXPECT_DOUBLE_EQ(rest.fraction(kTotal - over, kTotal - over), 1);
    }
    EXPECT_EQ(whole.fraction(50, kTotal), 0.25);
  }
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
