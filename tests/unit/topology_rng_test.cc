// The generator against Random123's published vector, and its distributions against their moments.
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "topology/rng.h"

namespace kith {
namespace {

// Random123, kat_vectors: philox4x64 10, counter 0, key 0.
TEST(Rng, PhiloxKnownAnswer) {
  Rng rng(0, NodeId{0}, static_cast<Purpose>(0));
  EXPECT_EQ(rng.next(), 0x16554d9eca36314cu);
  EXPECT_EQ(rng.next(), 0xdb20fe9d672d0fdcu);
  EXPECT_EQ(rng.next(), 0xd7e772cee186176bu);
  EXPECT_EQ(rng.next(), 0x7e68b68aec7ba23bu);
}

TEST(Rng, StreamsDifferInEachOfTheirNames) {
  std::set<uint64_t> first;
  for (uint64_t seed = 0; seed < 3; ++seed) {
    for (uint32_t node = 0; node < 3; ++node) {
      for (const Purpose purpose : {Purpose::kBatch, Purpose::kGraph}) {
        for (uint64_t index = 0; index < 3; ++index) {
          first.insert(Rng(seed, NodeId{node}, purpose, index).next());
        }
      }
    }
  }
  EXPECT_EQ(first.size(), 54u);
}

TEST(Rng, BelowIsUniform) {
  constexpr int kDraws = 70000;
  Rng rng(1, NodeId{0}, Purpose::kTest);
  std::vector<int> count(7, 0);
  for (int i = 0; i < kDraws; ++i) ++count[rng.below(7)];
  // Binomial, 5 standard deviations.
  for (const int times : count) EXPECT_NEAR(times, kDraws / 7, 5 * std::sqrt(kDraws * 6 / 49.0));
}

struct Moments {
  double mean = 0;
  double variance = 0;
};

template <typename Draw>
Moments moments(Draw draw, int draws) {
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < draws; ++i) {
    const double value = draw();
    sum += value;
    squares += value * value;
  }
  const double mean = sum / draws;
  return {mean, squares / draws - mean * mean};
}

// Mean within 5 standard errors; variance within 5 of sqrt((kurtosis - 1) / n) variances.
void expect_moments(Moments found, double mean, double variance, double kurtosis, int draws) {
  EXPECT_NEAR(found.mean, mean, 5 * std::sqrt(variance / draws));
  EXPECT_NEAR(found.variance, variance, 5 * variance * std::sqrt((kurtosis - 1) / draws));
}

TEST(Rng, DistributionsHaveTheirMoments) {
  constexpr int kDraws = 200000;
  Rng rng(2, NodeId{0}, Purpose::kTest);
  expect_moments(moments([&] { return rng.uniform(); }, kDraws), 0.5, 1.0 / 12, 1.8, kDraws);
  expect_moments(moments([&] { return rng.normal(); }, kDraws), 0, 1, 3, kDraws);
  expect_moments(moments([&] { return rng.exponential(); }, kDraws), 1, 1, 9, kDraws);
  for (const double shape : {0.3, 1.0, 4.5}) {
    expect_moments(moments([&] { return rng.gamma(shape); }, kDraws), shape, shape, 3 + 6 / shape,
                   kDraws);
  }
  std::vector<float> filled(kDraws + 1);
  rng.fill_normal(filled);
  size_t next = 0;
  expect_moments(moments([&] { return static_cast<double>(filled[next++]); }, kDraws + 1), 0, 1, 3,
                 kDraws);
}

}  // namespace
}  // namespace kith
