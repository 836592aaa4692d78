// Exact error of SGD with a constant delay on the scalar problem: every gradient is exactly `delay`
// updates old, as with ASYNC on N workers of one constant computing time (delay N - 1).
//
//   x_{t+1} = x_t - (eta/K) sum of K gradients at x_{t-delay},   x_t = start for t <= 0
//
// ALGORITHMS 4.2 E8 (limit of stability) and E9 (delay 1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "protocol/theory/scalar_quadratic.h"

namespace kith {

class DelayedProcess {
 public:
  DelayedProcess(const ScalarQuadratic& problem, uint32_t delay, uint32_t k = 1);

  void step();  // O(delay)
  ScalarMoments moments() const { return {mean_[newest_], at(newest_, newest_)}; }
  double loss() const { return problem_.loss(at(newest_, newest_)); }

 private:
  double& at(size_t i, size_t j) { return second_[i * mean_.size() + j]; }
  double at(size_t i, size_t j) const { return second_[i * mean_.size() + j]; }

  ScalarQuadratic problem_;
  double k_;
  std::vector<double> mean_;    // of x_t .. x_{t-delay}, in slots that are used in turn
  std::vector<double> second_;  // E x_i x_j of the same slots, row by row
  size_t newest_ = 0;
};

// E x is stable exactly for 0 < c < 2 sin(pi / (2 (2 delay + 1))), and so is the second moment
// without slope noise.
double delayed_pull_limit(uint32_t delay);

// The limit of E x^2, from the Yule-Walker equations of the autocovariances at lags 0 .. delay;
// delay 1: s2 (1 + c) / (c (1 - c) (2 + c)). O(delay^3). Asserts that there is one.
double delayed_variance(const ScalarQuadratic& problem, uint32_t delay, uint32_t k = 1);

}  // namespace kith
