// The update rules of optimizer.h as loops over the parameters: one pass each, run-time dispatch,
// products and sums rounded apart, exact division and square root: the same bits on every
// instruction set. `y` may be `x`, and a state may be written where it was read.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kith::kernels {

// d = g + weight_decay x; v' = momentum v + d; y = x - rate (nesterov ? d + momentum v' : v').
struct SgdStep {
  const float* x;
  const float* g;
  float* y;
  const float* velocity;  // v; null without momentum, and then y = x - rate d
  float* next_velocity;   // v'
  size_t n;
  float rate;
  float momentum;
  float weight_decay;
  bool nesterov;
};
void sgd_step(const SgdStep& step);

// What becomes of the second moment v; s = g^2.
enum class SecondMoment : uint8_t {
  kMean,  // v' = beta2 v + (1 - beta2) s
  kYogi,  // v' = v - (1 - beta2) s sign(v - s)
  kSum,   // v' = v + s
};

// m' = beta1 m + (1 - beta1) g; y = shrink x - rate m' / (root_scale sqrt(v') + epsilon).
struct AdaptiveStep {
  const float* x;
  const float* g;
  float* y;
  const float* first;  // m
  float* next_first;
  const float* second;  // v >= 0
  float* next_second;
  size_t n;
  float rate;
  float shrink;
  float beta1;
  float rest1;  // 1 - beta1, rounded once from doubles
  float beta2;
  float rest2;
  float root_scale;
  float epsilon;
  SecondMoment rule;
};
void adaptive_step(const AdaptiveStep& step);

}  // namespace kith::kernels
