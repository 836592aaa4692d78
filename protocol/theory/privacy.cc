#include "protocol/theory/privacy.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "topology/assert.h"

namespace kith {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// log(exp(a) + exp(b)).
double log_add(double a, double b) {
  const double high = std::max(a, b);
  const double low = std::min(a, b);
  return low == -kInfinity ? high : high + std::log1p(std::exp(low - high));
}

// log((1 - q) + q exp(t)).
double log_mixture(double q, double t) {
  if (q == 1) return t;
  return log_add(std::log1p(-q), std::log(q) + t);
}

double epsilon_of_order(std::span<const NoisySteps> stretches, double delta, double order) {
  double renyi = 0;
  for (const NoisySteps& each : stretches) {
    if (each.steps == 0) continue;
    renyi += static_cast<double>(each.steps) * renyi_divergence(each.sampling, each.noise, order);
  }
  return renyi + std::log1p(-1 / order) - (std::log(delta) + std::log(order)) / (order - 1);
}

}  // namespace

double renyi_divergence(double sampling, double noise, double order) {
  KITH_ASSERT(sampling > 0 && sampling <= 1 && noise > 0 && order > 1);
  const double variance = noise * noise;
  if (sampling == 1) return order / (2 * variance);
  constexpr double kTail = 14;          // deviations on either side; beyond are less than e^-98
  constexpr double kPerDeviation = 16;  // points
  const double step = noise / kPerDeviation;
  double log_sum = -kInfinity;
  const auto points = static_cast<int64_t>(std::ceil((order + 2 * kTail * noise) / step));
  for (int64_t i = 0; i <= points; ++i) {
    const double z = -kTail * noise + static_cast<double>(i) * step;
    const double term =
        order * log_mixture(sampling, (2 * z - 1) / (2 * variance)) - z * z / (2 * variance);
    log_sum = log_add(log_sum, term);
  }
  constexpr double kLogRootTwoPi = 0.91893853320467274178;
  const double log_expectation = log_sum + std::log(step / noise) - kLogRootTwoPi;
  return std::max(0.0, log_expectation / (order - 1));
}

double privacy_epsilon(std::span<const NoisySteps> stretches, double delta) {
  KITH_ASSERT(delta > 0 && delta < 1);
  bool any = false;
  for (const NoisySteps& each : stretches) {
    if (each.steps > 0 && each.noise == 0) return kInfinity;
    any = any || each.steps > 0;
  }
  if (!any) return 0;
  // Of the logarithm of a - 1.
  const auto epsilon = [&](double log_order) {
    return epsilon_of_order(stretches, delta, 1 + std::exp(log_order));
  };
  constexpr double kLeast = -14;  // a - 1 of about 1e-6, for noise that is next to none
  constexpr double kWide = 1;
  double low = -kWide;
  double high = kWide;
  while (low > kLeast && epsilon(low) <= epsilon(low + kWide)) low -= kWide;
  while (epsilon(high) <= epsilon(high - kWide)) high += kWide;
  constexpr double kGolden = 0.6180339887498949;
  constexpr double kClose = 1e-4;
  double left = high - kGolden * (high - low);
  double right = low + kGolden * (high - low);
  double at_left = epsilon(left);
  double at_right = epsilon(right);
  while (high - low > kClose) {
    if (at_left <= at_right) {
      high = right;
      right = left;
      at_right = at_left;
      left = high - kGolden * (high - low);
      at_left = epsilon(left);
    } else {
      low = left;
      left = right;
      at_left = at_right;
      right = low + kGolden * (high - low);
      at_right = epsilon(right);
    }
  }
  return std::max(0.0, std::min(at_left, at_right));
}

}  // namespace kith
