#include "daemon/learn/noise.h"

#include <cstdint>
#include <numbers>

#include "protocol/vector_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "daemon/learn/noise.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#ifndef KITH_NOISE_SHARED
#define KITH_NOISE_SHARED
namespace kith::noise {

// Counters that are advanced together, whatever the vector width; each gives four words, and these
// four deviates.
constexpr size_t kCounters = 16;
constexpr size_t kBlock = 4 * kCounters;

struct Stream {
  uint32_t key[2];
  uint32_t counter[2];  // the upper two words of it
};

}  // namespace kith::noise
#endif  // KITH_NOISE_SHARED

HWY_BEFORE_NAMESPACE();
namespace kith::noise::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::CappedTag<float, kCounters>;
using BitsTag = hn::RebindToUnsigned<FloatTag>;
using IntegerTag = hn::RebindToSigned<FloatTag>;
constexpr FloatTag kFloats;
constexpr BitsTag kBits;
constexpr IntegerTag kIntegers;
constexpr size_t kWidth = hn::MaxLanes(kFloats);
using Bits = hn::Vec<BitsTag>;
using Floats = hn::Vec<FloatTag>;

struct Product {
  Bits high;
  Bits low;
};

HWY_INLINE Product multiply(Bits a, uint32_t factor) {
  const Bits m = hn::Set(kBits, factor);
#if HWY_TARGET == HWY_SCALAR
  const uint64_t product = uint64_t{hn::GetLane(a)} * factor;
  return {hn::Set(kBits, static_cast<uint32_t>(product >> 32)), hn::Mul(a, m)};
#else
  const hn::Repartition<uint64_t, BitsTag> wide;
  const auto odd_lanes = hn::BitCast(kBits, hn::ShiftRight<32>(hn::BitCast(wide, a)));
  const auto even = hn::MulEven(a, m);
  const auto odd = hn::MulEven(odd_lanes, m);
  const auto lower = hn::Set(wide, 0xffffffffu);
  const auto high = hn::Or(hn::ShiftRight<32>(even), hn::AndNot(lower, odd));
  const auto low = hn::Or(hn::And(even, lower), hn::ShiftLeft<32>(odd));
  return {hn::BitCast(kBits, high), hn::BitCast(kBits, low)};
#endif
}

struct Words {
  Bits x[4];
};

// Philox4x32-10 at the counters first .. first + kWidth - 1.
HWY_INLINE Words draw(const Stream& stream, uint32_t first) {
  Words w = {{hn::Iota(kBits, first), hn::Zero(kBits), hn::Set(kBits, stream.counter[0]),
              hn::Set(kBits, stream.counter[1])}};
  uint32_t key0 = stream.key[0];
  uint32_t key1 = stream.key[1];
  for (int round = 0; round < 10; ++round) {
    const Product p0 = multiply(w.x[0], 0xD2511F53u);
    const Product p1 = multiply(w.x[2], 0xCD9E8D57u);
    w.x[0] = hn::Xor(hn::Xor(p1.high, w.x[1]), hn::Set(kBits, key0));
    w.x[1] = p1.low;
    w.x[2] = hn::Xor(hn::Xor(p0.high, w.x[3]), hn::Set(kBits, key1));
    w.x[3] = p0.low;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return w;
}

// sqrt(-2 log((bits + 1/2) / 2^32)): positive, and 0 where that rounds to 1.
HWY_INLINE Floats radius(Bits bits) {
  const auto high = hn::ConvertTo(kFloats, hn::BitCast(kIntegers, hn::ShiftRight<16>(bits)));
  const auto low =
      hn::ConvertTo(kFloats, hn::BitCast(kIntegers, hn::And(bits, hn::Set(kBits, 0xffffu))));
  const auto whole = hn::Add(hn::Mul(high, hn::Set(kFloats, 0x1p16f)), low);
  const auto u = hn::Mul(hn::Add(whole, hn::Set(kFloats, 0.5f)), hn::Set(kFloats, 0x1p-32f));
  const auto square = hn::Mul(hn::Set(kFloats, -2.0f), hn::Log(kFloats, u));
  return hn::Sqrt(hn::Max(square, hn::Zero(kFloats)));
}

// In [-pi, pi].
HWY_INLINE Floats angle(Bits bits) {
  const auto turn = hn::ConvertTo(kFloats, hn::BitCast(kIntegers, bits));
  return hn::Mul(turn, hn::Set(kFloats, std::numbers::pi_v<float> * 0x1p-31f));
}

// y[0 .. kBlock - 1] += deviation * N(0, 1).
HWY_INLINE void add_block(const Stream& stream, uint32_t block, float deviation, float* y) {
  const auto scale = hn::Set(kFloats, deviation);
  for (size_t lane = 0; lane < kCounters; lane += kWidth) {
    const Words w = draw(stream, static_cast<uint32_t>(block * kCounters + lane));
    for (size_t pair = 0; pair < 2; ++pair) {
      const auto r = hn::Mul(scale, radius(w.x[2 * pair]));
      const auto phi = angle(w.x[2 * pair + 1]);
      float* to = y + 2 * pair * kCounters + lane;
      hn::StoreU(hn::Add(hn::LoadU(kFloats, to), hn::Mul(r, hn::Cos(kFloats, phi))), kFloats, to);
      to += kCounters;
      hn::StoreU(hn::Add(hn::LoadU(kFloats, to), hn::Mul(r, hn::Sin(kFloats, phi))), kFloats, to);
    }
  }
}

void add_normal(const Stream& stream, float deviation, float* y, size_t n) {
  uint32_t block = 0;
  for (; n >= kBlock; n -= kBlock, y += kBlock) add_block(stream, block++, deviation, y);
  if (n == 0) return;
  float rest[kBlock] = {};
  add_block(stream, block, deviation, rest);
  for (size_t i = 0; i < n; ++i) y[i] += rest[i];
}

}  // namespace kith::noise::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith::noise {

HWY_EXPORT(add_normal);

void dispatch(const Stream& stream, float deviation, std::span<float> y) {
  HWY_DYNAMIC_DISPATCH(add_normal)(stream, deviation, y.data(), y.size());
}

}  // namespace kith::noise

namespace kith {

void add_normal(Rng& rng, float deviation, std::span<float> y) {
  const uint64_t key = rng.next();
  const uint64_t counter = rng.next();
  noise::dispatch({{static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)},
                   {static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32)}},
                  deviation, y);
}

}  // namespace kith
#endif  // HWY_ONCE
