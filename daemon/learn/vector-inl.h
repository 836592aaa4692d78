// Vectors of which only the first lanes are used, for one Highway target: include it from a file
// that foreach_target.h includes again and again.
#include "hwy/highway.h"

#if defined(KITH_LEARN_VECTOR_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef KITH_LEARN_VECTOR_INL
#undef KITH_LEARN_VECTOR_INL
#else
#define KITH_LEARN_VECTOR_INL
#endif

#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace kith::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

constexpr D kTag{};
constexpr size_t kLanes = hn::MaxLanes(kTag);

// The first `count` < kLanes floats and `other` in the lanes beyond; touches no memory beyond them.
HWY_INLINE V load_first(const float* from, size_t count, float other = 0) {
#if HWY_TARGET <= HWY_AVX2
  const auto mask = hn::FirstN(kTag, count);
  return hn::IfThenElse(mask, hn::MaskedLoad(mask, kTag, from), hn::Set(kTag, other));
#else
  HWY_ALIGN float lanes[kLanes];
  hn::Store(hn::Set(kTag, other), kTag, lanes);
  std::memcpy(lanes, from, count * sizeof(float));
  return hn::Load(kTag, lanes);
#endif
}

// Writes the first `count` < kLanes lanes and nothing beyond them.
HWY_INLINE void store_first(V value, float* to, size_t count) {
#if HWY_TARGET <= HWY_AVX2
  hn::BlendedStore(value, hn::FirstN(kTag, count), kTag, to);
#else
  HWY_ALIGN float lanes[kLanes];
  hn::Store(value, kTag, lanes);
  std::memcpy(to, lanes, count * sizeof(float));
#endif
}

}  // namespace kith::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard of each target
