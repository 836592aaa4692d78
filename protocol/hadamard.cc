#include "protocol/hadamard.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "protocol/vector_targets.h"
#include "topology/assert.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "protocol/hadamard.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace kith::hadamard::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using BitsTag = hn::RebindToUnsigned<FloatTag>;
using Floats = hn::Vec<FloatTag>;
constexpr FloatTag kFloats;
constexpr BitsTag kBits;
constexpr size_t kWidth = hn::MaxLanes(kFloats);

// Stages of one pass over memory: 2^kMostStages vectors are in registers at once.
constexpr size_t kMostStages = kWidth == 16 ? 4 : 3;
static_assert(kLeast / kWidth >= 8, "the first pass takes three stages at least");

// Lanes whose number has the bit kStride, as their sign bits.
template <size_t kStride>
HWY_INLINE Floats upper_signs() {
  const auto stride = hn::Set(kBits, uint32_t{kStride});
  const auto upper = hn::Eq(hn::And(hn::Iota(kBits, 0), stride), stride);
  return hn::BitCast(kFloats, hn::IfThenElseZero(upper, hn::Set(kBits, 0x80000000u)));
}

// Lane i takes the value of lane i ^ kStride; kStride < kWidth.
template <size_t kStride>
HWY_INLINE Floats exchanged(Floats v) {
#if HWY_TARGET != HWY_SCALAR
  if constexpr (kStride == 1) return hn::Shuffle2301(v);
  if constexpr (kStride == 2) return hn::Shuffle1032(v);
#endif
#if HWY_MAX_BYTES > 16
  if constexpr (kStride == 4) return hn::SwapAdjacentBlocks(v);
  if constexpr (kStride == 8) return hn::ConcatLowerUpper(kFloats, v, v);
#endif
  return v;
}

// (a, b) -> (a + b, a - b) for the lanes of one vector; a - b as a + (-b).
template <size_t kStride>
HWY_INLINE Floats within(Floats v) {
  if constexpr (kStride < kWidth) {
    return hn::Add(exchanged<kStride>(v), hn::Xor(v, upper_signs<kStride>()));
  } else {
    return v;
  }
}

HWY_INLINE Floats all_within(Floats v) { return within<8>(within<4>(within<2>(within<1>(v)))); }

HWY_INLINE void butterfly(Floats& a, Floats& b) {
  const Floats sum = hn::Add(a, b);
  b = hn::Sub(a, b);
  a = sum;
}

// The stage that pairs register i with register i + kStride; every index is a constant, so that the
// array never goes to memory.
template <size_t kStride, size_t... kPair>
HWY_INLINE void stage(Floats* v, std::index_sequence<kPair...>) {
  (butterfly(v[kPair / kStride * 2 * kStride + kPair % kStride],
             v[kPair / kStride * 2 * kStride + kPair % kStride + kStride]),
   ...);
}

template <size_t kStride, size_t kCount>
HWY_INLINE void stages_from(Floats* v) {
  if constexpr (kStride < kCount) {
    stage<kStride>(v, std::make_index_sequence<kCount / 2>());
    stages_from<2 * kStride, kCount>(v);
  }
}

template <bool kFirst, size_t... kIndex>
HWY_INLINE void transform(float* at, size_t stride, std::index_sequence<kIndex...>) {
  Floats v[] = {hn::LoadU(kFloats, at + kIndex * stride)...};
  if constexpr (kFirst) ((v[kIndex] = all_within(v[kIndex])), ...);
  stages_from<1, sizeof...(kIndex)>(v);
  (hn::StoreU(v[kIndex], kFloats, at + kIndex * stride), ...);
}

// kStages stages with the strides stride, 2 stride, ..; the first pass begins within vectors.
template <bool kFirst, size_t kStages>
HWY_INLINE void pass(float* r, size_t d, size_t stride) {
  constexpr size_t kCount = size_t{1} << kStages;
  for (size_t base = 0; base < d; base += kCount * stride) {
    for (size_t i = base; i < base + stride; i += kWidth) {
      transform<kFirst>(r + i, stride, std::make_index_sequence<kCount>());
    }
  }
}

// r = sqrt(d) H r
void walsh_hadamard(float* r, size_t d) {
  const auto all = static_cast<size_t>(std::countr_zero(d / kWidth));
  size_t done = all < kMostStages ? all : kMostStages;  // 3 at least, by kLeast
  if (done == 4) pass<true, kMostStages>(r, d, kWidth);
  if (done == 3) pass<true, 3>(r, d, kWidth);
  while (done < all) {
    const size_t stride = kWidth << done;
    const size_t stages = all - done < kMostStages ? all - done : kMostStages;
    if (stages == 4) pass<false, kMostStages>(r, d, stride);
    if (stages == 3) pass<false, 3>(r, d, stride);
    if (stages == 2) pass<false, 2>(r, d, stride);
    if (stages == 1) pass<false, 1>(r, d, stride);
    done += stages;
  }
}

