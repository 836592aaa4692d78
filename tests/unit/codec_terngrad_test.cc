// TernGrad (Wen et al. 2017): unbiased, with exactly the variance ||x||_inf ||x||_1 - ||x||^2 of
// each block (ALGORITHMS 2C).
#include "tests/instruction_sets.h"
#include "tests/unit/codec_law.h"

namespace kith {
namespace {

double papers_variance(std::span<const float> x, size_t block) {
  double variance = 0;
  for (size_t first = 0; first < x.size(); first += block) {
    const auto part = x.subspan(first, std::min(block, x.size() - first));
    double sum = 0;
    for (const float v : part) sum += std::fabs(v);
    variance += test::largest_of(part) * sum - test::squared_norm_of(part);
  }
  return variance;
}

TEST(TernGrad, UnbiasedWithTheExactVariance) {
  uint64_t seed = 100;
  for (const size_t block : {320, 640, 3200}) {
    for (const test::Shape shape : test::kStatisticalShapes) {
      SCOPED_TRACE(name_of(shape) + " block " + std::to_string(block) + " seed " +
                   std::to_string(++seed));
      const std::vector<float> x = test::make_vector(shape, 1000, seed);
      const test::Law law = test::law_of_levels(x, 1, block);
      EXPECT_NEAR(papers_variance(x, block), law.variance,
                  1e-12 * test::squared_norm_of(x) + 1e-9 * law.variance);
      test::expect_law(*make_codec("terngrad:" + std::to_string(block)), x, law, seed + 1000);
    }
  }
}

// Subnormal vectors as well: the largest magnitude, its negative and zero are floats.
TEST(TernGrad, SendsTheLargestMagnitudeWithTheSignOrZero) {
  for (const test::Shape shape : test::kShapes) {
    for (const size_t n : {1, 2, 3, 7, 8, 9, 1000, 65537, 1 << 20, (1 << 20) + 3}) {
      const std::vector<float> x = test::make_vector(shape, n, n + 3);
      const std::vector<float> y = test::round_trip(*make_codec("terngrad"), x);
      for (size_t i = 0; i < y.size(); ++i) {
        const size_t first = i / 640 * 640;
        const auto block = std::span(x).subspan(first, std::min<size_t>(640, n - first));
        const float largest = i == first || y[i] != 0 ? test::largest_of(block) : 0;
        ASSERT_TRUE(y[i] == 0 || y[i] == std::copysign(largest, x[i])) << name_of(shape) << i;
        ASSERT_TRUE(x[i] != 0 || y[i] == 0);
      }
    }
  }
}

// 1.6 bits per value; 32 + d log2 3 = 32 + 1.585 d would be the least (ALGORITHMS 2C).
TEST(TernGrad, FiveValuesInAByteAndAScalePerBlock) {
  for (const size_t n : test::kSizes) {
    const auto x = test::make_vector(test::Shape::kRandom, n, 1);
    EXPECT_EQ(4 + 4 * ((n + 639) / 640) + (n + 4) / 5,
              test::encoded(*make_codec("terngrad"), x).size());
  }
}

// t + 1 of value i of n, by the documented wire, with divisions.
int digit_at(std::span<const std::byte> codes, size_t n, size_t block, size_t i) {
  const size_t first = i / block * block;
  const size_t end = std::min(n, first + block);
  const size_t group = first + (i - first) / 320 * 320;
  const size_t columns = std::min<size_t>(64, (end - group + 4) / 5);
  const size_t row = (i - group) / columns;
  const unsigned code = std::to_integer<unsigned>(codes[group / 5 + (i - group) % columns]);
  unsigned v = code * 243 / 256;  // the v with code = ceil(256 v / 243)
  for (size_t r = row; r < 4; ++r) v /= 3;
  return static_cast<int>(v % 3);
}

TEST(TernGrad, WireIsAsDocumentedOnEveryInstructionSet) {
  for (const size_t n : {1, 2, 4, 5, 6, 63, 64, 65, 319, 320, 321, 640, 641, 645, 1000, 4097}) {
    const std::vector<float> x = test::make_vector(test::Shape::kRandom, n, n);
    const size_t blocks = (n + 639) / 640;
    std::vector<std::byte> first;
    test::for_each_instruction_set([&] {
      const std::vector<std::byte> wire = test::encoded(*make_codec("terngrad"), x);
      if (first.empty()) first = wire;
      ASSERT_EQ(first, wire);
      const std::vector<float> y = test::decoded(*make_codec("terngrad"), wire, n);
      for (size_t i = 0; i < n; ++i) {
        const int t = digit_at(std::span(wire).subspan(4 + 4 * blocks), n, 640, i) - 1;
        ASSERT_EQ(static_cast<float>(t) * test::number_at(wire, i / 640), y[i]) << n << " " << i;
      }
    });
  }
}

// All 256: each gives five digits of 0, 1 and 2.
TEST(TernGrad, EveryByteIsAllowed) {
  std::vector<std::byte> wire = test::encoded(*make_codec("terngrad"), std::vector<float>(5, 1.0f));
  for (int code = 0; code < 256; ++code) {
    wire.back() = static_cast<std::byte>(code);
    for (const float y : test::decoded(*make_codec("terngrad"), wire, 5)) {
      EXPECT_TRUE(y == 0 || std::fabs(y) == 1);
    }
  }
}

TEST(TernGrad, RefusesBadBlocks) {
  for (const char* block : {"0", "64", "321", "x", "320x", "-320", "2147483648"}) {
    EXPECT_THROW(make_codec(std::string("terngrad:") + block), OperatorError) << block;
  }
}

}  // namespace
}  // namespace kith
