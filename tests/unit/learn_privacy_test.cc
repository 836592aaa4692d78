// Private gradients: how much noise there is, whose it is, and that a learner adds it everywhere.
#include <gtest/gtest.h>

#include <cmath>

#include "daemon/learn/privacy.h"
#include "protocol/kernels.h"
#include "tests/allocations.h"
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

TEST(Noise, IsAFunctionOfSeedNodeAndBatch) {
  Private a(kPrivacy);
  const SharedBuffer first = gradient(a, 4);
  EXPECT_TRUE(std::ranges::equal(first.bytes(), gradient(a, 4).bytes()));
  Batch batch;
  batch.rows = kBatch;
  Workspace workspace;
  const auto noise = [&](uint64_t seed, uint32_t node, uint64_t index) {
    batch.seed = seed;
    batch.node = NodeId{node};
    batch.index = index;
    std::vector<float> g(50);
    add_private_noise(kPrivacy, batch, g, workspace);
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