// The values times `factor`, or times -factor where the lowest kWidth bits of `signs` say so.
HWY_INLINE Floats signed_product(Floats v, uint64_t signs, float factor) {
  uint8_t bytes[sizeof signs];
  std::memcpy(bytes, &signs, sizeof signs);
  const auto minus = hn::LoadMaskBits(kFloats, bytes);
  const auto plus = hn::Set(kFloats, factor);
  return hn::Mul(v, hn::IfThenElse(minus, hn::Neg(plus), plus));
}

// r = factor D x; r and x may be the same.
void apply_signs(const uint64_t* signs, const float* x, float factor, float* r, size_t d) {
  for (size_t i = 0; i < d; i += 64) {
    for (size_t j = 0; j < 64; j += kWidth) {
      const auto v = hn::LoadU(kFloats, x + i + j);
      hn::StoreU(signed_product(v, signs[i / 64] >> j, factor), kFloats, r + i + j);
    }
  }
}

// y += factor D r
void add_signed(const uint64_t* signs, const float* r, float factor, float* y, size_t d) {
  for (size_t i = 0; i < d; i += 64) {
    for (size_t j = 0; j < 64; j += kWidth) {
      const auto v = hn::LoadU(kFloats, r + i + j);
      const auto product = signed_product(v, signs[i / 64] >> j, factor);
      hn::StoreU(hn::Add(product, hn::LoadU(kFloats, y + i + j)), kFloats, y + i + j);
    }
  }
}

}  // namespace kith::hadamard::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith::hadamard {

HWY_EXPORT(walsh_hadamard);
HWY_EXPORT(apply_signs);
HWY_EXPORT(add_signed);

namespace {

constexpr size_t kSignWords = kLargest / 64;

using SignWords = std::array<uint64_t, kSignWords>;

// SplitMix64's output for one state.
uint64_t mixed(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

void draw_signs(const Rotation& rotation, size_t round, size_t d, SignWords& signs) {
  const uint64_t word = rotation.first / 64;
  for (size_t w = 0; w < d / 64; ++w) {
    const uint64_t number = 4 * (word + w) + round + 1;
    signs[w] = mixed(rotation.seed + number * 0x9e3779b97f4a7c15);
  }
}

bool is_block(size_t d) { return std::has_single_bit(d) && d >= kLeast && d <= kLargest; }

}  // namespace

size_t block_length(size_t rest) { return std::clamp(std::bit_floor(rest), kLeast, kLargest); }

size_t block_count(size_t n) {
  const size_t powers = std::popcount(n % kLargest / kLeast);
  return n / kLargest + powers + (n % kLeast != 0 ? 1 : 0);
}

size_t padded_length(size_t n) { return (n + kLeast - 1) / kLeast * kLeast; }

void rotate(const Rotation& rotation, std::span<const float> x, float factor,
            std::span<float> out) {
  const size_t d = out.size();
  KITH_ASSERT(is_block(d) && x.size() <= d && rotation.first % 64 == 0);
  const float* from = x.data();
  if (x.size() < d) {
    std::copy(x.begin(), x.end(), out.begin());
    std::fill(out.begin() + static_cast<ptrdiff_t>(x.size()), out.end(), 0.0f);
    from = out.data();
  }
  SignWords signs;
  for (size_t round = 0; round < rotation.rounds; ++round) {
    draw_signs(rotation, round, d, signs);
    HWY_DYNAMIC_DISPATCH(apply_signs)(signs.data(), from, factor, out.data(), d);
    HWY_DYNAMIC_DISPATCH(walsh_hadamard)(out.data(), d);
    from = out.data();
    factor = 1;
  }
}

void rotate_back_add(const Rotation& rotation, std::span<float> r, float factor,
                     std::span<float> y) {
  const size_t d = r.size();
  KITH_ASSERT(is_block(d) && y.size() <= d && rotation.first % 64 == 0);
  SignWords signs;
  for (size_t round = rotation.rounds - 1; round > 0; --round) {
    HWY_DYNAMIC_DISPATCH(walsh_hadamard)(r.data(), d);
    draw_signs(rotation, round, d, signs);
    HWY_DYNAMIC_DISPATCH(apply_signs)(signs.data(), r.data(), 1, r.data(), d);
  }
  HWY_DYNAMIC_DISPATCH(walsh_hadamard)(r.data(), d);
  draw_signs(rotation, 0, d, signs);
  if (y.size() == d) {
    HWY_DYNAMIC_DISPATCH(add_signed)(signs.data(), r.data(), factor, y.data(), d);
    return;
  }
  HWY_DYNAMIC_DISPATCH(apply_signs)(signs.data(), r.data(), factor, r.data(), d);
  for (size_t i = 0; i < y.size(); ++i) y[i] = r[i] + y[i];
}

}  // namespace kith::hadamard
#endif  // HWY_ONCE
