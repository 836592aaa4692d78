// The signs of floats as bits, 64 at a time: for files that foreach_target.h compiles once for each
// instruction set.
#if defined(KITH_SIGN_BITS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KITH_SIGN_BITS_INL_H_
#undef KITH_SIGN_BITS_INL_H_
#else
#define KITH_SIGN_BITS_INL_H_
#endif

#include <hwy/highway.h>

#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace kith::sign_bits::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr hn::ScalableTag<float> kSignedFloats;
constexpr size_t kSignedWidth = hn::MaxLanes(kSignedFloats);
constexpr size_t kGroup = 64;

// Bit i tells whether value i of 64 is below 0.
HWY_INLINE uint64_t signs(const float* x) {
  uint64_t found = 0;
  for (size_t j = 0; j < kGroup; j += kSignedWidth) {
    uint8_t bytes[8] = {};
    const auto negative = hn::Lt(hn::LoadU(kSignedFloats, x + j), hn::Zero(kSignedFloats));
    hn::StoreMaskBits(kSignedFloats, negative, bytes);
    uint64_t bits;
    std::memcpy(&bits, bytes, sizeof bits);
    found |= bits << j;
  }
  return found;
}

}  // namespace kith::sign_bits::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
