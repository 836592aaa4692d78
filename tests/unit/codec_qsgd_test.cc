// QSGD (Alistarh et al. 2017): unbiased, and with exactly the variance
// E||Q(x) - x||^2 = sum over buckets of (||x||^2 / s^2) sum p_i (1 - p_i), p_i = frac(s
// |x_i|/||x||).
#include <bit>

#include "tests/instruction_sets.h"
#include "tests/unit/codec_law.h"

namespace kith {
namespace {

// What the paper says, from x alone.
test::Law predicted(std::span<const float> x, size_t levels, size_t bucket) {
  test::Law law;
  for (size_t first = 0; first < x.size(); first += bucket) {
    const auto part = x.subspan(first, std::min(bucket, x.size() - first));
    const double unit = std::sqrt(test::squared_norm_of(part)) / static_cast<double>(levels);
    if (unit == 0) continue;
    for (const float value : part) {
      const double low = std::floor(std::fabs(value) / unit) * unit;
      test::add_value(law, std::fabs(value), low, low + unit);
    }
  }
  return law;
}

struct Parameters {
  const char* spec;
  size_t levels;
  size_t bucket;
};

const Parameters kParameters[] = {
    {"qsgd:1", 1, 512},       {"qsgd:4:64", 4, 64},   {"qsgd:15", 15, 512},
    {"qsgd:16:128", 16, 128}, {"qsgd:127", 127, 512}, {"qsgd:15:65536", 15, 65536},
};

TEST(Qsgd, UnbiasedWithThePapersVariance) {
  uint64_t seed = 100;
  for (const Parameters& p : kParameters) {
    for (const test::Shape shape : test::kStatisticalShapes) {
      SCOPED_TRACE(std::string(p.spec) + " " + name_of(shape) + " seed " + std::to_string(++seed));
      const std::vector<float> x = test::make_vector(shape, 1000, seed);
      test::expect_law(*make_codec(p.spec), x, predicted(x, p.levels, p.bucket), seed + 1000);
    }
  }
}

// min(d / s^2, sqrt(d) / s) of the paper, with d the values that share a norm.
TEST(Qsgd, TheBoundIsThatOfTheLongestBucket) {
  const auto codec = make_codec("qsgd:4:128");
  EXPECT_DOUBLE_EQ(0, codec->variance_bound(0));
  EXPECT_DOUBLE_EQ(9.0 / 16, codec->variance_bound(9));
  EXPECT_DOUBLE_EQ(std::sqrt(128.0) / 4, codec->variance_bound(128));
  EXPECT_DOUBLE_EQ(std::sqrt(128.0) / 4, codec->variance_bound(1000));
}

TEST(Qsgd, SubnormalVectorsKeepTheirErrorBound) {
  Pool pool;
  Rng rng = test::test_rng(4);
  const std::vector<float> x = test::make_vector(test::Shape::kSubnormal, 1000, 4);
  SharedBuffer wire;
  const auto codec = make_codec("qsgd:15");
  ASSERT_TRUE(codec->encode(copy_of(x, pool), rng, pool, wire).ok());
  std::vector<float> y(x.size());
  ASSERT_TRUE(codec->decode_add(wire.bytes(), 1.0f, y).ok());
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t first = i / 512 * 512;
    const auto bucket = std::span(x).subspan(first, std::min<size_t>(512, x.size() - first));
    const double unit = std::sqrt(test::squared_norm_of(bucket)) / 15;
    EXPECT_LE(std::fabs(static_cast<double>(y[i]) - x[i]), unit * 1.0001) << i;
  }
}

TEST(Qsgd, BitsPerValueAreLogOfLevelsAndASign) {
  Pool pool;
  Rng rng = test::test_rng(5);
  const SharedBuffer x = copy_of(test::make_vector(test::Shape::kRandom, 4099, 5), pool);
  for (const size_t levels : {1, 2, 3, 4, 7, 8, 15, 16, 100, 127, 255, 1000, 32767}) {
    SharedBuffer wire;
    ASSERT_TRUE(make_codec("qsgd:" + std::to_string(levels))->encode(x, rng, pool, wire).ok());
    const auto bits = static_cast<size_t>(std::ceil(std::log2(levels + 1.0))) + 1;
    EXPECT_EQ(4 + 4 * 9 + (4099 * bits + 7) / 8, wire.size()) << levels;
  }
}

// Reads the documented wire bit by bit.
std::vector<float> decode_slowly(std::span<const std::byte> wire, size_t n, uint32_t levels,
                                 size_t bucket) {
  const size_t level_bits = std::bit_width(levels);
  const std::byte* codes = wire.data() + 4 + (n + bucket - 1) / bucket * 4;
  const auto bit = [&](size_t at) {
    return std::to_integer<uint32_t>(codes[at / 8] >> at % 8) & 1;
  };
  std::vector<float> y(n);
  for (size_t i = 0; i < n; ++i) {
    float norm;
    std::memcpy(&norm, wire.data() + 4 + i / bucket * 4, sizeof norm);
    const size_t at = i * (level_bits + 1);
    uint32_t level = 0;
    for (size_t b = 0; b < level_bits; ++b) level |= bit(at + b) << b;
    const auto unit = static_cast<float>(static_cast<double>(norm) / levels);
    y[i] += (bit(at + level_bits) ? -1.0f : 1.0f) * static_cast<float>(level) * unit;
  }
  return y;
}

TEST(Qsgd, WireIsAsDocumentedForEveryWidthOnEveryInstructionSet) {
  Pool pool;
  for (uint32_t levels = 1; levels <= 32767; levels = levels * 2 + 1) {
    for (const size_t n : {1, 2, 63, 64, 65, 127, 511, 512, 513, 1000, 4097}) {
      SCOPED_TRACE("levels " + std::to_string(levels) + " n " + std::to_string(n));
      const auto codec = make_codec("qsgd:" + std::to_string(levels) + ":128");
      const SharedBuffer x = copy_of(test::make_vector(test::Shape::kRandom, n, n), pool);
      SharedBuffer first;
      test::for_each_instruction_set([&] {
        Rng rng = test::test_rng(n);
        SharedBuffer wire;
        ASSERT_TRUE(codec->encode(x, rng, pool, wire).ok());
        if (!first) first = wire;
        ASSERT_EQ(first.size(), wire.size());
        ASSERT_EQ(0, std::memcmp(first.data(), wire.data(), wire.size()));
        std::vector<float> y(n);
        ASSERT_TRUE(codec->decode_add(test::Unaligned(wire.bytes()).bytes(), 1.0f, y).ok());
        ASSERT_EQ(decode_slowly(wire.bytes(), n, levels, 128), y);
      });
    }
  }
}

TEST(Qsgd, RefusesBadNormsAndStrayBits) {
  Pool pool;
  Rng rng = test::test_rng(6);
  const auto codec = make_codec("qsgd:15");
  SharedBuffer wire;
  const SharedBuffer x = copy_of(test::make_vector(test::Shape::kRandom, 9, 6), pool);
  ASSERT_TRUE(codec->encode(x, rng, pool, wire).ok());
  const std::vector<std::byte> good(wire.bytes().begin(), wire.bytes().end());
  const auto with_norm = [&](float norm) {
    std::vector<std::byte> bytes = good;
    std::memcpy(bytes.data() + 4, &norm, sizeof norm);
    return codec->check(bytes, 9).reason();
  };
  EXPECT_EQ(Reason::kOk, with_norm(std::numeric_limits<float>::max()));
  EXPECT_EQ(Reason::kOk, with_norm(0));
  EXPECT_EQ(Reason::kNotFinite, with_norm(INFINITY));
  EXPECT_EQ(Reason::kNotFinite, with_norm(NAN));
  EXPECT_EQ(Reason::kMalformed, with_norm(-1));
  std::vector<std::byte> stray = good;
  stray.back() |= std::byte{0x80};  // 9 * 5 bits end within the last byte
  EXPECT_EQ(Reason::kMalformed, codec->check(stray, 9).reason());
}

TEST(Qsgd, ANormBeyondTheFloatsIsRefused) {
  Pool pool;
  Rng rng = test::test_rng(7);
  SharedBuffer wire;
  const std::vector<float> x(100, std::numeric_limits<float>::max());
  EXPECT_EQ(Reason::kNotFinite,
            make_codec("qsgd:15")->encode(copy_of(x, pool), rng, pool, wire).reason());
}

}  // namespace
}  // namespace kith
