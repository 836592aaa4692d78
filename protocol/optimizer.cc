#include "protocol/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "protocol/archive.h"
#include "protocol/optimizer_kernels.h"
#include "topology/assert.h"

namespace kith {

namespace {

// By squaring: products alone, so the same bits wherever it runs.
double power(double base, uint64_t exponent) {
  double result = 1;
  for (; exponent > 0; exponent /= 2, base *= base) {
    if (exponent % 2 == 1) result *= base;
  }
  return result;
}

// Of Schedule::done: so that what is left of a run is some part of it.
constexpr double kMostDone = 1 - 1e-12;

kernels::SecondMoment second_moment_of(OptimizerSpec::Kind kind) {
  using Kind = OptimizerSpec::Kind;
  if (kind == Kind::kYogi) return kernels::SecondMoment::kYogi;
  return kind == Kind::kAdagrad ? kernels::SecondMoment::kSum : kernels::SecondMoment::kMean;
}

}  // namespace

double Schedule::fraction(uint64_t step, uint64_t total_steps) const {
  const double of_rest =
      static_cast<double>(step) / static_cast<double>(std::max<uint64_t>(1, total_steps));
  return done + (1 - done) * of_rest;
}

double Schedule::at(uint64_t step, uint64_t total_steps) const {
  if (done > 0) {
    Schedule whole = *this;
    whole.done = 0;
    const auto all = static_cast<uint64_t>(
        std::llround(static_cast<double>(total_steps) / (1 - std::min(done, kMostDone))));
    return whole.at(step + all - total_steps, all);
  }
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

Optimizer::Optimizer(const OptimizerSpec& spec) : spec_(spec) {
  using Kind = OptimizerSpec::Kind;
  KITH_ASSERT(spec.kind == Kind::kSgd || (spec.momentum == 0 && !spec.nesterov));
  KITH_ASSERT(spec.kind == Kind::kSgd || spec.kind == Kind::kAdamW || spec.weight_decay == 0);
}

void Optimizer::mark() {
  apart_ = true;
  moved_ = false;
}

void Optimizer::take_back() {
  if (moved_) std::swap(state_, marked_);
  apart_ = false;
  moved_ = false;
}

void Optimizer::reset() {
  KITH_ASSERT(!apart_);
  state_.first.clear();
  state_.second.clear();
  state_.steps = 0;
}

void Optimizer::persist(Archive& archive) {
  archive.vector("first", state_.first);
  archive.vector("second", state_.second);
  archive.number("steps", state_.steps);
}

// Where a step writes the state that follows state_.
Optimizer::State& Optimizer::next_state(size_t n) {
  const bool adaptive = spec_.kind != OptimizerSpec::Kind::kSgd;
  if (state_.first.empty()) {
    const bool from_zero = spec_.kind == OptimizerSpec::Kind::kAdamW;
    state_.first.resize(n);
    if (adaptive) {
      const double start = from_zero ? 0 : spec_.epsilon * spec_.epsilon;
      state_.second.assign(n, static_cast<float>(start));
    }
  }
  KITH_ASSERT(state_.first.size() == n);
  if (!apart_) return state_;
  marked_.first.resize(n);
  if (adaptive) marked_.second.resize(n);
  return marked_;
}

void Optimizer::step(float rate, std::span<const float> x, std::span<const float> g,
                     std::span<float> y) {
  KITH_ASSERT(x.size() == g.size() && x.size() == y.size());
  const bool sgd = spec_.kind == OptimizerSpec::Kind::kSgd;
  const bool stateless = sgd && spec_.momentum == 0;
  State& next = stateless ? state_ : next_state(x.size());
  if (sgd) {
    kernels::sgd_step({.x = x.data(),
                       .g = g.data(),
                       .y = y.data(),
                       .velocity = stateless ? nullptr : state_.first.data(),
                       .next_velocity = stateless ? nullptr : next.first.data(),
                       .n = x.size(),
                       .rate = rate,
                       .momentum = spec_.momentum,
                       .weight_decay = spec_.weight_decay,
                       .nesterov = spec_.nesterov});
  } else {
    adaptive_step(rate, x, g, y, next);
  }
  if (stateless) return;
  next.steps = state_.steps + 1;
  if (!apart_) return;
  std::swap(state_, marked_);
  apart_ = false;
  moved_ = true;
}

void Optimizer::adaptive_step(float rate, std::span<const float> x, std::span<const float> g,
                              std::span<float> y, State& next) const {
  const bool corrected = spec_.kind == OptimizerSpec::Kind::kAdamW;
  const uint64_t t = state_.steps + 1;
  const double bias1 = corrected ? 1 - power(spec_.beta1, t) : 1;
  const double bias2 = corrected ? 1 - power(spec_.beta2, t) : 1;
  const double decay = static_cast<double>(rate) * static_cast<double>(spec_.weight_decay);
  kernels::adaptive_step({.x = x.data(),
                          .g = g.data(),
                          .y = y.data(),
                          .first = state_.first.data(),
                          .next_first = next.first.data(),
                          .second = state_.second.data(),
                          .next_second = next.second.data(),
                          .n = x.size(),
                          .rate = static_cast<float>(rate / bias1),
                          .shrink = static_cast<float>(1 - decay),
                          .beta1 = static_cast<float>(spec_.beta1),
                          .rest1 = static_cast<float>(1 - spec_.beta1),
                          .beta2 = static_cast<float>(spec_.beta2),
                          .rest2 = static_cast<float>(1 - spec_.beta2),
                          .root_scale = static_cast<float>(1 / std::sqrt(bias2)),
                          .epsilon = static_cast<float>(spec_.epsilon),
                          .rule = second_moment_of(spec_.kind)});
}

}  // namespace kith
