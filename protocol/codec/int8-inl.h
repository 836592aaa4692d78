// What the two codecs of signed bytes share: all but the rounding. For files that foreach_target.h
// compiles once for each instruction set.
#if defined(KITH_INT8_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KITH_INT8_INL_H_
#undef KITH_INT8_INL_H_
#else
#define KITH_INT8_INL_H_
#endif

#include "protocol/codec/blocks-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kith::int8::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace kith::blocks::HWY_NAMESPACE;  // NOLINT: the vocabulary of a Format

constexpr float kLevels = 127;

// A Format (blocks-inl.h) but for `store`. The largest magnitude becomes 127 * `one`.
template <int32_t one>
struct Int8 {
  static constexpr size_t kNumbers = 1;
  using SignedTag = hn::Rebind<int8_t, FloatTag>;

  HWY_INLINE bool measure(const float* x, size_t n, float* largest) {
    if (!largest_magnitude(x, n, *largest)) return false;
    scaling = scaling_to(kLevels * one, *largest);
    return true;
  }

  // |result| <= 127 * one.
  HWY_INLINE hn::Vec<IntegerTag> scaled(const float* x) const {
    return hn::NearestInt(times(hn::LoadU(kFloats, x), scaling));
  }

  static HWY_INLINE void store_bytes(hn::Vec<IntegerTag> q, uint8_t* codes) {
    hn::StoreU(hn::BitCast(kBytes, hn::DemoteTo(SignedTag(), q)), kBytes, codes);
  }

  HWY_INLINE void scale(const float* largest, float scale) {
    step = step_to(static_cast<double>(scale) * *largest, kLevels);
  }

  // -128, which no sender writes, counts as itself.
  HWY_INLINE hn::Vec<FloatTag> load(const uint8_t* codes) const {
    const auto q = hn::BitCast(SignedTag(), hn::LoadU(kBytes, codes));
    return times(hn::ConvertTo(kFloats, hn::PromoteTo(kIntegers, q)), step);
  }

  Scaling scaling;
  Step step;
};

HWY_INLINE void add_bytes(const uint8_t* numbers, const uint8_t* codes, float scale, size_t block,
                          float* y, size_t n) {
  Int8<1> format;
  blocks::HWY_NAMESPACE::add(numbers, codes, scale, block, y, n, format);
}

}  // namespace kith::int8::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
