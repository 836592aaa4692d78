#include "protocol/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "topology/assert.h"

#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "protocol/optimizer.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace kith::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// One pass over the parameters, products and sums rounded apart: the same bits on every instruction
// set. `velocity` is null without momentum.
struct StepArguments {
  const float* x;
  const float* g;
  float* y;
  float* velocity;
  size_t n;
  float rate;
  float momentum;
  float weight_decay;
};

template <class Tag, bool kDecay, bool kMomentum, bool kNesterov>
HWY_INLINE void step_at(Tag tag, const StepArguments& s, size_t i) {
  const auto x = hn::LoadU(tag, s.x + i);
  auto direction = hn::LoadU(tag, s.g + i);
  if (kDecay) direction = hn::Add(direction, hn::Mul(hn::Set(tag, s.weight_decay), x));
  if (kMomentum) {
    const auto momentum = hn::Set(tag, s.momentum);
    const auto v = hn::Add(hn::Mul(momentum, hn::LoadU(tag, s.velocity + i)), direction);
    hn::StoreU(v, tag, s.velocity + i);
    direction = kNesterov ? hn::Add(direction, hn::Mul(momentum, v)) : v;
  }
  hn::StoreU(hn::Sub(x, hn::Mul(hn::Set(tag, s.rate), direction)), tag, s.y + i);
}

template <bool kDecay, bool kMomentum, bool kNesterov>
void step_all(const StepArguments& s) {
  const hn::ScalableTag<float> tag;
  const hn::CappedTag<float, 1> one;
  size_t i = 0;
  for (; i + hn::MaxLanes(tag) <= s.n; i += hn::MaxLanes(tag)) {
    step_at<decltype(tag), kDecay, kMomentum, kNesterov>(tag, s, i);
  }
  for (; i < s.n; ++i) step_at<decltype(one), kDecay, kMomentum, kNesterov>(one, s, i);
}

void Step(const float* x, const float* g, float* y, float* velocity, size_t n, float rate,
          const OptimizerSpec& spec) {
  const StepArguments s = {x, g, y, velocity, n, rate, spec.momentum, spec.weight_decay};
  const bool decay = s.weight_decay != 0;
  if (s.velocity == nullptr) {
    decay ? step_all<true, false, false>(s) : step_all<false, false, false>(s);
  } else if (spec.nesterov) {
    decay ? step_all<true, true, true>(s) : step_all<false, true, true>(s);
  } else {
    decay ? step_all<true, true, false>(s) : step_all<false, true, false>(s);
  }
}

}  // namespace kith::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith {

HWY_EXPORT(Step);

double Schedule::at(uint64_t step, uint64_t total_steps) const {
  if (step < warm_up_steps) {
    return static_cast<double>(step + 1) / static_cast<double>(warm_up_steps);
  }
  switch (kind) {
    case Kind::kConstant: return 1;
    case Kind::kStep: {
      const auto passed = std::ranges::count_if(milestones, [&](double fraction) {
        return static_cast<double>(step) >= fraction * static_cast<double>(total_steps);
      });
      return std::pow(factor, static_cast<double>(passed));
    }
    case Kind::kCosine: {
      // From the end of the warm-up to the last step.
      const double length =
          static_cast<double>(total_steps) - 1 - static_cast<double>(warm_up_steps);
      if (length <= 0) return 1;
      const double done = std::min(1.0, static_cast<double>(step - warm_up_steps) / length);
      return floor_fraction + (1 - floor_fraction) * 0.5 * (1 + std::cos(std::numbers::pi * done));
    }
  }
  KITH_ASSERT(false && "schedule without a rule");
  return 1;
}

float OptimizerSpec::rate_at(uint64_t step, uint64_t total_steps) const {
  return static_cast<float>(learning_rate * schedule.at(step, total_steps));
}

void Optimizer::step(float rate, std::span<const float> x, std::span<const float> g,
                     std::span<float> y) {
  KITH_ASSERT(x.size() == g.size() && x.size() == y.size());
  if (spec_.momentum != 0 && velocity_.empty()) velocity_.resize(x.size());
  KITH_ASSERT(velocity_.empty() || velocity_.size() == x.size());
  HWY_DYNAMIC_DISPATCH(Step)
  (x.data(), g.data(), y.data(), velocity_.empty() ? nullptr : velocity_.data(), x.size(), rate,
   spec_);
}

}  // namespace kith
#endif  // HWY_ONCE
