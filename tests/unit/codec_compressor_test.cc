// Error feedback (Seide et al. 2014; Stich, Cordonnier, Jaggi 2018): what was sent plus what is
// remembered equals what was given.
#include <gtest/gtest.h>

#include "protocol/compressor.h"
#include "protocol/warm_up.h"
#include "tests/codec_specs.h"
#include "tests/vectors.h"

namespace kith {
namespace {

// e_t as the recursion of compressor.h gives it, in doubles, from what was sent.
TEST(Compressor, SumSentAndMemoryAreTheSumGiven) {
  for (const std::string& spec : test::every_codec()) {
    for (const size_t n : {size_t{9}, size_t{1000}}) {
      SCOPED_TRACE(spec + " n " + std::to_string(n));
      Pool pool;
      const auto codec = make_codec(spec);
      Compressor stream(*codec, kErrorFeedback);
      Rng rng = test::test_rng(n);
      std::vector<double> given(n), scale(n);
      std::vector<float> sent(n);
      for (uint64_t step = 0; step < 50; ++step) {
        const std::vector<float> x = test::make_vector(test::Shape::kRandom, n, step);
        SharedBuffer wire;
        ASSERT_TRUE(stream.encode(copy_of(x, pool), 1.0f, rng, pool, wire).ok());
        ASSERT_TRUE(codec->decode_add(wire.bytes(), 1.0f, sent).ok());
        for (size_t i = 0; i < n; ++i) {
          given[i] += x[i];
          scale[i] += std::fabs(x[i]) + std::fabs(sent[i]);
        }
      }
      EXPECT_EQ(codec->lossless(), !stream.memory());
      for (size_t i = 0; i < n; ++i) {
        const double rest = stream.memory() ? stream.memory().floats()[i] : 0.0f;
        ASSERT_NEAR(given[i], sent[i] + rest, 0x1p-22 * scale[i]) << i;
      }
    }
  }
}

// Error feedback diverges on an unbiased codec of variance above 1 unless it is made a contraction
// (Beznosikov et al. 2020): with 1 / delta = 1 + w, or n / k of the sparsifier times that of its
// values, |e|^2 stays below 4 / delta^2 max |x|^2.
TEST(Compressor, MemoryStaysBoundedForTheCoarsestCodecs) {
  constexpr size_t kSize = 4096;
  const double coarsest = 1 + std::sqrt(512.0);  // of qsgd:1
  const double eden = make_codec("eden:1")->variance_bound(kSize);
  const std::pair<const char*, double> cases[] = {{"qsgd:1:512", coarsest},
                                                  {"qsgd:2:4096", 1 + std::sqrt(4096.0) / 2},
                                                  {"top-k:1", kSize},
                                                  {"rand-k:16", kSize / 16},
                                                  {"rand-k:512 | qsgd:1", 8 * coarsest},
                                                  {"top-k:512 | qsgd:1", 8 * coarsest},
                                                  {"drive", std::numbers::pi / 2},
                                                  {"eden:1", 1 + eden}};
  for (const auto& [spec, inverse] : cases) {
    Pool pool;
    Rng rng = test::test_rng(3);
    const auto codec = make_codec(spec);
    if (codec->variance_bound(kSize) > 0 && std::string(spec).find("top-k") != 0) {
      EXPECT_NEAR(inverse, 1 + codec->variance_bound(kSize), 1e-9 * inverse) << spec;
    }
    Compressor stream(*codec, kErrorFeedback);
    SharedBuffer wire;
    const SharedBuffer x = copy_of(std::vector<float>(kSize, 1.0f), pool);
    for (int step = 0; step < 3000; ++step) {
      ASSERT_TRUE(stream.encode(x, 1, rng, pool, wire).ok()) << spec;
    }
    double squares = 0;
    for (const float e : stream.memory().floats()) squares += static_cast<double>(e) * e;
    EXPECT_LT(squares, 4 * inverse * inverse * kSize) << spec;
  }
}

TEST(Compressor, MemoryIsRescaledBeforeItIsAdded) {
  Pool pool;
  Rng rng = test::test_rng(1);
  const auto codec = make_codec("top-k:1");
  Compressor stream(*codec, kErrorFeedback);
  SharedBuffer wire;
  ASSERT_TRUE(stream.encode(copy_of(std::vector<float>{4, 3, 1}, pool), 1, rng, pool, wire).ok());
  const auto e = stream.memory().floats();
  EXPECT_EQ((std::vector<float>{0, 3, 1}), std::vector<float>(e.begin(), e.end()));
  ASSERT_TRUE(
      stream.encode(copy_of(std::vector<float>{5, 0, 0}, pool), 0.5f, rng, pool, wire).ok());
  const auto halved = stream.memory().floats();  // u = (5, 1.5, 0.5); 5 was sent
  EXPECT_EQ((std::vector<float>{0, 1.5f, 0.5f}), std::vector<float>(halved.begin(), halved.end()));
}

// e+ = s e + (1 - returning) (x - decode(q)), in numbers that floats hold exactly.
TEST(Compressor, RemembersOnlyWhatDoesNotComeBackByItself) {
  Pool pool;
  Rng rng = test::test_rng(1);
  const auto codec = make_codec("top-k:1");
  Compressor stream(*codec, kErrorFeedback, 0.25f);
  SharedBuffer wire;
  ASSERT_TRUE(stream.encode(copy_of(std::vector<float>{8, 4, 0}, pool), 1, rng, pool, wire).ok());
  const auto e = stream.memory().floats();
  EXPECT_EQ((std::vector<float>{0, 3, 0}), std::vector<float>(e.begin(), e.end()));
  // u = (2, 1.5 + 1, 0): 2.5 is sent of x = (2, 1, 0).
  ASSERT_TRUE(
      stream.encode(copy_of(std::vector<float>{2, 1, 0}, pool), 0.5f, rng, pool, wire).ok());
  const auto next = stream.memory().floats();
  EXPECT_EQ((std::vector<float>{1.5f, 1.5f - 0.75f * 1.5f, 0}),
            std::vector<float>(next.begin(), next.end()));
}

TEST(Compressor, ALosslessCodecRemembersNothingAndCopiesNothing) {
  Pool pool;
  Rng rng = test::test_rng(1);
  const auto codec = make_codec("identity");
  Compressor stream(*codec, kErrorFeedback);
  const SharedBuffer x = copy_of(std::vector<float>{1, 2}, pool);
  SharedBuffer wire;
  ASSERT_TRUE(stream.encode(x, 1, rng, pool, wire).ok());
  EXPECT_TRUE(wire.same_block(x));
  EXPECT_FALSE(stream.memory());
}

TEST(Compressor, WithoutErrorFeedbackItIsTheCodec) {
  Pool pool;
  Rng rng = test::test_rng(1);
  const auto codec = make_codec("top-k:1");
  Compressor stream(*codec, {});
  SharedBuffer wire;
  ASSERT_TRUE(stream.encode(copy_of(std::vector<float>{4, 3}, pool), 1, rng, pool, wire).ok());
  EXPECT_FALSE(stream.memory());
}

TEST(Compressor, ARefusedVectorLeavesTheMemoryAsItWas) {
  Pool pool;
  Rng rng = test::test_rng(1);
  const auto codec = make_codec("top-k:1");
  Compressor stream(*codec, kErrorFeedback);
  SharedBuffer wire;
  ASSERT_TRUE(stream.encode(copy_of(std::vector<float>{4, 3}, pool), 1, rng, pool, wire).ok());
  const SharedBuffer before = stream.memory();
  EXPECT_EQ(Reason::kNotFinite,
            stream.encode(copy_of(std::vector<float>{NAN, 1}, pool), 1, rng, pool, wire).reason());
  EXPECT_TRUE(stream.memory().same_block(before));
}

TEST(Compressor, KeepsOneVector) {
  Pool pool;
  Rng rng = test::test_rng(1);
  const auto codec = make_codec("top-k:0.01");
  Compressor stream(*codec, kErrorFeedback);
  for (uint64_t step = 0; step < 5; ++step) {
    SharedBuffer wire;
    const SharedBuffer x = copy_of(test::make_vector(test::Shape::kRandom, 65536, step), pool);
    ASSERT_TRUE(stream.encode(x, 1, rng, pool, wire).ok());
  }
  EXPECT_EQ(65536 * sizeof(float), pool.live_bytes());
}

// ALGORITHMS 2C: what the receiver adds up is the sender's h, for every codec.
TEST(Ef21, WhatWasSentAddsUpToTheEstimate) {
  for (const std::string& spec : test::every_codec()) {
    for (const float momentum : {0.0f, 0.9f}) {
      SCOPED_TRACE(spec);
      constexpr size_t kSize = 1000;
      Pool pool;
      const auto codec = make_codec(spec);
      Compressor stream(*codec, {.kind = MemoryKind::kEf21, .momentum = momentum});
      Rng rng = test::test_rng(4);
      std::vector<float> received(kSize);
      for (uint64_t step = 0; step < 30; ++step) {
        SharedBuffer wire;
        const auto x = test::make_vector(test::Shape::kRandom, kSize, step);
        ASSERT_TRUE(stream.encode(copy_of(x, pool), 1, rng, pool, wire).ok());
        ASSERT_TRUE(codec->decode_add(wire.bytes(), 1.0f, received).ok());
        if (codec->lossless()) break;
        ASSERT_TRUE(std::ranges::equal(received, stream.memory().floats()));
      }
    }
  }
}

// A gradient that stays the same is known in the end: |h - x|^2 falls by delta, at least, each
// time.
TEST(Ef21, TheEstimateOfAConstantConverges) {
  constexpr size_t kSize = 1000;
  for (const char* spec : {"top-k:0.1", "sign", "top-k:0.2 | int8", "powersgd:2", "rand-k:0.1"}) {
    SCOPED_TRACE(spec);
    Pool pool;
    const auto codec = make_codec(spec);
    Compressor stream(*codec, {.kind = MemoryKind::kEf21});
    Rng rng = test::test_rng(5);
    const auto x = test::make_vector(test::Shape::kRandom, kSize, 1);
    SharedBuffer wire;
    for (int step = 0; step < 300; ++step) {
      ASSERT_TRUE(stream.encode(copy_of(x, pool), 1, rng, pool, wire).ok());
    }
    double error = 0;
    for (size_t i = 0; i < kSize; ++i) error += std::pow(stream.memory().floats()[i] - x[i], 2);
    EXPECT_LT(error, 1e-4 * test::squared_norm_of(x));
  }
}

// ALGORITHMS 2C, by hand: momentum of what was not sent, and its sum; what was sent is forgotten.
TEST(Dgc, MomentumIsSummedUpUntilItIsSent) {
  constexpr float m = 0.5f;
  Pool pool;
  const auto codec = make_codec("top-k:1");
  Compressor stream(*codec, {.kind = MemoryKind::kDgc, .momentum = m});
  Rng rng = test::test_rng(6);
  const std::vector<float> x = {4, 1};
  SharedBuffer wire;
  // u1 = 1, 1.5, 1.75; v1 = 1, 2.5, 4.25: then it is the largest.
  const std::vector<std::vector<float>> sent = {{4, 0}, {4, 0}, {0, 4.25f}, {8, 0}};
  for (const std::vector<float>& expected : sent) {
    ASSERT_TRUE(stream.encode(copy_of(x, pool), 1, rng, pool, wire).ok());
    std::vector<float> y(2);
    ASSERT_TRUE(codec->decode_add(wire.bytes(), 1, y).ok());
    if (expected[0] == 8) {
      // u0 = 4 of the third call and 4 + 2 of now; v0 their sum.
      EXPECT_EQ((std::vector<float>{4 + 6, 0}), y);
    } else {
      EXPECT_EQ(expected, y);
    }
  }
  EXPECT_EQ(0, stream.momentum().floats()[0]);
  EXPECT_EQ(1, stream.momentum().floats()[1]);
}

// Without momentum and clipping it is error feedback, bit for bit.
TEST(Dgc, WithoutMomentumItIsErrorFeedback) {
  for (const char* spec : {"top-k:0.1", "threshold:0.5", "rand-k:0.2", "top-k:0.1 | qsgd:15"}) {
    Pool pool;
    const auto codec = make_codec(spec);
    Compressor dgc(*codec, {.kind = MemoryKind::kDgc});
    Compressor feedback(*codec, kErrorFeedback);
    Rng one = test::test_rng(7);
    Rng other = test::test_rng(7);
    for (uint64_t step = 0; step < 20; ++step) {
      const auto x = test::make_vector(test::Shape::kRandom, 300, step);
      SharedBuffer a, b;
      ASSERT_TRUE(dgc.encode(copy_of(x, pool), 0.5f, one, pool, a).ok());
      ASSERT_TRUE(feedback.encode(copy_of(x, pool), 0.5f, other, pool, b).ok());
      ASSERT_TRUE(std::ranges::equal(a.bytes(), b.bytes())) << spec << " step " << step;
    }
  }
}

TEST(Dgc, ClipsTheLengthOfAGradient) {
  Pool pool;
  const auto codec = make_codec("top-k:1.0");
  Compressor stream(*codec, {.kind = MemoryKind::kDgc, .clip = 1});
  Rng rng = test::test_rng(8);
  for (const float length : {0.5f, 5.0f}) {
    SharedBuffer wire;
    const std::vector<float> x = {0.6f * length, -0.8f * length};
    ASSERT_TRUE(stream.encode(copy_of(x, pool), 1, rng, pool, wire).ok());
    std::vector<float> y(2);
    ASSERT_TRUE(codec->decode_add(wire.bytes(), 1, y).ok());
    EXPECT_NEAR(y[0], 0.6 * std::min(length, 1.0f), 1e-6);
    EXPECT_NEAR(y[1], -0.8 * std::min(length, 1.0f), 1e-6);
  }
}

TEST(WarmUp, SendsLessAndLess) {
  const WarmUp warm_up("top-k:0.01 | int8", 9);
  std::vector<std::string> seen;
  for (Round round = 0; round < 9; ++round) seen.push_back(warm_up.at(round)->describe());
  EXPECT_EQ("top-k:0.25 | int8:2048", seen[0]);
  EXPECT_EQ("top-k:0.25 | int8:2048", seen[2]);
  EXPECT_EQ("top-k:0.0625 | int8:2048", seen[3]);
  EXPECT_EQ("top-k:0.015625 | int8:2048", seen[8]);
  EXPECT_EQ(nullptr, warm_up.at(9));
  EXPECT_EQ(nullptr, WarmUp("top-k:0.5", 9).at(0));  // sends more than a quarter already
  EXPECT_THROW(WarmUp("top-k:1000", 9), OperatorError);
  EXPECT_THROW(WarmUp("sign", 9), OperatorError);
}

}  // namespace
}  // namespace kith
