// A codec for each tensor of a model.
#include <gtest/gtest.h>

#include "protocol/layered_codec.h"
#include "tests/unit/codec_round_trip.h"
#include "tests/vectors.h"

namespace kith {
namespace {

const Layout kLayout = {
    {"0.weight", {30, 20}}, {"0.bias", {30}}, {"1.weight", {5, 30}}, {"1.bias", {5}}};
constexpr size_t kValues = 600 + 30 + 150 + 5;

std::vector<float> part(std::span<const float> x, size_t first, size_t values) {
  return {x.begin() + first, x.begin() + first + values};
}

TEST(LayeredCodec, EveryTensorByItself) {
  const auto codec = make_layered_codec("top-k:0.1", {.each = true}, kLayout);
  std::vector<float> x = test::make_vector(test::Shape::kRandom, kValues, 3);
  // So large that nothing else would be among the largest tenth.
  for (size_t i = 0; i < 600; ++i) x[i] *= 1000;
  const std::vector<float> y = test::round_trip(*codec, x);
  size_t first = 0;
  for (const TensorSpec& tensor : kLayout) {
    const auto expected =
        test::round_trip(*make_codec("top-k:0.1"), part(x, first, tensor.values()));
    EXPECT_EQ(expected, part(y, first, tensor.values())) << tensor.name;
    first += tensor.values();
  }
}

TEST(LayeredCodec, SmallOnesAndNamedOnesByTheirOwn) {
  const LayerRules rules{.named = parse_named_layers(" 1.weight = sign:64 ;0.weight=powersgd:1"),
                         .small = "identity",
                         .small_values = 31};
  const auto codec = make_layered_codec("int8", rules, kLayout);
  const std::vector<float> x = test::make_vector(test::Shape::kRandom, kValues, 4);
  const std::vector<float> y = test::round_trip(*codec, x);
  EXPECT_EQ(part(x, 600, 30), part(y, 600, 30));
  EXPECT_EQ(part(x, 780, 5), part(y, 780, 5));
  EXPECT_EQ(test::round_trip(*make_codec("sign:64"), part(x, 630, 150)), part(y, 630, 150));
  EXPECT_EQ(4 * 4 + 120 + 20 + (4 + 4 + 4 * (30 + 20) - 4) + (4 + 4 * 3 + 19),
            test::encoded(*codec, x).size());
  EXPECT_FALSE(codec->lossless());
  EXPECT_TRUE(codec->warm_starts());
}

TEST(LayeredCodec, PartsOfAModelGoThroughTheJobsCodec) {
  const auto codec = make_layered_codec("qsgd:15", {.each = true}, kLayout);
  const std::vector<float> x = test::make_vector(test::Shape::kRandom, 100, 5);
  EXPECT_EQ(test::round_trip(*make_codec("qsgd:15"), x), test::round_trip(*codec, x));
}

TEST(LayeredCodec, WithoutRulesItIsTheCodecItself) {
  EXPECT_EQ("int8:2048", make_layered_codec("int8", {}, kLayout)->describe());
}

// The bound is that of the worst layer: 150 values of one bucket each.
TEST(LayeredCodec, VarianceBoundOfTheWorstLayer) {
  const auto codec = make_layered_codec("rand-k:10", {.each = true}, kLayout);
  EXPECT_DOUBLE_EQ(600.0 / 10 - 1, codec->variance_bound(kValues));
}

TEST(LayeredCodec, RefusesWiresThatAreNotWhatTheLayersWrote) {
  const auto codec = make_layered_codec("int8", {.each = true}, kLayout);
  const std::vector<float> x = test::make_vector(test::Shape::kRandom, kValues, 6);
  const std::vector<std::byte> good = test::encoded(*codec, x);
  std::vector<float> y(kValues);
  ASSERT_TRUE(codec->check(good, kValues).ok());
  for (size_t size = 0; size < good.size(); ++size) {
    ASSERT_FALSE(codec->check(std::span(good).first(size), kValues).ok());
    ASSERT_FALSE(codec->decode_add(std::span(good).first(size), 1, y).ok());
  }
  std::vector<std::byte> bad = good;
  bad.push_back({});
  EXPECT_EQ(codec->check(bad, kValues).reason(), Reason::kOversized);
  bad = good;
  bad[3] = std::byte{0xff};  // the first length is huge
  EXPECT_EQ(codec->check(bad, kValues).reason(), Reason::kTruncated);
}

TEST(LayeredCodec, NotFiniteInAnyLayerIsAnError) {
  const auto codec = make_layered_codec("int8", {.each = true}, kLayout);
  std::vector<float> x = test::make_vector(test::Shape::kRandom, kValues, 7);
  x[kValues - 1] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(Reason::kNotFinite, test::refusal(*codec, x));
}

TEST(LayeredCodec, RulesThatMeanNothingAreNamed) {
  EXPECT_THROW(parse_named_layers("0.weight"), OperatorError);
  EXPECT_THROW(parse_named_layers("= int8"), OperatorError);
  EXPECT_TRUE(parse_named_layers("").empty());
  EXPECT_THROW(make_layered_codec("int8", {.named = parse_named_layers("2.weight=int8")}, kLayout),
               OperatorError);
}

}  // namespace
}  // namespace kith
