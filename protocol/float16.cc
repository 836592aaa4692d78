#include "protocol/float16.h"

#include <bit>
#include <cstring>

#include "protocol/vector_targets.h"
#include "topology/assert.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "protocol/float16.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

// The conversions are integer arithmetic on the bits of a float, written once for vectors (one lane
// serves the remainder): the instructions for it are not on every machine.
HWY_BEFORE_NAMESPACE();
namespace kith::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr uint32_t kSign = 0x80000000;

struct Fp16 {
  static constexpr uint32_t kLargest = 0x477fe000;  // 65504

  // `magnitude`: bits of |x| <= 65504.
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V narrow(D bits, V magnitude) {
    const hn::RebindToFloat<D> floats;
    // Normal: move the exponent's bias from 127 to 15 and round away the lower 13 bits.
    const V odd = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(bits, 1));
    const V rebiased = hn::Sub(magnitude, hn::Set(bits, ((127 - 15) << 23) - 0xfff));
    const V normal = hn::ShiftRight<13>(hn::Add(rebiased, odd));
    // Below 2^-14: one half has steps of 2^-24, so adding it rounds to them.
    const auto half = hn::Set(floats, 0.5f);
    const V tiny = hn::Sub(hn::BitCast(bits, hn::Add(hn::BitCast(floats, magnitude), half)),
                           hn::BitCast(bits, half));
    const auto is_tiny = hn::Lt(hn::BitCast(floats, magnitude), hn::Set(floats, 0x1p-14f));
    return hn::IfThenElse(hn::RebindMask(bits, is_tiny), tiny, normal);
  }

  // Bits of the float whose magnitude the lower 15 bits of `half` give.
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V widen(D bits, V half) {
    const hn::RebindToFloat<D> floats;
    const V moved = hn::ShiftLeft<13>(half);
    const V exponent = hn::And(moved, hn::Set(bits, 0x1f << 23));
    const V normal = hn::Add(moved, hn::Set(bits, (127 - 15) << 23));
    // Infinity and NaN: the largest exponent again.
    const V special = hn::Add(normal, hn::Set(bits, (128 - 16) << 23));
    // Subnormal: build 2^-14 * (1 + f) and take 2^-14 away.
    const auto least = hn::Set(floats, 0x1p-14f);
    const auto built = hn::BitCast(floats, hn::Add(normal, hn::Set(bits, 1 << 23)));
    const V tiny = hn::BitCast(bits, hn::Sub(built, least));
    const V finite = hn::IfThenElse(hn::Eq(exponent, hn::Zero(bits)), tiny, normal);
    return hn::IfThenElse(hn::Eq(exponent, hn::Set(bits, 0x1f << 23)), special, finite);
  }
};

struct Bf16 {
  static constexpr uint32_t kLargest = 0x7f7f0000;

  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V narrow(D bits, V magnitude) {
    const V odd = hn::And(hn::ShiftRight<16>(magnitude), hn::Set(bits, 1));
    return hn::ShiftRight<16>(hn::Add(hn::Add(magnitude, hn::Set(bits, 0x7fff)), odd));
  }

  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V widen(D, V half) {
    return hn::ShiftLeft<16>(half);
  }
};

// Signed comparison serves: both sides have a clear sign bit.
template <class D, class V = hn::Vec<D>>
HWY_INLINE hn::Vec<hn::RebindToSigned<D>> excess(D, V magnitude, uint32_t largest) {
  const hn::RebindToSigned<D> integers;
  const auto limit = hn::Set(integers, static_cast<int32_t>(largest));
  return hn::VecFromMask(integers, hn::Gt(hn::BitCast(integers, magnitude), limit));
}

template <class Format, class D>
HWY_INLINE hn::Vec<D> pack(D bits, hn::Vec<D> x) {
  const auto sign = hn::ShiftRight<16>(hn::And(x, hn::Set(bits, kSign)));
  return hn::Or(Format::narrow(bits, hn::AndNot(hn::Set(bits, kSign), x)), sign);
}

template <class Format, class D>
HWY_INLINE hn::Vec<D> unpack(D bits, hn::Vec<D> half) {
  const auto sign = hn::ShiftLeft<16>(hn::And(half, hn::Set(bits, 0x8000)));
  return hn::Or(Format::widen(bits, hn::And(half, hn::Set(bits, 0x7fff))), sign);
}

