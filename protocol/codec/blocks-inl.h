// Loops over blocks of values that are coded in one byte each, for files that foreach_target.h
// compiles once for each instruction set. A Format supplies what a codec does with one vector:
//
//   struct Format {
//     static constexpr size_t kNumbers;              // of a block
//     HWY_INLINE bool measure(const float* x, size_t n, float* numbers);
//         // false where the block cannot be sent; then `store` is not called
//     HWY_INLINE void store(const float* x, size_t v, uint8_t* codes);
//         // kWidth codes; v counts the vectors of a group
//     HWY_INLINE void scale(const float* numbers, float scale);
//     HWY_INLINE hn::Vec<FloatTag> load(const uint8_t* codes) const;
//         // of kWidth codes what they add to y
//   };
//
// Values are taken in groups of 64; the last one is filled up with zeros.
#if defined(KITH_BLOCKS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KITH_BLOCKS_INL_H_
#undef KITH_BLOCKS_INL_H_
#else
#define KITH_BLOCKS_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "protocol/codec/blocks.h"

HWY_BEFORE_NAMESPACE();
namespace kith::blocks::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using BitsTag = hn::RebindToUnsigned<FloatTag>;
using IntegerTag = hn::RebindToSigned<FloatTag>;
using ByteTag = hn::Rebind<uint8_t, FloatTag>;
constexpr FloatTag kFloats;
constexpr BitsTag kBits;
constexpr IntegerTag kIntegers;
constexpr ByteTag kBytes;
constexpr size_t kWidth = hn::MaxLanes(kFloats);
constexpr size_t kGroup = 64;

HWY_INLINE hn::Vec<FloatTag> times(hn::Vec<FloatTag> x, Step step) {
  return hn::Mul(hn::Mul(x, hn::Set(kFloats, step.factor)), hn::Set(kFloats, step.drop));
}

HWY_INLINE hn::Vec<FloatTag> times(hn::Vec<FloatTag> x, Scaling scaling) {
  return hn::Mul(hn::Mul(x, hn::Set(kFloats, scaling.lift)), hn::Set(kFloats, scaling.factor));
}

// Calls use(values, count) with each group of x; the last has zeros behind its `count` values.
template <class Use>
HWY_INLINE void for_each_group(const float* x, size_t n, const Use& use) {
  const size_t whole = n / kGroup * kGroup;
  for (size_t i = 0; i < whole; i += kGroup) use(x + i, kGroup);
  if (whole == n) return;
  alignas(64) float tail[kGroup] = {};
  std::memcpy(tail, x + whole, (n - whole) * sizeof(float));
  use(tail, n - whole);
}

// The largest |x| by its bits, of which NaN and infinity have the most.
HWY_INLINE uint32_t largest_bits(const float* x, size_t n) {
  constexpr size_t kChains = std::min<size_t>(4, kGroup / kWidth);
  hn::Vec<IntegerTag> most[kChains];
  for (auto& chain : most) chain = hn::Zero(kIntegers);
  for_each_group(x, n, [&](const float* group, size_t) HWY_ATTR {
    for (size_t j = 0; j < kGroup / kWidth; ++j) {
      const auto magnitude = hn::Abs(hn::LoadU(kFloats, group + j * kWidth));
      most[j % kChains] = hn::Max(most[j % kChains], hn::BitCast(kIntegers, magnitude));
    }
  });
  for (size_t j = 1; j < kChains; ++j) most[0] = hn::Max(most[0], most[j]);
  return static_cast<uint32_t>(hn::GetLane(hn::MaxOfLanes(kIntegers, most[0])));
}

// The largest |x|; false where that is not finite.
HWY_INLINE bool largest_magnitude(const float* x, size_t n, float& largest) {
  constexpr uint32_t kInfinity = 0x7f800000;
  const uint32_t bits = largest_bits(x, n);
  std::memcpy(&largest, &bits, sizeof largest);
  return bits < kInfinity;
}

template <class Format>
HWY_INLINE void encode_block(const float* x, size_t n, Format& format, uint8_t* codes) {
  for_each_group(x, n, [&](const float* group, size_t count) HWY_ATTR {
    uint8_t bytes[kGroup];
    uint8_t* to = count == kGroup ? codes : bytes;
    for (size_t v = 0; v < kGroup / kWidth; ++v) {
      format.store(group + v * kWidth, v, to + v * kWidth);
    }
    if (count < kGroup) std::memcpy(codes, bytes, count);
    codes += count;
  });
}

template <class Format>
HWY_INLINE bool encode(const float* x, size_t n, size_t block, uint8_t* numbers, uint8_t* codes,
                       Format& format) {
  for (size_t first = 0; first < n; first += block) {
    const size_t count = std::min(block, n - first);
    float own[Format::kNumbers];
    if (!format.measure(x + first, count, own)) return false;
    std::memcpy(numbers, own, sizeof own);
    numbers += sizeof own;
    encode_block(x + first, count, format, codes + first);
  }
  return true;
}

template <class Format>
HWY_INLINE void add_group(const uint8_t* codes, const Format& format, float* y) {
  for (size_t j = 0; j < kGroup; j += kWidth) {
    hn::StoreU(hn::Add(format.load(codes + j), hn::LoadU(kFloats, y + j)), kFloats, y + j);
  }
}

template <class Format>
HWY_INLINE void add(const uint8_t* numbers, const uint8_t* codes, float scale, size_t block,
                    float* y, size_t n, Format& format) {
  for (size_t first = 0; first < n; first += block) {
    const size_t end = std::min(n, first + block);
    float own[Format::kNumbers];
    std::memcpy(own, numbers, sizeof own);
    numbers += sizeof own;
    format.scale(own, scale);
    size_t i = first;
    for (; i + kGroup <= end; i += kGroup) add_group(codes + i, format, y + i);
    if (i == end) continue;
    uint8_t bytes[kGroup] = {};
    alignas(64) float tail[kGroup] = {};
    std::memcpy(bytes, codes + i, end - i);
    std::memcpy(tail, y + i, (end - i) * sizeof(float));
    add_group(bytes, format, tail);
    std::memcpy(y + i, tail, (end - i) * sizeof(float));
  }
}

}  // namespace kith::blocks::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
