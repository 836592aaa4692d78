// fp16 and bf16 against references that know nothing of bit tricks: each half is taken apart into
// sign, exponent and fraction; the nearest is looked for among the neighbours in a sorted table.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "protocol/codec.h"
#include "protocol/float16.h"
#include "tests/instruction_sets.h"
#include "tests/vectors.h"

namespace kith {
namespace {

struct Format {
  const char* name;
  int exponent_bits;
  int fraction_bits;
  float largest;
  bool (*narrow)(std::span<const float>, std::span<std::byte>);
  void (*axpy)(float, std::span<const std::byte>, std::span<float>);
};

const Format kFormats[] = {
    {"fp16", 5, 10, kLargestFp16, floats_to_fp16, axpy_fp16},
    {"bf16", 8, 7, kLargestBf16, floats_to_bf16, axpy_bf16},
};

// IEEE 754-2019 section 3.4.
double value_of(const Format& format, uint16_t half) {
  const int bias = (1 << (format.exponent_bits - 1)) - 1;
  const int exponent = (half >> format.fraction_bits) & ((1 << format.exponent_bits) - 1);
  const int fraction = half & ((1 << format.fraction_bits) - 1);
  const double sign = half & 0x8000 ? -1 : 1;
  if (exponent == (1 << format.exponent_bits) - 1) return sign * (fraction ? NAN : INFINITY);
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - format.fraction_bits);
  return sign *
         std::ldexp(fraction + (1 << format.fraction_bits), exponent - bias - format.fraction_bits);
}

std::vector<float> widen(const Format& format, std::span<const uint16_t> halves) {
  std::vector<float> y(halves.size(), -0.0f);
  format.axpy(1.0f, test::Unaligned(std::as_bytes(halves)).bytes(), y);
  return y;
}

std::vector<uint16_t> narrow(const Format& format, std::span<const float> x) {
  std::vector<uint16_t> halves(x.size());
  EXPECT_TRUE(format.narrow(x, std::as_writable_bytes(std::span(halves))));
  return halves;
}

std::vector<uint16_t> all_halves() {
  std::vector<uint16_t> halves(65536);
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  return halves;
}

TEST(Float16, AllHalvesWidenExactly) {
  const std::vector<uint16_t> halves = all_halves();
  for (const Format& format : kFormats) {
    test::for_each_instruction_set([&] {
      const std::vector<float> wide = widen(format, halves);
      for (size_t i = 0; i < halves.size(); ++i) {
        const double expected = value_of(format, halves[i]);
        if (std::isnan(expected)) {
          ASSERT_TRUE(std::isnan(wide[i])) << format.name << " " << i;
        } else {
          ASSERT_EQ(expected, wide[i]) << format.name << " " << i;
          ASSERT_EQ(std::signbit(expected), std::signbit(wide[i])) << format.name << " " << i;
        }
      }
    });
  }
}

TEST(Float16, AllFiniteHalvesRoundTrip) {
  for (const Format& format : kFormats) {
    std::vector<uint16_t> halves = all_halves();
    std::erase_if(halves, [&](uint16_t half) { return !std::isfinite(value_of(format, half)); });
    test::for_each_instruction_set(
        [&] { EXPECT_EQ(halves, narrow(format, widen(format, halves))) << format.name; });
  }
}

// Magnitudes of all finite non-negative halves, which are in the order of their bits.
std::vector<double> ascending(const Format& format) {
  std::vector<double> values;
  for (uint32_t half = 0; std::isfinite(value_of(format, static_cast<uint16_t>(half))); ++half) {
    values.push_back(value_of(format, static_cast<uint16_t>(half)));
  }
  return values;
}

uint16_t nearest(const std::vector<double>& values, float x) {
  const double magnitude = std::fabs(static_cast<double>(x));
  const auto above = std::ranges::lower_bound(values, magnitude);
  auto half = static_cast<uint16_t>(above - values.begin());
  if (half > 0) {
    const double up = *above - magnitude;
    const double down = magnitude - values[half - 1];
    if (down < up || (down == up && half % 2 == 1)) --half;
  }
  return half | (std::signbit(x) ? 0x8000 : 0);
}

// Every half, the midpoint to the next, and the floats beside the midpoint; and random bits.
std::vector<float> hard_floats(const Format& format, const std::vector<double>& values) {
  std::vector<float> x;
  for (size_t i = 0; i + 1 < values.size(); ++i) {
    const auto middle = static_cast<float>((values[i] + values[i + 1]) / 2);
    x.insert(x.end(), {middle, -middle, std::nextafter(middle, 0.0f),
                       -std::nextafter(middle, format.largest)});
  }
  Rng rng = test::test_rng(7);
  while (x.size() < 400000) {
    const auto value = std::bit_cast<float>(static_cast<uint32_t>(rng.next()));
    if (std::fabs(value) <= format.largest) x.push_back(value);
  }
  return x;
}

TEST(Float16, FloatsRoundToTheNearestTiesToEven) {
  for (const Format& format : kFormats) {
    const std::vector<double> values = ascending(format);
    const std::vector<float> x = hard_floats(format, values);
    test::for_each_instruction_set([&] {
      const std::vector<uint16_t> halves = narrow(format, x);
      for (size_t i = 0; i < x.size(); ++i) {
        ASSERT_EQ(nearest(values, x[i]), halves[i]) << format.name << " " << x[i];
      }
    });
  }
}

TEST(Float16, WhatIsBeyondTheLargestIsRefusedAtAnyPlace) {
  for (const Format& format : kFormats) {
    const float next = std::nextafter(format.largest, INFINITY);
    test::for_each_instruction_set([&] {
      for (size_t i = 0; i < 70; ++i) {
        std::vector<float> x(70, -format.largest);
        std::vector<std::byte> out(2 * x.size());
        EXPECT_TRUE(format.narrow(x, out));
        for (const float bad : {next, -next, INFINITY, -INFINITY, NAN, -NAN}) {
          x[i] = bad;
          EXPECT_FALSE(format.narrow(x, out)) << format.name << " " << bad << " at " << i;
        }
      }
    });
  }
}

TEST(Float16, CodecReportsOverflowAsNotFinite) {
  Pool pool;
  Rng rng = test::test_rng(1);
  SharedBuffer wire;
  EXPECT_EQ(Reason::kNotFinite,
            make_codec("fp16")
                ->encode(copy_of(std::vector<float>{1.0f, 65505.0f}, pool), rng, pool, wire)
                .reason());
  EXPECT_FALSE(wire);
  EXPECT_TRUE(make_codec("bf16")
                  ->encode(copy_of(std::vector<float>{1.0f, 65505.0f}, pool), rng, pool, wire)
                  .ok());
}

}  // namespace
}  // namespace kith
