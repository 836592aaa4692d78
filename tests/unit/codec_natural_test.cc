// Natural compression (Horvath et al. 2019): the two powers of two around a magnitude, so that the
// mean is the value and E|Q(x) - x|^2 = (|x| - 2^e) (2^(e+1) - |x|) <= x^2 / 8.
#include "tests/instruction_sets.h"
#include "tests/unit/codec_law.h"

namespace kith {
namespace {

test::Law law_of_powers(std::span<const float> x) {
  test::Law law;
  for (const float value : x) {
    if (value == 0) continue;
    int exponent;
    std::frexp(value, &exponent);
    test::add_value(law, std::fabs(value), std::ldexp(0.5, exponent), std::ldexp(1.0, exponent));
  }
  return law;
}

TEST(Natural, UnbiasedWithTheExactVariance) {
  uint64_t seed = 100;
  for (const char* spec : {"natural", "natural:64"}) {
    for (const test::Shape shape : test::kStatisticalShapes) {
      SCOPED_TRACE(name_of(shape) + " " + spec + " seed " + std::to_string(++seed));
      const std::vector<float> x = test::make_vector(shape, 1000, seed);
      const test::Law law = law_of_powers(x);
      EXPECT_LE(law.variance, test::squared_norm_of(x) / 8);
      test::expect_law(*make_codec(spec), x, law, seed + 1000);
    }
  }
}

// Subnormal floats as well: down to 2^-149 they are as good as others.
TEST(Natural, EveryValueBecomesOneOfThePowersAroundIt) {
  for (const test::Shape shape : test::kShapes) {
    for (const size_t n : {1, 2, 3, 7, 8, 9, 1000, 65537, 1 << 20, (1 << 20) + 3}) {
      const std::vector<float> x = test::make_vector(shape, n, n + 3);
      const std::vector<float> y = test::round_trip(*make_codec("natural"), x);
      for (size_t i = 0; i < y.size(); ++i) {
        int exponent;
        const float f = std::frexp(std::fabs(x[i]), &exponent);
        const float low = x[i] == 0 ? 0 : std::ldexp(1.0f, exponent - 1);
        const float high = f == 0.5f ? low : 2 * low;
        const float magnitude = std::fabs(y[i]);
        ASSERT_TRUE(magnitude == low || magnitude == high) << name_of(shape) << " " << i;
        ASSERT_TRUE(magnitude == 0 || std::signbit(y[i]) == std::signbit(x[i]));
      }
    }
  }
}

// At 4/3 of a power of two.
TEST(Natural, TheVarianceBoundIsReached) {
  const std::vector<float> x(1000, 4.0f / 3);
  EXPECT_EQ(0.125, make_codec("natural")->variance_bound(1000));
  EXPECT_NEAR(0.125, law_of_powers(x).variance / test::squared_norm_of(x), 1e-7);
  test::expect_law(*make_codec("natural"), x, law_of_powers(x), 7);
}

TEST(Natural, PowersOfTwoArriveAsTheyAre) {
  std::vector<float> x;  // within 2^126 of each other, the largest a power, too
  for (int e = -149; e <= -23; ++e) x.push_back(std::ldexp(e % 2 == 0 ? 1.0f : -1.0f, e));
  EXPECT_EQ(x, test::round_trip(*make_codec("natural"), x));
  for (float& v : x) v = std::ldexp(v, 149);
  EXPECT_EQ(x, test::round_trip(*make_codec("natural"), x));
}

// The lower end of a block: with a top of 1 the least code is 2^-126; below it that or zero, with
// the right mean.
TEST(Natural, BelowTheLeastPowerThatOrZeroWithTheMeanOfTheValue) {
  constexpr size_t kCount = 1 << 20;
  constexpr double kProbability = 0.3;
  const double least = 0x1p-126;
  std::vector<float> x(kCount, static_cast<float>(kProbability * least));
  for (size_t i = 0; i < kCount; i += 2048) x[i] = 1;
  const std::vector<float> y = test::round_trip(*make_codec("natural"), x, 5);
  double hits = 0;
  double trials = 0;
  for (size_t i = 0; i < kCount; ++i) {
    if (x[i] == 1) {
      ASSERT_EQ(1, y[i]);
      continue;
    }
    ASSERT_TRUE(y[i] == 0 || y[i] == static_cast<float>(least));
    hits += y[i] != 0;
    trials += 1;
  }
  // Four standard errors: a false alarm in 16000.
  EXPECT_NEAR(kProbability, hits / trials,
              4 * std::sqrt(kProbability * (1 - kProbability) / trials));
}

TEST(Natural, RefusesWhatCouldArriveAsInfinity) {
  EXPECT_EQ(Reason::kOk, test::refusal(*make_codec("natural"), std::vector<float>{0x1p127f}));
  const float above = std::nextafter(0x1p127f, INFINITY);
  EXPECT_EQ(Reason::kNotFinite, test::refusal(*make_codec("natural"), std::vector<float>{above}));
}

TEST(Natural, WireIsAsDocumentedOnEveryInstructionSet) {
  const auto codec = make_codec("natural:128");
  for (const size_t n : {1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129, 1000}) {
    const std::vector<float> x = test::make_vector(test::Shape::kHeavyTailed, n, n);
    const size_t blocks = (n + 127) / 128;
    std::vector<std::byte> first;
    test::for_each_instruction_set([&] {
      const std::vector<std::byte> wire = test::encoded(*codec, x);
      ASSERT_EQ(4 + 4 * blocks + n, wire.size());
      if (first.empty()) first = wire;
      ASSERT_EQ(first, wire);
      const std::vector<float> y = test::decoded(*codec, wire, n);
      for (size_t i = 0; i < n; ++i) {
        const auto code = std::to_integer<unsigned>(wire[4 + 4 * blocks + i]);
        const float top = test::number_at(wire, i / 128);
        const float magnitude =
            code % 128 == 0 ? 0 : std::ldexp(top, static_cast<int>(code % 128) - 127);
        ASSERT_EQ(code >= 128 ? -magnitude : magnitude, y[i]);
      }
    });
  }
}

TEST(Natural, RefusesATopThatIsNoPowerOfTwo) {
  const auto codec = make_codec("natural");
  const std::vector<std::byte> wire =
      test::encoded(*codec, test::make_vector(test::Shape::kRandom, 9, 6));
  for (const float good : {0.0f, 1.0f, 0x1p127f, 0x1p-149f}) {
    EXPECT_EQ(Reason::kOk, test::with_number(*codec, wire, 9, 0, good)) << good;
  }
  for (const float bad : {-0.0f, -1.0f, 3.0f, 0x3p-149f}) {
    EXPECT_EQ(Reason::kMalformed, test::with_number(*codec, wire, 9, 0, bad)) << bad;
  }
  EXPECT_EQ(Reason::kNotFinite, test::with_number(*codec, wire, 9, 0, NAN));
  EXPECT_EQ(Reason::kNotFinite, test::with_number(*codec, wire, 9, 0, INFINITY));
}

}  // namespace
}  // namespace kith