template <class Format>
bool encode(const float* x, uint8_t* out, size_t n) {
  const hn::ScalableTag<uint32_t> bits;
  const hn::RebindToSigned<decltype(bits)> integers;
  const hn::RebindToFloat<decltype(bits)> floats;
  const hn::Rebind<uint16_t, decltype(bits)> halves;
  constexpr size_t kWidth = hn::MaxLanes(bits);
  auto beyond = hn::Zero(integers);
  size_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    const auto v = hn::BitCast(bits, hn::LoadU(floats, x + i));
    const auto magnitude = hn::AndNot(hn::Set(bits, kSign), v);
    beyond = hn::Or(beyond, excess(bits, magnitude, Format::kLargest));
    HWY_ALIGN uint16_t packed[kWidth];
    hn::Store(hn::TruncateTo(halves, pack<Format>(bits, v)), halves, packed);
    std::memcpy(out + 2 * i, packed, sizeof packed);
  }
  bool fits = hn::AllTrue(integers, hn::Eq(beyond, hn::Zero(integers)));
  const hn::CappedTag<uint32_t, 1> one;
  for (; i < n; ++i) {
    const auto v = std::bit_cast<uint32_t>(x[i]);
    fits &= (v & ~kSign) <= Format::kLargest;
    const auto packed = static_cast<uint16_t>(hn::GetLane(pack<Format>(one, hn::Set(one, v))));
    std::memcpy(out + 2 * i, &packed, sizeof packed);
  }
  return fits;
}

template <class Format>
void axpy(float a, const uint8_t* x, float* y, size_t n) {
  const hn::ScalableTag<uint32_t> bits;
  const hn::RebindToFloat<decltype(bits)> floats;
  const hn::Rebind<uint16_t, decltype(bits)> halves;
  constexpr size_t kWidth = hn::MaxLanes(bits);
  const auto va = hn::Set(floats, a);
  size_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    HWY_ALIGN uint16_t packed[kWidth];
    std::memcpy(packed, x + 2 * i, sizeof packed);
    const auto half = hn::PromoteTo(bits, hn::Load(halves, packed));
    const auto value = hn::BitCast(floats, unpack<Format>(bits, half));
    hn::StoreU(hn::Add(hn::Mul(va, value), hn::LoadU(floats, y + i)), floats, y + i);
  }
  const hn::CappedTag<uint32_t, 1> one;
  for (; i < n; ++i) {
    uint16_t packed;
    std::memcpy(&packed, x + 2 * i, sizeof packed);
    const uint32_t value = hn::GetLane(unpack<Format>(one, hn::Set(one, uint32_t{packed})));
    y[i] = a * std::bit_cast<float>(value) + y[i];
  }
}

bool encode_fp16(const float* x, uint8_t* out, size_t n) { return encode<Fp16>(x, out, n); }
bool encode_bf16(const float* x, uint8_t* out, size_t n) { return encode<Bf16>(x, out, n); }
void add_fp16(float a, const uint8_t* x, float* y, size_t n) { axpy<Fp16>(a, x, y, n); }
void add_bf16(float a, const uint8_t* x, float* y, size_t n) { axpy<Bf16>(a, x, y, n); }

}  // namespace kith::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith {

static_assert(std::endian::native == std::endian::little, "wire halves are read as they stand");

HWY_EXPORT(encode_fp16);
HWY_EXPORT(encode_bf16);
HWY_EXPORT(add_fp16);
HWY_EXPORT(add_bf16);

namespace {

uint8_t* raw(std::span<std::byte> bytes) { return reinterpret_cast<uint8_t*>(bytes.data()); }

const uint8_t* raw(std::span<const std::byte> bytes) {
  return reinterpret_cast<const uint8_t*>(bytes.data());
}

}  // namespace

bool floats_to_fp16(std::span<const float> x, std::span<std::byte> out) {
  KITH_ASSERT(out.size() == 2 * x.size());
  return HWY_DYNAMIC_DISPATCH(encode_fp16)(x.data(), raw(out), x.size());
}

bool floats_to_bf16(std::span<const float> x, std::span<std::byte> out) {
  KITH_ASSERT(out.size() == 2 * x.size());
  return HWY_DYNAMIC_DISPATCH(encode_bf16)(x.data(), raw(out), x.size());
}

void axpy_fp16(float a, std::span<const std::byte> x, std::span<float> y) {
  KITH_ASSERT(x.size() == 2 * y.size());
  HWY_DYNAMIC_DISPATCH(add_fp16)(a, raw(x), y.data(), y.size());
}

void axpy_bf16(float a, std::span<const std::byte> x, std::span<float> y) {
  KITH_ASSERT(x.size() == 2 * y.size());
  HWY_DYNAMIC_DISPATCH(add_bf16)(a, raw(x), y.data(), y.size());
}

}  // namespace kith
#endif  // HWY_ONCE
