// TernGrad (Wen, Xu, Yan, Wu, Wang, Chen, Li 2017), per block of d values:
//
//   Q(x)_i = ||x||_inf t_i,  t_i = sgn x_i Bernoulli(|x_i| / ||x||_inf) in {-1, 0, 1}
//
// Unbiased; E||Q(x) - x||^2 = ||x||_inf ||x||_1 - ||x||^2, at most (sqrt(d) - 1) / 2 ||x||^2 (one
// value of 1, the others 1 / (sqrt(d) + 1)).
//
// Wire (blocks.h): one number per block, ||x||_inf; five values in a byte, 1.6 bits each. The
// values are taken in groups of 5 rows of 64 (the last group: 5 rows of as few as hold it, the last
// filled up with zeros). Byte j of a group holds column j: with v = sum_r (t_r + 1) 3^(4-r) over
// the rows r it is ceil(256 v / 243), so that v / 243 are its bits behind a binary point:
// multiplied by 3 they give the digit of the first row before the point, again by 3 that of the
// second, and so on, without a division. Bytes that no sender writes give digits, too.
//
// Cost: one pass over memory, a second one over the block while it is in the L1 cache.
#include <cmath>

#include "protocol/codec/blocks.h"
#include "protocol/codec/random_lanes.h"
#include "protocol/vector_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "protocol/codec/terngrad.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

#include "protocol/codec/blocks-inl.h"
#include "protocol/codec/random_lanes-inl.h"

#ifndef KITH_TERNGRAD_SHARED
#define KITH_TERNGRAD_SHARED
namespace kith::terngrad {

constexpr size_t kRows = 5;
constexpr size_t kColumns = 64;
constexpr size_t kValues = kRows * kColumns;  // of a group
constexpr float kOne = 0x1p24f;               // probability 1 in units of the random bits

}  // namespace kith::terngrad
#endif  // KITH_TERNGRAD_SHARED

HWY_BEFORE_NAMESPACE();
namespace kith::terngrad::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace kith::blocks::HWY_NAMESPACE;  // NOLINT: vectors of floats, their bits and bytes
using random_lanes::HWY_NAMESPACE::Bits;
using random_lanes::HWY_NAMESPACE::kVectors;
using random_lanes::HWY_NAMESPACE::Random;

// t + 1.
HWY_INLINE Bits digit(hn::Vec<FloatTag> x, const Scaling& scaling, Bits random) {
  const auto probability = hn::NearestInt(times(hn::Abs(x), scaling));
  const auto draw = hn::BitCast(kIntegers, hn::ShiftRight<8>(random));
  const auto one = hn::Set(kIntegers, 1);
  // 1, or -1 where x is below 0: all bits of the sign, and the lowest one.
  const auto sign = hn::Or(hn::ShiftRight<31>(hn::BitCast(kIntegers, x)), one);
  const auto t = hn::IfThenElseZero(hn::Lt(draw, probability), sign);
  return hn::BitCast(kBits, hn::Add(t, one));
}

// One group. Sixteen columns at a time, row by row, whatever the vector width: so the draws of a
// generator come in the same order.
HWY_INLINE void encode_group(const float* x, const Scaling& scaling, Random& random,
                             uint8_t* codes) {
  for (size_t column = 0; column < kColumns; column += kRandomLanes) {
    Bits v[kVectors];
    for (size_t j = 0; j < kVectors; ++j) v[j] = hn::Zero(kBits);
    for (size_t row = 0; row < kRows; ++row) {
      for (size_t j = 0; j < kVectors; ++j) {
        const auto value = hn::LoadU(kFloats, x + row * kColumns + column + j * kWidth);
        const auto thrice = hn::Add(hn::Add(v[j], v[j]), v[j]);
        v[j] = hn::Add(thrice, digit(value, scaling, random.next(j)));
      }
    }
    for (size_t j = 0; j < kVectors; ++j) {
      // ceil(256 v / 243) for every v below 243.
      const auto scaled = hn::Mul(v[j], hn::Set(kBits, 8631));
      const auto code = hn::ShiftRight<13>(hn::Add(scaled, hn::Set(kBits, 8043)));
      hn::StoreU(hn::TruncateTo(kBytes, code), kBytes, codes + column + j * kWidth);
    }
  }
}

// y += unit * t.
HWY_INLINE void add_group(const uint8_t* codes, float unit, float* y) {
  const auto below_point = hn::Set(kBits, 0xff);
  const auto vunit = hn::Set(kFloats, unit);
  for (size_t column = 0; column < kColumns; column += kWidth) {
    auto rest = hn::PromoteTo(kBits, hn::LoadU(kBytes, codes + column));
    for (size_t row = 0; row < kRows; ++row) {
      float* to = y + row * kColumns + column;
      const auto thrice = hn::Add(hn::Add(rest, rest), rest);
      rest = hn::And(thrice, below_point);
      const auto digit = hn::BitCast(kIntegers, hn::ShiftRight<8>(thrice));
      const auto t = hn::ConvertTo(kFloats, hn::Sub(digit, hn::Set(kIntegers, 1)));
      hn::StoreU(hn::Add(hn::Mul(t, vunit), hn::LoadU(kFloats, to)), kFloats, to);
    }
  }
}

