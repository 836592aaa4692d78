// What the codecs share that send numbers of each block: how they judge them and their argument,
// and the variance bound of rounding to levels of the largest magnitude.
#include "tests/unit/codec_law.h"

namespace kith {
namespace {

// The codecs that round to L levels of the largest magnitude: w = (sqrt(1 + (d - 1) / L^2) - 1) / 2
// is reached by one value of L steps and d - 1 of 1 / (sqrt(1 + (d - 1) / L^2) + 1) steps.
TEST(Blocks, TheVarianceBoundIsReachedAndNeverPassed) {
  for (const auto& [spec, levels, block] :
       {std::tuple("int8-stochastic:", 127.0, size_t{2048}),
        std::tuple("int8-stochastic:", 127.0, size_t{65536}),
        std::tuple("terngrad:", 1.0, size_t{640}), std::tuple("terngrad:", 1.0, size_t{3200})}) {
    const double w = make_codec(spec + std::to_string(block))->variance_bound(block);
    const double root = std::sqrt(1 + (block - 1) / levels / levels);
    EXPECT_DOUBLE_EQ((root - 1) / 2, w);
    std::vector<float> x(block, static_cast<float>(1 / (root + 1)));
    x[0] = static_cast<float>(levels);
    EXPECT_NEAR(w, test::law_of_levels(x, levels, block).variance / test::squared_norm_of(x),
                1e-5 * w);
    for (const test::Shape shape : test::kStatisticalShapes) {
      const std::vector<float> other = test::make_vector(shape, block, 9);
      EXPECT_LE(test::law_of_levels(other, levels, block).variance,
                w * test::squared_norm_of(other))
          << spec << block << " " << name_of(shape);
    }
  }
}

TEST(Blocks, RefusesBadNumbers) {
  const std::vector<float> x = test::make_vector(test::Shape::kRandom, 9, 6);
  for (const char* spec : {"int8", "int8-stochastic", "terngrad", "fp8:e4m3", "fp8:e5m2"}) {
    const auto codec = make_codec(spec);
    const std::vector<std::byte> wire = test::encoded(*codec, x);
    EXPECT_EQ(Reason::kOk, test::with_number(*codec, wire, 9, 0, 0)) << spec;
    EXPECT_EQ(Reason::kNotFinite, test::with_number(*codec, wire, 9, 0, NAN)) << spec;
    EXPECT_EQ(Reason::kNotFinite, test::with_number(*codec, wire, 9, 0, INFINITY)) << spec;
    EXPECT_EQ(Reason::kMalformed, test::with_number(*codec, wire, 9, 0, -1)) << spec;
  }
  const auto codec = make_codec("int8-minmax");
  const std::vector<std::byte> wire = test::encoded(*codec, x);
  EXPECT_EQ(Reason::kOk, test::with_number(*codec, wire, 9, 0, test::number_at(wire, 1)));
  EXPECT_EQ(Reason::kMalformed, test::with_number(*codec, wire, 9, 0, 1e30f));
  EXPECT_EQ(Reason::kNotFinite, test::with_number(*codec, wire, 9, 1, INFINITY));
  EXPECT_EQ(Reason::kNotFinite, test::with_number(*codec, wire, 9, 0, NAN));
}

TEST(Blocks, RefusesBadBlocks) {
  for (const char* name : {"int8", "int8-stochastic", "int8-minmax", "natural", "fp8:e4m3"}) {
    for (const char* block : {"0", "63", "65", "x", "64x", "-64", "2147483648", "64:64"}) {
      EXPECT_THROW(make_codec(std::string(name) + ":" + block), OperatorError) << name << block;
    }
  }
}

}  // namespace
}  // namespace kith
