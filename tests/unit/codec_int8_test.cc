// The three codecs of a byte per value: what they may lose, to the nearest; the exact variance, at
// random: (||x||_inf / 127)^2 sum p (1 - p) per block.
#include "tests/instruction_sets.h"
#include "tests/unit/codec_law.h"

namespace kith {
namespace {

const size_t kLengths[] = {1, 2, 3, 7, 8, 9, 1000, 65537, size_t{1} << 20, (size_t{1} << 20) + 3};
constexpr size_t kBlock = 2048;
// Half the distance of two subnormal numbers: what is lost where a value is rounded to one.
constexpr double kLeast = 0x1p-150;

// Calls check(x, block of x, values of y) for every shape, length and block of both.
template <class Check>
void for_each_block(const Codec& codec, Check check) {
  for (const test::Shape shape : test::kShapes) {
    for (const size_t n : kLengths) {
      SCOPED_TRACE(name_of(shape) + " n " + std::to_string(n));
      const std::vector<float> x = test::make_vector(shape, n, n + 3);
      const std::vector<float> y = test::round_trip(codec, x);
      for (size_t first = 0; first < n; first += kBlock) {
        const size_t count = std::min(kBlock, n - first);
        check(std::span(x).subspan(first, count), std::span(y).subspan(first, count));
      }
    }
  }
}

TEST(Int8, NoValueLosesMoreThanHalfAStepNorThanItself) {
  for_each_block(*make_codec("int8"), [](std::span<const float> x, std::span<const float> y) {
    const double largest = test::largest_of(x);
    for (size_t i = 0; i < x.size(); ++i) {
      const double error = std::fabs(static_cast<double>(y[i]) - x[i]);
      ASSERT_LE(error, largest / 254 * (1 + 1e-5) + kLeast);
      ASSERT_LE(error, std::fabs(x[i]) * (1 + 1e-5) + kLeast);
    }
  });
}

TEST(Int8, WireIsAsDocumentedOnEveryInstructionSet) {
  const auto codec = make_codec("int8:128");
  for (const size_t n : {1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129, 1000}) {
    const std::vector<float> x = test::make_vector(test::Shape::kHeavyTailed, n, n);
    const size_t blocks = (n + 127) / 128;
    test::for_each_instruction_set([&] {
      const std::vector<std::byte> wire = test::encoded(*codec, x);
      ASSERT_EQ(4 + 4 * blocks + n, wire.size());
      const std::vector<float> y = test::decoded(*codec, wire, n);
      for (size_t i = 0; i < n; ++i) {
        const float largest = test::number_at(wire, i / 128);
        ASSERT_EQ(largest, test::largest_of(std::span(x).subspan(
                               i / 128 * 128, std::min<size_t>(128, n - i / 128 * 128))));
        const auto code = static_cast<int8_t>(wire[4 + 4 * blocks + i]);
        ASSERT_LE(std::fabs(127.0 * x[i] / largest - code), 0.5 + 1e-5);
        ASSERT_EQ(code * static_cast<float>(static_cast<double>(largest) / 127), y[i]);
      }
    });
  }
}

TEST(Int8, TiesGoToTheEvenNeighbour) {
  const std::vector<float> x = {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f};
  EXPECT_EQ((std::vector<float>{127, 0, 2, 2, 0, -2, -2, 126}),
            test::round_trip(*make_codec("int8"), x));
}

TEST(Int8, HoldsTheWholeRangeOfTheFloats) {
  for (const float largest : {std::numeric_limits<float>::max(), 0x1p-126f, 0x1p-149f}) {
    const std::vector<float> x = {largest, -largest, 0, largest};
    for (const char* spec : {"int8", "int8-stochastic"}) {
      const std::vector<float> y = test::round_trip(*make_codec(spec), x);
      for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], y[i], 1e-6f * largest) << spec;
    }
  }
}

TEST(Int8MinMax, RefusesWhatCouldHaveARangeBeyondTheFloats) {
  const auto codec = make_codec("int8-minmax");
  for (const float largest : {0x1p126f, 0x1p-126f, 0x1p-149f}) {
    const std::vector<float> x = {largest, -largest, largest / 2, largest};
    const std::vector<float> y = test::round_trip(*codec, x);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], y[i], largest / 255);
    EXPECT_NEAR(largest, y[0], 1e-6f * largest);
  }
  const float above = std::nextafter(0x1p126f, INFINITY);
  EXPECT_EQ(Reason::kNotFinite, test::refusal(*codec, std::vector<float>{above}));
  EXPECT_EQ(Reason::kNotFinite, test::refusal(*codec, std::vector<float>{0, -above}));
}

