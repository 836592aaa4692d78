// The law of codecs that round at random: each value becomes one of the two neighbours low <= |x|
// <= high, so that its mean is x. Then, with p = (|x| - low) / (high - low), the squared error has
// mean
// (|x| - low) (high - |x|) and variance p (1 - p) (1 - 2 p)^2 (high - low)^4, and the errors of
// different values are independent.
#pragma once

#include <utility>

#include "tests/unit/codec_round_trip.h"

namespace kith::test {

struct Law {
  double variance = 0;  // E||Q(x) - x||^2
  double spread = 0;    // variance of ||Q(x) - x||^2
  // What floats add, since a value comes to its place between the neighbours by two
  // multiplications:
  double bias = 0;         // to the sum of all means
  double bias_square = 0;  // to the squares of the means
  double inexact = 0;      // to the variance
};

inline void add_value(Law& law, double magnitude, double low, double high) {
  if (high == low) return;
  const double p = (magnitude - low) / (high - low);
  law.variance += (magnitude - low) * (high - magnitude);
  law.spread += p * (1 - p) * std::pow(1 - 2 * p, 2) * std::pow(high - low, 4);
}

// Rounding to multiples of largest / levels in each block.
inline Law law_of_levels(std::span<const float> x, double levels, size_t block) {
  Law law;
  for (size_t first = 0; first < x.size(); first += block) {
    const auto part = x.subspan(first, std::min(block, x.size() - first));
    const double unit = static_cast<double>(largest_of(part)) / levels;
    if (unit == 0) continue;
    for (const float value : part) {
      const double low = std::floor(std::fabs(value) / unit) * unit;
      add_value(law, std::fabs(value), low, low + unit);
    }
    const double rounding = 0x1p-23 * largest_of(part);  // 2^-23 of a value is the most
    law.bias += static_cast<double>(part.size()) * rounding;
    law.bias_square += static_cast<double>(part.size()) * rounding * rounding;
    law.inexact += static_cast<double>(part.size()) * rounding * unit;
    law.spread += static_cast<double>(part.size()) * rounding * std::pow(unit, 3);
  }
  return law;
}

struct Sample {
  std::vector<double> mean;  // of Q(x) - x, per value
  double error = 0;          // mean of ||Q(x) - x||^2
};

inline Sample measure(const Codec& codec, const std::vector<float>& x, size_t trials, Rng& rng) {
  Pool pool;
  const SharedBuffer shared = copy_of(x, pool);
  Sample sample{std::vector<double>(x.size()), 0};
  std::vector<float> y(x.size());
  for (size_t t = 0; t < trials; ++t) {
    SharedBuffer wire;
    EXPECT_TRUE(codec.encode(shared, rng, pool, wire).ok());
    std::fill(y.begin(), y.end(), 0.0f);
    EXPECT_TRUE(codec.decode_add(wire.bytes(), 1.0f, y).ok());
    for (size_t i = 0; i < x.size(); ++i) {
      const double error = static_cast<double>(y[i]) - x[i];
      sample.mean[i] += error / static_cast<double>(trials);
      sample.error += error * error / static_cast<double>(trials);
    }
  }
  return sample;
}

// Subnormal values are left to tests of their own: their neighbours are no floats.
inline const Shape kStatisticalShapes[] = {Shape::kRandom, Shape::kSparse, Shape::kConstant,
                                           Shape::kHeavyTailed, Shape::kZero};

// Within four standard errors (a false alarm in 16000 for each): the mean squared error is the
// law's. For the mean two statements, since among a thousand means some lie beyond four standard
// errors by chance: sums of all values are unbiased, and the means scatter as independent ones do.
inline void expect_law(const Codec& codec, const std::vector<float>& x, const Law& law,
                       uint64_t seed) {
  const std::optional<double> told = codec.expected_error(x);
  ASSERT_TRUE(told);
  EXPECT_NEAR(law.variance, *told, 1e-9 * (law.variance + squared_norm_of(x)));
  constexpr size_t kTrials = 2000;
  Rng rng = test_rng(seed);
  const Sample sample = measure(codec, x, kTrials, rng);
  EXPECT_NEAR(law.variance, sample.error,
              4 * std::sqrt(law.spread / kTrials) + 1e-5 * law.variance + law.inexact);
  double sum = 0;
  double outward = 0;  // a magnitude that is too large on average shows here
  double squares = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    sum += sample.mean[i];
    outward += x[i] < 0 ? -sample.mean[i] : sample.mean[i];
    squares += sample.mean[i] * sample.mean[i];
  }
  const double variance = (law.variance + law.inexact) / kTrials;
  const double rounding = 1e-6 * std::sqrt(squared_norm_of(x));  // of what is decoded
  EXPECT_NEAR(0, sum, 4 * std::sqrt(variance) + rounding + law.bias);
  EXPECT_NEAR(0, outward, 4 * std::sqrt(variance) + rounding + law.bias);
  // Of a sum of squares of independent means: at most as wide as one value carrying it all.
  EXPECT_LE(squares, variance * (1 + 4 * std::sqrt(2.0)) + rounding * rounding + law.bias_square);
}

}  // namespace kith::test
