#include "protocol/theory/delayed_laboratory.h"

#include <Eigen/Dense>
#include <cmath>
#include <numbers>

#include "topology/assert.h"

namespace kith {

DelayedProcess::DelayedProcess(const ScalarQuadratic& problem, uint32_t delay, uint32_t k)
    : problem_(problem),
      k_(k),
      mean_(size_t{delay} + 1, problem.start),
      second_(mean_.size() * mean_.size(), problem.start * problem.start) {
  KITH_ASSERT(k >= 1);
}

void DelayedProcess::step() {
  const double c = problem_.pull();
  const size_t oldest = (newest_ + 1) % mean_.size();
  const double now = at(newest_, newest_);
  const double product = at(newest_, oldest);
  const double stale = at(oldest, oldest);
  for (size_t j = 0; j < mean_.size(); ++j) {
    if (j == oldest) continue;
    at(oldest, j) = at(newest_, j) - c * at(oldest, j);
    at(j, oldest) = at(oldest, j);
  }
  at(oldest, oldest) = now - 2 * c * product + c * c * stale +
                       (problem_.noise() + problem_.slope_gain() * stale) / k_;
  mean_[oldest] = mean_[newest_] - c * mean_[oldest];
  newest_ = oldest;
}

double delayed_pull_limit(uint32_t delay) {
  return 2 * std::sin(std::numbers::pi / (2 * (2.0 * delay + 1)));
}

double delayed_variance(const ScalarQuadratic& problem, uint32_t delay, uint32_t k) {
  const double c = problem.pull();
  KITH_ASSERT(k >= 1 && c > 0 && c < delayed_pull_limit(delay));
  // r_l = r_{l-1} - c r_{delay+1-l} for l = 1 .. delay;  2 c r_delay - c^2 r_0 = added noise.
  const Eigen::Index size = Eigen::Index{delay} + 1;
  Eigen::MatrixXd lags = Eigen::MatrixXd::Zero(size, size);
  lags(0, size - 1) = 2 * c;
  lags(0, 0) -= c * c;
  for (Eigen::Index l = 1; l < size; ++l) {
    lags(l, l) += 1;
    lags(l, l - 1) -= 1;
    lags(l, size - l) += c;
  }
  const double unit = lags.partialPivLu().solve(Eigen::VectorXd::Unit(size, 0))[0];
  const double left = k - unit * problem.slope_gain();  // the slope noise is part of what is added
  KITH_ASSERT(left > 0);
  return unit * problem.noise() / left;
}

}  // namespace kith
