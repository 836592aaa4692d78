// Bytes between the least and the largest value of a block (Jacob et al. 2018, without a zero
// point):
//
//   q_i = round(255 (x_i - min) / (max - min)),  Q(x)_i = min + q_i (max - min) / 255
//
// to the nearest, ties to even. No value loses more than (max - min) / 510. A contraction: the loss
// of d values is at most d (max - min)^2 / 510^2, while ||x||^2 >= (max - min)^2 / 2, so that
// delta >= 1 - d / 130050; hence a block of at most 65536. Unlike in `int8` a zero may come back
// as something else, and a block that is constant loses nothing. Magnitudes beyond 2^126 are
// refused as kNotFinite: the range could be no float.
//
// Wire (blocks.h): two numbers per block, min and max; one byte per value.
//
// Cost: one pass over memory, a second one over the block while it is in the L1 cache.
#include "protocol/codec/blocks.h"
#include "protocol/vector_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "protocol/codec/int8_minmax.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "protocol/codec/blocks-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kith::int8_minmax::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace kith::blocks::HWY_NAMESPACE;  // NOLINT: the vocabulary of a Format

constexpr float kLevels = 255;
constexpr int32_t kBeyond = 0x7e800000;  // the bits of 2^126

// Integers in the order of the floats (-0 before 0); NaN and infinity are beyond all others on
// either side. Its own inverse.
HWY_INLINE int32_t ordered(int32_t bits) { return bits ^ ((bits >> 31) & 0x7fffffff); }

HWY_INLINE hn::Vec<IntegerTag> ordered(hn::Vec<FloatTag> x) {
  const auto bits = hn::BitCast(kIntegers, x);
  return hn::Xor(bits, hn::And(hn::ShiftRight<31>(bits), hn::Set(kIntegers, 0x7fffffff)));
}

HWY_INLINE float value_of(int32_t order) {
  const int32_t bits = ordered(order);
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// The least and the largest value; false where one is beyond 2^126 or NaN. Zeros that fill up the
// last group must not count, so that is filled with the block's first value.
HWY_INLINE bool extremes(const float* x, size_t n, float* both) {
  auto least = hn::Set(kIntegers, INT32_MAX);
  auto most = hn::Set(kIntegers, INT32_MIN);
  const auto take = [&](const float* group) HWY_ATTR {
    for (size_t j = 0; j < kGroup; j += kWidth) {
      const auto v = ordered(hn::LoadU(kFloats, group + j));
      least = hn::Min(least, v);
      most = hn::Max(most, v);
    }
  };
  size_t i = 0;
  for (; i + kGroup <= n; i += kGroup) take(x + i);
  if (i < n) {
    alignas(64) float tail[kGroup];
    std::fill(tail, tail + kGroup, x[0]);
    std::memcpy(tail, x + i, (n - i) * sizeof(float));
    take(tail);
  }
  const int32_t low = hn::GetLane(hn::MinOfLanes(kIntegers, least));
  const int32_t high = hn::GetLane(hn::MaxOfLanes(kIntegers, most));
  both[0] = value_of(low);
  both[1] = value_of(high);
  return low >= ordered(kBeyond | INT32_MIN) && high <= kBeyond;
}

struct MinMax {
  static constexpr size_t kNumbers = 2;

  HWY_INLINE bool measure(const float* x, size_t n, float* both) {
    if (!extremes(x, n, both)) return false;
    // A range near the subnormal numbers is raised first: so its values are small as well.
    const double range = static_cast<double>(both[1]) - both[0];
    lift = range > 0 && range < 0x1p-60 ? 0x1p60f : 1.0f;
    least = both[0] * lift;
    factor = range > 0 ? static_cast<float>(kLevels / (range * lift)) : 0;
    return true;
  }

  HWY_INLINE void store(const float* x, size_t, uint8_t* codes) {
    const auto lifted = hn::Mul(hn::LoadU(kFloats, x), hn::Set(kFloats, lift));
    const auto above = hn::Sub(lifted, hn::Set(kFloats, least));
    const auto q = hn::NearestInt(hn::Mul(above, hn::Set(kFloats, factor)));
    hn::StoreU(hn::DemoteTo(kBytes, q), kBytes, codes);  // saturates
  }

  HWY_INLINE void scale(const float* both, float scale) {
    const double range = static_cast<double>(both[1]) - both[0];
    base = scale * both[0];
    step = step_to(static_cast<double>(scale) * range, kLevels);
  }

  HWY_INLINE hn::Vec<FloatTag> load(const uint8_t* codes) const {
    const auto q = hn::PromoteTo(kIntegers, hn::LoadU(kBytes, codes));
    return hn::Add(times(hn::ConvertTo(kFloats, q), step), hn::Set(kFloats, base));
  }

  float lift, least, factor;  // to code
  float base;                 // to decode
  Step step;
};

bool encode_block_wise(const float* x, size_t n, size_t block, uint8_t* numbers, uint8_t* codes) {
  MinMax format;
  return encode(x, n, block, numbers, codes, format);
}

void add_block_wise(const uint8_t* numbers, const uint8_t* codes, float scale, size_t block,
                    float* y, size_t n) {
  MinMax format;
  add(numbers, codes, scale, block, y, n, format);
}

}  // namespace kith::int8_minmax::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith {

namespace int8_minmax {

HWY_EXPORT(encode_block_wise);
HWY_EXPORT(add_block_wise);

namespace {

constexpr size_t kLargest = 65536;  // still a contraction

class MinMaxInt8 final : public BlockCodec {
 public:
  explicit MinMaxInt8(size_t block) : BlockCodec("int8-minmax", block, 2) {}

 private:
  bool plausible(const float* numbers) const override { return numbers[0] <= numbers[1]; }

  bool encode_blocks(std::span<const float> x, Rng&, uint8_t* numbers,
                     uint8_t* codes) const override {
    return HWY_DYNAMIC_DISPATCH(encode_block_wise)(x.data(), x.size(), block(), numbers, codes);
  }

  void add_blocks(const uint8_t* numbers, const uint8_t* codes, float scale,
                  std::span<float> y) const override {
    HWY_DYNAMIC_DISPATCH(add_block_wise)(numbers, codes, scale, block(), y.data(), y.size());
  }
};

}  // namespace

}  // namespace int8_minmax

extern const CodecInfo int8_minmax_codec = {
    .name = "int8-minmax",
    .argument = "block, a multiple of 64 up to 65536; 2048 if absent",
    .help = "bytes between the least and the largest value of each block, to the nearest; biased",
    .example = "int8-minmax",
    .make = [](const std::string& argument) -> std::unique_ptr<Codec> {
      using namespace int8_minmax;  // NOLINT
      return std::make_unique<MinMaxInt8>(
          parse_block("int8-minmax", argument, kByteStep, kLargest, kByteBlock));
    },
};

}  // namespace kith
#endif  // HWY_ONCE
