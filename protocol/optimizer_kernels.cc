#include "protocol/optimizer_kernels.h"

#include "protocol/vector_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "protocol/optimizer_kernels.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace kith::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Calls `at(tag, i)` for whole vectors, then for single values.
template <class At>
HWY_INLINE void for_all(size_t n, const At& at) {
  const hn::ScalableTag<float> tag;
  const hn::CappedTag<float, 1> one;
  size_t i = 0;
  for (; i + hn::MaxLanes(tag) <= n; i += hn::MaxLanes(tag)) at(tag, i);
  for (; i < n; ++i) at(one, i);
}

template <bool kDecay, bool kMomentum, bool kNesterov>
void sgd_all(const SgdStep s) {  // a copy: stores to floats must not reload it
  for_all(s.n, [&](auto tag, size_t i) HWY_ATTR {
    const auto x = hn::LoadU(tag, s.x + i);
    auto direction = hn::LoadU(tag, s.g + i);
    if (kDecay) direction = hn::Add(direction, hn::Mul(hn::Set(tag, s.weight_decay), x));
    if (kMomentum) {
      const auto momentum = hn::Set(tag, s.momentum);
      const auto v = hn::Add(hn::Mul(momentum, hn::LoadU(tag, s.velocity + i)), direction);
      hn::StoreU(v, tag, s.next_velocity + i);
      direction = kNesterov ? hn::Add(direction, hn::Mul(momentum, v)) : v;
    }
    hn::StoreU(hn::Sub(x, hn::Mul(hn::Set(tag, s.rate), direction)), tag, s.y + i);
  });
}

void Sgd(const SgdStep& s) {
  const bool decay = s.weight_decay != 0;
  if (s.velocity == nullptr) {
    decay ? sgd_all<true, false, false>(s) : sgd_all<false, false, false>(s);
  } else if (s.nesterov) {
    decay ? sgd_all<true, true, true>(s) : sgd_all<false, true, true>(s);
  } else {
    decay ? sgd_all<true, true, false>(s) : sgd_all<false, true, false>(s);
  }
}

template <SecondMoment kRule, class Tag, class V = hn::Vec<Tag>>
HWY_INLINE V next_second(Tag tag, const AdaptiveStep& s, V v, V square) {
  if (kRule == SecondMoment::kSum) return hn::Add(v, square);
  const V part = hn::Mul(hn::Set(tag, s.rest2), square);
  if (kRule == SecondMoment::kMean) return hn::Add(hn::Mul(hn::Set(tag, s.beta2), v), part);
  // Moves v towards the square by that part of the square; sign(0) = 0.
  const V above = hn::Sub(v, square);
  const V change = hn::CopySign(part, above);
  return hn::Sub(v, hn::IfThenZeroElse(hn::Eq(above, hn::Zero(tag)), change));
}

template <SecondMoment kRule>
void adaptive_all(const AdaptiveStep s) {
  for_all(s.n, [&](auto tag, size_t i) HWY_ATTR {
    const auto g = hn::LoadU(tag, s.g + i);
    const auto m = hn::Add(hn::Mul(hn::Set(tag, s.beta1), hn::LoadU(tag, s.first + i)),
                           hn::Mul(hn::Set(tag, s.rest1), g));
    const auto v = next_second<kRule>(tag, s, hn::LoadU(tag, s.second + i), hn::Mul(g, g));
    hn::StoreU(m, tag, s.next_first + i);
    hn::StoreU(v, tag, s.next_second + i);
    const auto root = hn::Mul(hn::Set(tag, s.root_scale), hn::Sqrt(v));
    const auto direction = hn::Div(m, hn::Add(root, hn::Set(tag, s.epsilon)));
    const auto x = hn::Mul(hn::Set(tag, s.shrink), hn::LoadU(tag, s.x + i));
    hn::StoreU(hn::Sub(x, hn::Mul(hn::Set(tag, s.rate), direction)), tag, s.y + i);
  });
}

void Adaptive(const AdaptiveStep& s) {
  switch (s.rule) {
    case SecondMoment::kMean: return adaptive_all<SecondMoment::kMean>(s);
    case SecondMoment::kYogi: return adaptive_all<SecondMoment::kYogi>(s);
    case SecondMoment::kSum: return adaptive_all<SecondMoment::kSum>(s);
  }
}

}  // namespace kith::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith::kernels {

HWY_EXPORT(Sgd);
HWY_EXPORT(Adaptive);

void sgd_step(const SgdStep& step) { HWY_DYNAMIC_DISPATCH(Sgd)(step); }
void adaptive_step(const AdaptiveStep& step) { HWY_DYNAMIC_DISPATCH(Adaptive)(step); }

}  // namespace kith::kernels
#endif  // HWY_ONCE
