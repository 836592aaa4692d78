// top-k against a plain sort, and the error identity of Stich, Cordonnier, Jaggi (2018):
// ||C(x) - x||^2 = ||x||^2 - sum of the k largest squares, so delta >= k / d.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "protocol/codec.h"
#include "protocol/codec/elias_fano.h"
#include "tests/instruction_sets.h"
#include "tests/vectors.h"

namespace kith {
namespace {

std::vector<float> round_trip(const Codec& codec, std::span<const float> x,
                              size_t* bytes = nullptr) {
  Pool pool;
  Rng rng = test::test_rng(1);
  SharedBuffer wire;
  EXPECT_TRUE(codec.encode(copy_of(x, pool), rng, pool, wire).ok());
  std::vector<float> y(x.size());
  EXPECT_TRUE(codec.decode_add(wire.bytes(), 1.0f, y).ok());
  if (bytes) *bytes = wire.size();
  return y;
}

// Indices of the k largest magnitudes, lower index first among equals, ascending.
std::vector<size_t> top_by_sort(std::span<const float> x, size_t k) {
  std::vector<size_t> order(x.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order,
                           [&](size_t a, size_t b) { return std::fabs(x[a]) > std::fabs(x[b]); });
  order.resize(k);
  std::ranges::sort(order);
  return order;
}

std::vector<float> keep(std::span<const float> x, const std::vector<size_t>& indices) {
  std::vector<float> kept(x.size());
  for (const size_t i : indices) kept[i] += x[i];
  return kept;
}

TEST(TopK, IsTheSortOnEveryShapeAndSize) {
  for (const test::Shape shape : test::kShapes) {
    for (const size_t n : test::kSizes) {
      for (const size_t k : {size_t{1}, size_t{10}, size_t{700}, size_t{20000}, size_t{100000}}) {
        SCOPED_TRACE(name_of(shape) + " n " + std::to_string(n) + " k " + std::to_string(k));
        const std::vector<float> x = test::make_vector(shape, n, 11 * n + k);
        const auto codec = make_codec("top-k:" + std::to_string(k));
        size_t bytes = 0;
        ASSERT_EQ(keep(x, top_by_sort(x, std::min(n, k))), round_trip(*codec, x, &bytes));
        const size_t sent = std::min(n, k);
        EXPECT_EQ(8 + elias_fano::bytes(n, sent) + 4 * sent, bytes);
      }
    }
  }
}

// Large enough for the sampled threshold; values repeat, so that the cut falls among ties.
TEST(TopK, IsExactWhereTheSampleGuidesIt) {
  Rng rng = test::test_rng(5);
  std::vector<float> repeated(300000), ramp(300000), spike(300000, 1.0f);
  for (float& v : repeated) v = static_cast<float>(static_cast<int>(rng.below(64)) - 32);
  for (size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<float>(i);
  for (size_t i = 1000; i < 1500; ++i) spike[i] = -2.0f;  // between the points of the sample
  const std::vector<float> normal = test::make_vector(test::Shape::kRandom, 300000, 9);
  const std::vector<float> heavy = test::make_vector(test::Shape::kHeavyTailed, 300000, 9);
  const std::vector<float> sparse = test::make_vector(test::Shape::kSparse, 300000, 9);
  test::for_each_instruction_set([&] {
    for (const std::vector<float>* x : std::initializer_list<const std::vector<float>*>{
             &repeated, &ramp, &spike, &normal, &heavy, &sparse}) {
      for (const size_t k : {1, 300, 3000, 30000}) {
        const auto codec = make_codec("top-k:" + std::to_string(k));
        ASSERT_EQ(keep(*x, top_by_sort(*x, k)), round_trip(*codec, *x)) << "k " << k;
      }
    }
  });
}

TEST(TopK, ErrorIdentityAndContraction) {
  for (const test::Shape shape : test::kShapes) {
    for (const size_t n : {size_t{1000}, size_t{65537}}) {
      const std::vector<float> x = test::make_vector(shape, n, 21);
      const std::vector<float> y = round_trip(*make_codec("top-k:0.01"), x);
      const double whole = test::squared_norm_of(x);
      double error = 0;
      double top = 0;
      for (size_t i = 0; i < n; ++i) error += std::pow(static_cast<double>(x[i]) - y[i], 2);
      const size_t k = std::lround(0.01 * static_cast<double>(n));
      for (const size_t i : top_by_sort(x, k)) top += static_cast<double>(x[i]) * x[i];
      const double rounding = 1e-12 * whole;
      EXPECT_NEAR(whole - top, error, rounding) << name_of(shape);
      EXPECT_LE(error, (1 - static_cast<double>(k) / n) * whole + rounding) << name_of(shape);
    }
  }
}

TEST(TopK, FractionGivesTheNearestCountAndAtLeastOne) {
  const std::vector<float> x = test::make_vector(test::Shape::kRandom, 1000, 3);
  const std::pair<const char*, size_t> cases[] = {{"0.01", 10},  {"0.0001", 1}, {"0.0126", 13},
                                                  {"1.0", 1000}, {"0.07", 70},  {"1e-2", 10}};
  for (const auto& [fraction, k] : cases) {
    size_t bytes = 0;
    round_trip(*make_codec(std::string("top-k:") + fraction), x, &bytes);
    EXPECT_EQ(8 + elias_fano::bytes(1000, k) + 4 * k, bytes) << fraction;
  }
}

TEST(TopK, ANaNIsFoundWhereverItIs) {
  Pool pool;
  Rng rng = test::test_rng(2);
  for (const size_t n : {size_t{9}, size_t{40000}}) {
    for (const size_t at : {size_t{0}, n / 2, n - 1}) {
      for (const float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
        std::vector<float> x = test::make_vector(test::Shape::kRandom, n, 1);
        x[at] = bad;
        SharedBuffer wire;
        EXPECT_EQ(Reason::kNotFinite,
                  make_codec("top-k:0.01")->encode(copy_of(x, pool), rng, pool, wire).reason());
        EXPECT_FALSE(wire);
      }
    }
  }
}

// n = 1000, k = 3: l = 8, 3 + 3 bits of highs, 24 bits of lows (elias_fano.h).
struct [[gnu::packed]] Wire {
  uint32_t n = 1000, k = 3;
  uint8_t highs = 0b100101;         // 0, 1, 3
  uint8_t lows[3] = {0, 244, 231};  // so 0, 500, 999
  float values[3] = {1, 2, 3};
};

TEST(TopK, CheckAndDecodeRefuseTheSameWires) {
  const auto codec = make_codec("top-k:3");
  std::vector<std::pair<Wire, Reason>> cases(1, {Wire{}, Reason::kOk});
  const auto add = [&](Reason reason, auto change) {
    Wire wire;
    change(wire);
    cases.emplace_back(wire, reason);
  };
  add(Reason::kMalformed, [](Wire& w) { w.n = 1001; });
  add(Reason::kMalformed, [](Wire& w) { w.k = 2; });
  add(Reason::kMalformed, [](Wire& w) { w.k = ~0u; });
  add(Reason::kMalformed, [](Wire& w) { w.highs = 0b100011, w.lows[1] = 0; });    // 0, 0
  add(Reason::kMalformed, [](Wire& w) { w.highs = 0b110001, w.lows[1] = 232; });  // 1000 behind
  add(Reason::kMalformed, [](Wire& w) { w.lows[2] = 232; });                      // 1000
  add(Reason::kMalformed, [](Wire& w) { w.highs = 0b101; });
  add(Reason::kMalformed, [](Wire& w) { w.highs = 0b10100101; });
  add(Reason::kNotFinite, [](Wire& w) { w.values[0] = NAN; });
  add(Reason::kNotFinite, [](Wire& w) { w.values[2] = -INFINITY; });
  for (const auto& [wire, reason] : cases) {
    const test::Unaligned bytes(std::as_bytes(std::span(&wire, 1)));
    std::vector<float> y(1000);
    EXPECT_EQ(reason, codec->check(bytes.bytes(), 1000).reason());
    EXPECT_EQ(reason, codec->decode_add(bytes.bytes(), 1.0f, y).reason());
    if (reason != Reason::kOk) continue;
    std::vector<float> expected(1000);
    expected[0] = 1, expected[500] = 2, expected[999] = 3;
    EXPECT_EQ(expected, y);
  }
}

}  // namespace
}  // namespace kith
