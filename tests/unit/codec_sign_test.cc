// Scaled sign (ALGORITHMS 2C): ||C(x) - x||^2 = (1 - delta) ||x||^2 with delta = ||x||_1^2 / (d
// ||x||^2), an equality.
#include "tests/instruction_sets.h"
#include "tests/unit/codec_round_trip.h"

namespace kith {
namespace {

const size_t kLengths[] = {1, 2, 3, 7, 8, 9, 1000, 65537, size_t{1} << 20, (size_t{1} << 20) + 3};

// The loss by the identity, block by block, and how much a mean that is rounded to a float adds:
// d (s - ||x||_1 / d)^2.
std::pair<double, double> predicted(std::span<const float> x, size_t block) {
  long double loss = 0;
  double rounding = 0;
  for (size_t first = 0; first < x.size(); first += block) {
    const auto part = x.subspan(first, std::min(block, x.size() - first));
    const auto d = static_cast<long double>(part.size());
    long double sum = 0;
    long double squares = 0;
    for (const float v : part) {
      sum += std::fabs(v);
      squares += static_cast<long double>(v) * v;
    }
    loss += squares - sum / d * sum;
    const auto mean = static_cast<double>(sum / d);
    rounding += static_cast<double>(d) * std::pow(std::max(0x1p-24 * mean, 0x1p-150), 2);
  }
  return {static_cast<double>(loss), rounding};
}

TEST(Sign, DeltaIsExactlyTheOneOfTheIdentity) {
  for (const test::Shape shape : test::kShapes) {
    for (const size_t n : kLengths) {
      const std::vector<float> x = test::make_vector(shape, n, n + 11);
      const double norm = test::squared_norm_of(x);
      for (const size_t block : {size_t{64}, size_t{4096}, size_t{1} << 21}) {
        SCOPED_TRACE(name_of(shape) + " n " + std::to_string(n) + " block " +
                     std::to_string(block));
        const auto codec = make_codec("sign:" + std::to_string(block));
        const double error = test::squared_error(x, test::round_trip(*codec, x));
        const auto [loss, rounding] = predicted(x, block);
        EXPECT_NEAR(loss, error, 1.01 * rounding + 1e-11 * norm);
        // Two sums of n doubles, one after the other.
        const double summing = (2 * static_cast<double>(n) * 0x1p-53 + 1e-12) * norm;
        EXPECT_NEAR(loss, codec->expected_error(x).value(), summing);
      }
    }
  }
}

// By Cauchy and Schwarz, of the identity: sum_b ||x_b||_1^2 / d_b >= ||x||_1^2 / d.
TEST(Sign, SmallerBlocksNeverLoseMore) {
  for (const test::Shape shape : test::kShapes) {
    const std::vector<float> x = test::make_vector(shape, 65536, 5);
    double last = 0;
    for (const size_t block : {64, 256, 4096, 65536}) {
      const auto codec = make_codec("sign:" + std::to_string(block));
      const double error = test::squared_error(x, test::round_trip(*codec, x));
      EXPECT_GE(error * (1 + 1e-6), last) << name_of(shape) << " block " << block;
      last = error;
    }
  }
}

// 32 + d bits (ALGORITHMS 2C) per block, and the length of the vector.
TEST(Sign, OneBitPerValueAndAScalePerBlock) {
  for (const size_t n : test::kSizes) {
    const auto x = test::make_vector(test::Shape::kRandom, n, 1);
    EXPECT_EQ(4 + 4 * ((n + 4095) / 4096) + (n + 7) / 8,
              test::encoded(*make_codec("sign"), x).size());
    EXPECT_EQ(4 + 4 * ((n + 63) / 64) + (n + 7) / 8,
              test::encoded(*make_codec("sign:64"), x).size());
  }
}

TEST(Sign, AZeroOfEitherSignArrivesAsPlusTheMean) {
  const std::vector<float> x = {3, 0.0f, -0.0f, -3};
  EXPECT_EQ((std::vector<float>{1.5f, 1.5f, 1.5f, -1.5f}),
            test::round_trip(*make_codec("sign"), x));
}

TEST(Sign, WireIsAsDocumentedOnEveryInstructionSet) {
  const auto codec = make_codec("sign:128");
  for (const size_t n : {1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129, 1000}) {
    const std::vector<float> x = test::make_vector(test::Shape::kRandom, n, n);
    const size_t blocks = (n + 127) / 128;
    test::for_each_instruction_set([&] {
      const std::vector<std::byte> wire = test::encoded(*codec, x);
      const std::vector<float> y = test::decoded(*codec, wire, n);
      for (size_t i = 0; i < n; ++i) {
        const auto bit = std::to_integer<unsigned>(wire[4 + 4 * blocks + i / 8] >> i % 8) & 1;
        ASSERT_EQ(x[i] < 0, bit == 1);
        const float mean = test::number_at(wire, i / 128);
        ASSERT_EQ(bit ? -mean : mean, y[i]);
      }
    });
  }
}

TEST(Sign, RefusesBadScalesAndStrayBits) {
  const auto codec = make_codec("sign");
  const std::vector<float> x = test::make_vector(test::Shape::kRandom, 9, 6);
  std::vector<std::byte> wire = test::encoded(*codec, x);
  EXPECT_EQ(Reason::kOk, test::with_number(*codec, wire, 9, 0, 0));
  EXPECT_EQ(Reason::kOk, test::with_number(*codec, wire, 9, 0, std::numeric_limits<float>::max()));
  EXPECT_EQ(Reason::kNotFinite, test::with_number(*codec, wire, 9, 0, NAN));
  EXPECT_EQ(Reason::kNotFinite, test::with_number(*codec, wire, 9, 0, INFINITY));
  EXPECT_EQ(Reason::kMalformed, test::with_number(*codec, wire, 9, 0, -1));
  for (int bit = 1; bit < 8; ++bit) {  // 9 bits end within the last byte
    std::vector<std::byte> stray = wire;
    stray.back() |= static_cast<std::byte>(1 << bit);
    EXPECT_EQ(Reason::kMalformed, codec->check(stray, 9).reason());
  }
}

TEST(Sign, TheLargestFloatsHaveAMean) {
  const std::vector<float> x(4096, std::numeric_limits<float>::max());
  EXPECT_EQ(x, test::round_trip(*make_codec("sign"), x));
}

TEST(Sign, RefusesBadBlocks) {
  for (const char* spec : {"sign:0", "sign:63", "sign:65", "sign:x", "sign:64x", "sign:-64",
                           "sign:2147483648", "sign:64:64"}) {
    EXPECT_THROW(make_codec(spec), OperatorError) << spec;
  }
}

}  // namespace
}  // namespace kith
