// Floats of 8 bits (Micikevicius et al. 2022, table 1), against a table made of their definition:
// every code, and the nearest one of every value.
#include "tests/instruction_sets.h"
#include "tests/unit/codec_round_trip.h"

namespace kith {
namespace {

struct Layout {
  const char* spec;
  int fraction_bits;
  int bias;
  int largest_code;  // the finite ones end here
  float largest;
};

const Layout kLayouts[] = {{"fp8:e4m3", 3, 7, 0x7e, 448}, {"fp8:e5m2", 2, 15, 0x7b, 57344}};

float value_of(const Layout& layout, int code) {
  const int exponent = (code & 0x7f) >> layout.fraction_bits;
  const int fraction = code & ((1 << layout.fraction_bits) - 1);
  const int hidden = exponent > 0 ? 1 << layout.fraction_bits : 0;
  const int power = std::max(exponent, 1) - layout.bias - layout.fraction_bits;
  const float magnitude = std::ldexp(static_cast<float>(hidden + fraction), power);
  return code >= 128 ? -magnitude : magnitude;
}

// The code of the nearest value, the even one of two.
int nearest(const Layout& layout, float magnitude) {
  int best = 0;
  for (int code = 1; code <= layout.largest_code; ++code) {
    const double distance = std::fabs(static_cast<double>(value_of(layout, code)) - magnitude);
    const double least = std::fabs(static_cast<double>(value_of(layout, best)) - magnitude);
    if (distance < least || (distance == least && code % 2 == 0)) best = code;
  }
  return best;
}

TEST(Fp8, TheTableHasThePapersLimits) {
  for (const Layout& layout : kLayouts) {
    EXPECT_EQ(layout.largest, value_of(layout, layout.largest_code));
  }
  EXPECT_EQ(0x1p-9f, value_of(kLayouts[0], 1));
  EXPECT_EQ(0x1p-6f, value_of(kLayouts[0], 8));
  EXPECT_EQ(0x1p-16f, value_of(kLayouts[1], 1));
  EXPECT_EQ(0x1p-14f, value_of(kLayouts[1], 4));
}

// A block with the largest value of the format has a scale of 1.
TEST(Fp8, EveryCodeIsItsValueOnEveryInstructionSet) {
  for (const Layout& layout : kLayouts) {
    const auto codec = make_codec(layout.spec);
    std::vector<float> x(256);
    x[0] = layout.largest;
    test::for_each_instruction_set([&] {
      std::vector<std::byte> wire = test::encoded(*codec, x);
      for (size_t i = 0; i < 256; ++i) wire[8 + i] = static_cast<std::byte>(i);
      const std::vector<float> y = test::decoded(*codec, wire, 256);
      for (size_t i = 0; i < 256; ++i) {
        ASSERT_EQ(value_of(layout, static_cast<int>(i)), y[i]) << layout.spec << " " << i;
      }
    });
  }
}

// All values of the format, all midpoints, what is just beside them, and random values.
std::vector<float> interesting_values(const Layout& layout, Rng& rng) {
  std::vector<float> x;
  for (int code = 0; code < layout.largest_code; ++code) {
    const float low = value_of(layout, code);
    const float middle = (low + value_of(layout, code + 1)) / 2;
    for (const float v : {low, middle}) {
      x.insert(x.end(), {std::nextafter(v, 0.0f), v, std::nextafter(v, INFINITY), -v});
    }
  }
  for (int i = 0; i < 3000; ++i) {
    x.push_back(static_cast<float>((rng.uniform() - 0.5) * std::exp(12 * rng.uniform() - 8)));
  }
  return x;
}

TEST(Fp8, RoundsToTheNearestTiesToEvenOnEveryInstructionSet) {
  for (const Layout& layout : kLayouts) {
    const auto codec = make_codec(std::string(layout.spec) + ":64");
    Rng rng = test::test_rng(3);
    const std::vector<float> values = interesting_values(layout, rng);
    std::vector<float> x;  // every block with the largest value: a scale of 1
    for (const float v : values) {
      if (x.size() % 64 == 0) x.push_back(layout.largest);
      x.push_back(v);
    }
    const size_t blocks = (x.size() + 63) / 64;
    test::for_each_instruction_set([&] {
      const std::vector<std::byte> wire = test::encoded(*codec, x);
      ASSERT_EQ(4 + 4 * blocks + x.size(), wire.size());
      for (size_t i = 0; i < x.size(); ++i) {
        const auto code = std::to_integer<int>(wire[4 + 4 * blocks + i]);
        ASSERT_EQ(nearest(layout, std::fabs(x[i])), code & 0x7f) << layout.spec << " " << x[i];
        ASSERT_EQ(std::signbit(x[i]), code >= 128);
      }
    });
  }
}

// Half of the last place of a normal number, half of the least step of the others.
TEST(Fp8, NoValueLosesMoreThanItsPlace) {
  for (const Layout& layout : kLayouts) {
    const auto codec = make_codec(layout.spec);
    const double relative = std::ldexp(0.5, -layout.fraction_bits);
    for (const test::Shape shape : test::kShapes) {
      for (const size_t n : {1, 2, 3, 7, 8, 9, 1000, 65537, 1 << 20, (1 << 20) + 3}) {
        const std::vector<float> x = test::make_vector(shape, n, n + 3);
        const std::vector<float> y = test::round_trip(*codec, x);
        for (size_t first = 0; first < x.size(); first += 2048) {
          const auto block = std::span(x).subspan(first, std::min<size_t>(2048, n - first));
          const double unit = static_cast<double>(test::largest_of(block)) / layout.largest;
          const double step = value_of(layout, 1) * unit;
          for (size_t i = first; i < first + block.size(); ++i) {
            const double error = std::fabs(static_cast<double>(y[i]) - x[i]);
            const double size = std::fabs(x[i]);
            ASSERT_LE(error, std::max(relative * size, step / 2) * (1 + 1e-5) + 0x1p-150);
            ASSERT_LE(error, size * (1 + 1e-5) + 0x1p-150);
          }
        }
      }
    }
  }
}

TEST(Fp8, HoldsTheWholeRangeOfTheFloats) {
  for (const char* spec : {"fp8:e4m3", "fp8:e5m2"}) {
    for (const float largest : {std::numeric_limits<float>::max(), 0x1p-126f, 0x1p-149f}) {
      const std::vector<float> x = {largest, -largest, 0, largest};
      const std::vector<float> y = test::round_trip(*make_codec(spec), x);
      for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], y[i], 1e-6f * largest) << spec;
    }
  }
}

TEST(Fp8, WantsAFormat) {
  for (const char* spec : {"fp8", "fp8:", "fp8:e3m4", "fp8:64", "fp8:e4m3x", "fp8:e5m2:63"}) {
    EXPECT_THROW(make_codec(spec), OperatorError) << spec;
  }
  EXPECT_EQ("fp8:e5m2:64", make_codec("fp8:e5m2:64")->describe());
}

}  // namespace
}  // namespace kith
