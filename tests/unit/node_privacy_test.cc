// What a job with [privacy] is said to give away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "daemon/job_privacy.h"
#include "protocol/theory/privacy.h"
#include "topology/error.h"

namespace kith {
namespace {

using testing::HasSubstr;

const std::string kJob =
    "[model]\nkind = \"softmax\"\n[data]\nsource = \"fashion-mnist\"\n[train]\nbatch = 250\n"
    "[privacy]\nclip = 1.0\nnoise = 1.3\n[stop]\nepochs = 15\n";

std::string refusal(const std::vector<std::string>& keys) {
  try {
    validate(parse_job(kJob, keys), 4);
  } catch (const OperatorError& error) {
    return error.what();
  }
  return "";
}

double epsilon(double sampling, double noise, uint64_t steps) {
  const NoisySteps stretch{sampling, noise, steps};
  return privacy_epsilon(std::span(&stretch, 1), 1e-5);
}

// TensorFlow Privacy's tutorial "classification_privacy": 60000 rows, batch 250, noise 1.3, 15
// epochs; 0.942 by the law of 2020 (dp-accounting 0.6.0).
TEST(Privacy, OfAJobIsThatOfItsBatches) {
  const PrivacySpent spent = privacy_spent(parse_job(kJob), 3600, 3600, 60000);
  EXPECT_NEAR(spent.epsilon, 0.942, 0.005);
  EXPECT_DOUBLE_EQ(spent.epsilon, epsilon(250.0 / 60000, 1.3, 3600));
  EXPECT_DOUBLE_EQ(spent.proven, epsilon(1, 1.3, 15));  // each row is in 15 sums
  EXPECT_EQ(spent.delta, 1e-5);
}

TEST(Privacy, ARowThatTwoPassesPutIntoOneBatchCountsAsFour) {
  const Job job = parse_job(kJob);
  EXPECT_DOUBLE_EQ(privacy_spent(job, 400, 400, 1000).proven, epsilon(1, 1.3, 100));
  EXPECT_DOUBLE_EQ(privacy_spent(job, 400, 400, 1001).proven, epsilon(1, 1.3, 200));
  EXPECT_DOUBLE_EQ(privacy_spent(job, 5, 5, 1001).proven, epsilon(1, 1.3, 4));
  // A shard smaller than a batch gives all of its rows each time.
  EXPECT_DOUBLE_EQ(privacy_spent(job, 40, 40, 100).proven, epsilon(1, 1.3, 40));
  EXPECT_DOUBLE_EQ(privacy_spent(job, 40, 40, 100).epsilon, epsilon(1, 1.3, 40));
}

TEST(Privacy, BatchesThatGrowAreStretchesOfTheirOwn) {
  const Job job = parse_job(kJob, {"train.batch_milestones=[0.5]", "train.batch_factor=4"});
  const NoisySteps stretches[] = {{0.025, 1.3, 50}, {0.1, 1.3, 50}};
  EXPECT_DOUBLE_EQ(privacy_spent(job, 100, 100, 10000).epsilon, privacy_epsilon(stretches, 1e-5));
  EXPECT_DOUBLE_EQ(privacy_spent(job, 30, 100, 10000).epsilon, epsilon(0.025, 1.3, 30));
}

TEST(Privacy, WithoutNoiseThereIsNone) {
  const Job job = parse_job(kJob, {"privacy.noise=0"});
  const PrivacySpent spent = privacy_spent(job, 100, 100, 10000);
  EXPECT_TRUE(std::isinf(spent.epsilon));
  EXPECT_THAT(privacy_text(job, spent), HasSubstr("without noise"));
}

TEST(Privacy, IsToldBeforeTheStart) {
  const size_t rows[] = {15000, 5000, 20000, 20000};
  const std::vector<std::string> notes = privacy_notes(parse_job(kJob), rows);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_THAT(notes[0], HasSubstr("5000, after 900 batches: epsilon"));
  EXPECT_THAT(notes[0], HasSubstr("training loss"));
  const Job loose = parse_job(kJob, {"privacy.delta=0.01", "privacy.secret=false"});
  const std::vector<std::string> more = privacy_notes(loose, rows);
  ASSERT_EQ(more.size(), 3u);
  EXPECT_THAT(more[1], HasSubstr("privacy.delta"));
  EXPECT_THAT(more[2], HasSubstr("privacy.secret"));
}

TEST(Privacy, WhatItDoesNotGoWithIsRefused) {
  EXPECT_EQ(refusal({}), "");
  EXPECT_THAT(refusal({"privacy.clip=0"}), HasSubstr("privacy.clip = 1.0"));
  EXPECT_THAT(refusal({"train.variance_reduction=svrg"}), HasSubstr("svrg"));
  EXPECT_THAT(refusal({"codec.kind=auto"}), HasSubstr("name a codec"));
  EXPECT_THAT(refusal({"privacy.noise=0.01"}), HasSubstr("hides nothing"));
  EXPECT_THAT(
      refusal({"model.kind=quadratic", "data.source=none", "stop.epochs=0", "stop.rounds=5"}),
      HasSubstr("has no rows"));
  EXPECT_FALSE(parse_job(kJob, {"privacy.clip=0", "privacy.noise=0"}).privacy);
}

}  // namespace
}  // namespace kith
