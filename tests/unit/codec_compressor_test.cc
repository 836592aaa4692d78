// Error feedback (Seide et al. 2014; Stich, Cordonnier, Jaggi 2018): what was sent plus what is
// remembered equals what was given.
#include <gtest/gtest.h>

#include "protocol/compressor.h"
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
      Compressor stream(*codec, true);
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
    Compressor stream(*codec, true);
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
  Compressor stream(*codec, true);
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
  Compressor stream(*codec, true, 0.25f);
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
  Compressor stream(*codec, true);
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
  Compressor stream(*codec, false);
  SharedBuffer wire;
  ASSERT_TRUE(stream.encode(copy_of(std::vector<float>{4, 3}, pool), 1, rng, pool, wire).ok());
  EXPECT_FALSE(stream.memory());
}

TEST(Compressor, ARefusedVectorLeavesTheMemoryAsItWas) {
  Pool pool;
  Rng rng = test::test_rng(1);
  const auto codec = make_codec("top-k:1");
  Compressor stream(*codec, true);
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
  Compressor stream(*codec, true);
  for (uint64_t step = 0; step < 5; ++step) {
    SharedBuffer wire;
    const SharedBuffer x = copy_of(test::make_vector(test::Shape::kRandom, 65536, step), pool);
    ASSERT_TRUE(stream.encode(x, 1, rng, pool, wire).ok());
  }
  EXPECT_EQ(65536 * sizeof(float), pool.live_bytes());
}

}  // namespace
}  // namespace kith
