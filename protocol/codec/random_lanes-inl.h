// The generators of random_lanes.h as vectors, for files that foreach_target.h compiles once for
// each instruction set.
#if defined(KITH_RANDOM_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KITH_RANDOM_LANES_INL_H_
#undef KITH_RANDOM_LANES_INL_H_
#else
#define KITH_RANDOM_LANES_INL_H_
#endif

#include <hwy/highway.h>

#include "protocol/codec/random_lanes.h"

HWY_BEFORE_NAMESPACE();
namespace kith::random_lanes::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using BitsTag = hn::ScalableTag<uint32_t>;
using Bits = hn::Vec<BitsTag>;
constexpr BitsTag kBits;
constexpr size_t kWidth = hn::MaxLanes(kBits);
constexpr size_t kVectors = kRandomLanes / kWidth;  // that hold one draw of every generator
static_assert(kRandomLanes % kWidth == 0);

struct Random {
  explicit HWY_INLINE Random(const RandomLanes& lanes) {
    for (size_t w = 0; w < 4; ++w) {
      for (size_t j = 0; j < kVectors; ++j) s[w][j] = hn::LoadU(kBits, lanes.state[w] + j * kWidth);
    }
  }

  HWY_INLINE void store(RandomLanes& lanes) const {
    for (size_t w = 0; w < 4; ++w) {
      for (size_t j = 0; j < kVectors; ++j) hn::StoreU(s[w][j], kBits, lanes.state[w] + j * kWidth);
    }
  }

  // 32 bits from each of the generators j * kWidth ...; j < kVectors.
  HWY_INLINE Bits next(size_t j) {
    const Bits result = hn::Add(s[0][j], s[3][j]);
    const Bits t = hn::ShiftLeft<9>(s[1][j]);
    s[2][j] = hn::Xor(s[2][j], s[0][j]);
    s[3][j] = hn::Xor(s[3][j], s[1][j]);
    s[1][j] = hn::Xor(s[1][j], s[2][j]);
    s[0][j] = hn::Xor(s[0][j], s[3][j]);
    s[2][j] = hn::Xor(s[2][j], t);
    s[3][j] = hn::Or(hn::ShiftLeft<11>(s[3][j]), hn::ShiftRight<21>(s[3][j]));
    return result;
  }

  Bits s[4][kVectors];
};

}  // namespace kith::random_lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