TEST(Int8Stochastic, UnbiasedWithTheExactVariance) {
  uint64_t seed = 100;
  for (const size_t block : {size_t{64}, kBlock}) {
    for (const test::Shape shape : test::kStatisticalShapes) {
      SCOPED_TRACE(name_of(shape) + " block " + std::to_string(block) + " seed " +
                   std::to_string(++seed));
      const std::vector<float> x = test::make_vector(shape, 1000, seed);
      test::expect_law(*make_codec("int8-stochastic:" + std::to_string(block)), x,
                       test::law_of_levels(x, 127, block), seed + 1000);
    }
  }
}

TEST(Int8Stochastic, NoValueIsMoreThanAStepAway) {
  for_each_block(
      *make_codec("int8-stochastic"), [](std::span<const float> x, std::span<const float> y) {
        const double step = static_cast<double>(test::largest_of(x)) / 127;
        for (size_t i = 0; i < x.size(); ++i) {
          ASSERT_LE(std::fabs(static_cast<double>(y[i]) - x[i]), step * (1 + 1e-4) + kLeast);
        }
      });
}

TEST(Int8Stochastic, SameWireAsInt8) {
  const std::vector<float> x = test::make_vector(test::Shape::kRandom, 5000, 3);
  const std::vector<std::byte> wire = test::encoded(*make_codec("int8-stochastic"), x);
  EXPECT_EQ(test::decoded(*make_codec("int8"), wire, x.size()),
            test::decoded(*make_codec("int8-stochastic"), wire, x.size()));
}

TEST(Int8MinMax, NoValueLosesMoreThanHalfAStep) {
  for_each_block(*make_codec("int8-minmax"), [](std::span<const float> x,
                                                std::span<const float> y) {
    const auto [low, high] = std::ranges::minmax(x);
    const double rounding = 0x1p-22 * std::max(std::fabs(low), std::fabs(high)) + 2 * kLeast;
    for (size_t i = 0; i < x.size(); ++i) {
      const double range = static_cast<double>(high) - low;
      ASSERT_LE(std::fabs(static_cast<double>(y[i]) - x[i]), range / 510 * (1 + 1e-5) + rounding);
    }
  });
}

TEST(Int8MinMax, AConstantBlockLosesNothing) {
  for (const float value : {-0.37f, 0.0f, 1e-45f, -1e-40f, 0x1p126f}) {
    const std::vector<float> x(3000, value);
    EXPECT_EQ(x, test::round_trip(*make_codec("int8-minmax"), x)) << value;
  }
}

// Most is lost by the zeros between -1 and 1: half a step each.
TEST(Int8MinMax, AContractionUpToItsLargestBlock) {
  std::vector<float> x(65536);
  x[0] = 1;
  x[1] = -1;
  const double error =
      test::squared_error(x, test::round_trip(*make_codec("int8-minmax:65536"), x));
  EXPECT_NEAR(65534 / (255.0 * 255.0), error, 1e-3);
  EXPECT_LE(error, 65536 / 130050.0 * test::squared_norm_of(x));
  EXPECT_THROW(make_codec("int8-minmax:65600"), OperatorError);
}

TEST(Int8MinMax, WireIsAsDocumentedOnEveryInstructionSet) {
  const auto codec = make_codec("int8-minmax:128");
  for (const size_t n : {1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129, 1000}) {
    const std::vector<float> x = test::make_vector(test::Shape::kHeavyTailed, n, n);
    const size_t blocks = (n + 127) / 128;
    test::for_each_instruction_set([&] {
      const std::vector<std::byte> wire = test::encoded(*codec, x);
      ASSERT_EQ(4 + 8 * blocks + n, wire.size());
      const std::vector<float> y = test::decoded(*codec, wire, n);
      for (size_t i = 0; i < n; ++i) {
        const float low = test::number_at(wire, i / 128 * 2);
        const float high = test::number_at(wire, i / 128 * 2 + 1);
        const auto [least, most] = std::ranges::minmax(
            std::span(x).subspan(i / 128 * 128, std::min<size_t>(128, n - i / 128 * 128)));
        ASSERT_EQ(least, low);
        ASSERT_EQ(most, high);
        const auto code = std::to_integer<int>(wire[4 + 8 * blocks + i]);
        const double step = (static_cast<double>(high) - low) / 255;
        ASSERT_LE(std::fabs(x[i] - low - code * step), step * (0.5 + 1e-4));
        ASSERT_EQ(code * static_cast<float>(step) + low, y[i]);
      }
    });
  }
}

}  // namespace
}  // namespace kith