// The rows of a last group of n values, which has `columns` of them, at their places in a full one.
HWY_INLINE void spread(const float* x, size_t n, size_t columns, float* group) {
  std::fill(group, group + kValues, 0.0f);
  for (size_t i = 0; i < n; i += columns) {
    std::memcpy(group + i / columns * kColumns, x + i, std::min(columns, n - i) * sizeof(float));
  }
}

HWY_INLINE void gather(const float* group, size_t n, size_t columns, float* y) {
  for (size_t i = 0; i < n; i += columns) {
    std::memcpy(y + i, group + i / columns * kColumns, std::min(columns, n - i) * sizeof(float));
  }
}

bool encode_block_wise(const float* x, size_t n, size_t block, const RandomLanes& lanes,
                       uint8_t* numbers, uint8_t* codes) {
  Random random(lanes);
  for (size_t first = 0; first < n; first += block) {
    const size_t end = std::min(n, first + block);
    float largest;
    if (!largest_magnitude(x + first, end - first, largest)) return false;
    std::memcpy(numbers, &largest, sizeof largest);
    numbers += sizeof largest;
    const Scaling scaling = scaling_to(kOne, largest);
    size_t i = first;
    for (; i + kValues <= end; i += kValues) {
      encode_group(x + i, scaling, random, codes + i / kRows);
    }
    if (i == end) continue;
    const size_t columns = (end - i + kRows - 1) / kRows;
    alignas(64) float group[kValues];
    uint8_t bytes[kColumns];
    spread(x + i, end - i, columns, group);
    encode_group(group, scaling, random, bytes);
    std::memcpy(codes + i / kRows, bytes, columns);
  }
  return true;
}

void add_block_wise(const uint8_t* numbers, const uint8_t* codes, float scale, size_t block,
                    float* y, size_t n) {
  for (size_t first = 0; first < n; first += block) {
    const size_t end = std::min(n, first + block);
    const float unit = scale * load_number(numbers);
    numbers += sizeof unit;
    size_t i = first;
    for (; i + kValues <= end; i += kValues) add_group(codes + i / kRows, unit, y + i);
    if (i == end) continue;
    const size_t columns = (end - i + kRows - 1) / kRows;
    alignas(64) float group[kValues];
    uint8_t bytes[kColumns] = {};
    std::memcpy(bytes, codes + i / kRows, columns);
    spread(y + i, end - i, columns, group);
    add_group(bytes, unit, group);
    gather(group, end - i, columns, y + i);
  }
}

}  // namespace kith::terngrad::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith {

namespace terngrad {

HWY_EXPORT(encode_block_wise);
HWY_EXPORT(add_block_wise);

namespace {

constexpr size_t kDefaultBlock = 640;

class TernGrad final : public BlockCodec {
 public:
  explicit TernGrad(size_t block) : BlockCodec("terngrad", block, 1) {}

  double variance_bound(size_t n) const override {
    return rounding_variance(std::min(block(), n), 1);
  }

 private:
  size_t code_bytes(size_t n) const override { return (n + kRows - 1) / kRows; }

  std::optional<double> block_error(std::span<const float> x) const override {
    const double largest = largest_magnitude(x);
    double sum = 0;
    for (const float value : x) {
      const double magnitude = std::fabs(static_cast<double>(value));
      sum += magnitude * (largest - magnitude);
    }
    return sum;
  }

  bool encode_blocks(std::span<const float> x, Rng& rng, uint8_t* numbers,
                     uint8_t* codes) const override {
    const RandomLanes lanes = seed_lanes(rng);
    return HWY_DYNAMIC_DISPATCH(encode_block_wise)(x.data(), x.size(), block(), lanes, numbers,
                                                   codes);
  }

  void add_blocks(const uint8_t* numbers, const uint8_t* codes, float scale,
                  std::span<float> y) const override {
    HWY_DYNAMIC_DISPATCH(add_block_wise)(numbers, codes, scale, block(), y.data(), y.size());
  }
};

}  // namespace

}  // namespace terngrad

extern const CodecInfo terngrad_codec = {
    .name = "terngrad",
    .argument = "block, a multiple of 320; 640 if absent",
    .help = "each block's largest magnitude with sign, or 0, at random: 1.6 bits; unbiased",
    .example = "terngrad",
    .make = [](const std::string& argument) -> std::unique_ptr<Codec> {
      return std::make_unique<terngrad::TernGrad>(parse_block(
          "terngrad", argument, terngrad::kValues, kLargestBlock, terngrad::kDefaultBlock));
    },
};

}  // namespace kith
#endif  // HWY_ONCE
