// Private gradients: how much noise there is, whose it is, and that a learner adds it everywhere.
#include <Random123/philox.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "daemon/learn/noise.h"
#include "daemon/learn/privacy.h"
#include "tests/allocations.h"
#include "tests/instruction_sets.h"
#include "tests/unit/learn_bench.h"

namespace kith {
namespace {

constexpr PrivacySpec kPrivacy = {.clip = 0.5, .noise = 1.1};
constexpr uint32_t kBatch = 16;

struct Private : LearnBench {
  explicit Private(std::optional<PrivacySpec> privacy)
      : LearnBench("mlp", {{"hidden", std::vector<double>{40}}},
                   random_data(200, 100, 5, 1.0f / 255, 0)) {
    setup.batch.size = kBatch;
    setup.privacy = privacy;
  }
};

SharedBuffer gradient(LearnBench& b, uint64_t batch) {
  Trainer trainer(b.setup);
  Compute work;
  work.at = b.at(0.01f);
  work.first_batch = batch;
  return trainer.run(work, b.pool, b.workspace).result;
}

std::vector<double> difference(const SharedBuffer& a, const SharedBuffer& b) {
  std::vector<double> d;
  for (size_t j = 0; j < a.floats().size(); ++j) {
    d.push_back(double{a.floats()[j]} - double{b.floats()[j]});
  }
  return d;
}

// Within 4 standard errors of independent N(0, (sigma C / B)^2), over all values of 20 batches.
TEST(Noise, IsAsLargeAsItsMultiplierSays) {
  Private noisy(kPrivacy);
  PrivacySpec silent = kPrivacy;
  silent.noise = 0;
  Private clipped(silent);
  double sum = 0;
  double squares = 0;
  double lag = 0;  // of neighbouring values
  double count = 0;
  for (uint64_t batch = 0; batch < 20; ++batch) {
    const std::vector<double> noise = difference(gradient(noisy, batch), gradient(clipped, batch));
    for (size_t j = 0; j < noise.size(); ++j) {
      sum += noise[j];
      squares += noise[j] * noise[j];
      if (j > 0) lag += noise[j] * noise[j - 1];
      ++count;
    }
  }
  const double variance = std::pow(kPrivacy.noise * kPrivacy.clip / kBatch, 2);
  EXPECT_NEAR(sum / count, 0, 4 * std::sqrt(variance / count));
  EXPECT_NEAR(squares / count, variance, 4 * variance * std::sqrt(2 / count));
  EXPECT_NEAR(lag / count, 0, 4 * variance / std::sqrt(count));
}

// Box-Muller over Philox4x32-10, in doubles, in the order that noise.cc has its values in.
std::vector<double> reference(uint64_t key, uint64_t counter, size_t n) {
  std::vector<double> all;
  for (uint32_t block = 0; all.size() < n; ++block) {
    std::vector<double> values(64);
    for (uint32_t lane = 0; lane < 16; ++lane) {
      const r123::Philox4x32::ctr_type at = {{block * 16 + lane, 0, static_cast<uint32_t>(counter),
                                              static_cast<uint32_t>(counter >> 32)}};
      const r123::Philox4x32::key_type with = {
          {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)}};
      const r123::Philox4x32::ctr_type word = r123::Philox4x32()(at, with);
      for (size_t pair = 0; pair < 2; ++pair) {
        const double radius = std::sqrt(-2 * std::log((word[2 * pair] + 0.5) * 0x1p-32));
        const double angle = static_cast<int32_t>(word[2 * pair + 1]) * std::numbers::pi * 0x1p-31;
        values[32 * pair + lane] = radius * std::cos(angle);
        values[32 * pair + 16 + lane] = radius * std::sin(angle);
      }
    }
    all.insert(all.end(), values.begin(), values.end());
  }
  all.resize(n);
  return all;
}

TEST(Normal, IsBoxMullerOverPhilox) {
  for (const size_t n : {1u, 15u, 16u, 17u, 63u, 64u, 65u, 1000u}) {
    Rng words(9, NodeId{4}, Purpose::kTest, n);
    const uint64_t key = words.next();
    const std::vector<double> expected = reference(key, words.next(), n);
    const uint64_t third = words.next();
    test::for_each_instruction_set([&] {
      std::vector<float> y(n, 1.0f);
      Rng rng(9, NodeId{4}, Purpose::kTest, n);
      add_normal(rng, 2.0f, y);
      for (size_t j = 0; j < n; ++j) ASSERT_NEAR(y[j], 1 + 2 * expected[j], 1e-5) << n << " " << j;
      EXPECT_EQ(rng.next(), third);
    });
  }
}

// The first moments and the tails of 2^21 values, within 4 standard errors.
TEST(Normal, HasTheMomentsAndTheTailsOfTheLaw) {
  std::vector<float> y(1 << 21);
  Rng rng(1, NodeId{0}, Purpose::kTest);
  add_normal(rng, 1.0f, y);
  const auto n = static_cast<double>(y.size());
  double moment[5] = {};
  std::map<double, double> beyond = {{1, 0}, {2, 0}, {3, 0}, {4, 0}};
  for (const float value : y) {
    for (int k = 1; k <= 4; ++k) moment[k] += std::pow(double{value}, k) / n;
    for (auto& [bound, count] : beyond) count += std::abs(value) > bound;
  }
  EXPECT_NEAR(moment[1], 0, 4 / std::sqrt(n));
  EXPECT_NEAR(moment[2], 1, 4 * std::sqrt(2 / n));
  EXPECT_NEAR(moment[3], 0, 4 * std::sqrt(15 / n));
  EXPECT_NEAR(moment[4], 3, 4 * std::sqrt(96 / n));
  for (const auto& [bound, count] : beyond) {
    const double p = std::erfc(bound / std::sqrt(2.0));
    EXPECT_NEAR(count, n * p, 4 * std::sqrt(n * p * (1 - p))) << bound;
  }
}

TEST(Noise, IsAFunctionOfSeedNodeAndBatch) {
  Private a(kPrivacy);
  const SharedBuffer first = gradient(a, 4);
  EXPECT_TRUE(std::ranges::equal(first.bytes(), gradient(a, 4).bytes()));
  Batch batch;
  batch.rows = kBatch;
  const auto noise = [&](uint64_t seed, uint32_t node, uint64_t index) {
    batch.seed = seed;
    batch.node = NodeId{node};
    batch.index = index;
    std::vector<float> g(50);
    add_private_noise(kPrivacy, batch, g);
    return g;
  };
  const std::vector<float> here = noise(3, 1, 7);
  EXPECT_EQ(here, noise(3, 1, 7));
  EXPECT_NE(here, noise(4, 1, 7));
  EXPECT_NE(here, noise(3, 2, 7));
  EXPECT_NE(here, noise(3, 1, 8));
}

TEST(Trainer, WithWideClipsAndNoNoiseItIsTheSame) {
  Private plain(std::nullopt);
  Private wide(PrivacySpec{.clip = 1e20, .noise = 0});
  for (const double each : difference(gradient(plain, 2), gradient(wide, 2))) {
    ASSERT_NEAR(each, 0, 1e-6);
  }
}

// Local steps take noisy gradients, too: the path of plain SGD that never has a gradient at hand is
// not for them.
TEST(Trainer, LocalStepsAreNoisyAndAllocateNothing) {
  Private b(kPrivacy);
  Trainer trainer(b.setup);
  Compute work;
  work.at = b.at(0.01f);
  work.steps = 1;
  work.rule = LocalRule::local_steps();
  const SharedBuffer y = trainer.run(work, b.pool, b.workspace).result;
  const SharedBuffer g = gradient(b, 0);
  const float rate = b.setup.optimizer.learning_rate;
  for (size_t j = 0; j < y.floats().size(); ++j) {
    ASSERT_NEAR(y.floats()[j], 0.01f - rate * g.floats()[j], 1e-7f);
  }
  trainer.run(work, b.pool, b.workspace);
  const size_t before = test::bytes_asked_for;
  trainer.run(work, b.pool, b.workspace);
  EXPECT_EQ(test::bytes_asked_for, before);
}

}  // namespace
}  // namespace kith
