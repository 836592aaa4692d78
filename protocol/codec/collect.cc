#include "protocol/codec/collect.h"

#include <bit>
#include <cstring>

#include "protocol/vector_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "protocol/codec/collect.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace kith::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Bit i tells whether the bits of |x[i]| are at least `least`, for 64 values.
HWY_INLINE uint64_t reaches(const float* x, int32_t least) {
  const hn::ScalableTag<float> floats;
  const hn::RebindToSigned<decltype(floats)> integers;
  constexpr size_t kWidth = hn::MaxLanes(floats);
  const auto below = hn::Set(integers, least - 1);
  uint64_t found = 0;
  for (size_t j = 0; j < 64; j += kWidth) {
    const auto magnitude = hn::BitCast(integers, hn::Abs(hn::LoadU(floats, x + j)));
    uint8_t bytes[8] = {};
    hn::StoreMaskBits(integers, hn::Gt(magnitude, below), bytes);
    uint64_t bits;
    std::memcpy(&bits, bytes, sizeof bits);
    found |= bits << j;
  }
  return found;
}

size_t count_reaching(const float* x, size_t n, uint32_t least) {
  size_t found = 0;
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    found += static_cast<size_t>(std::popcount(reaches(x + i, static_cast<int32_t>(least))));
  }
  for (; i < n; ++i) found += (std::bit_cast<uint32_t>(x[i]) & 0x7fffffff) >= least;
  return found;
}

size_t collect(const float* x, size_t n, uint32_t least, size_t ties, size_t room,
               uint32_t* indices, float* values) {
  size_t found = 0;
  alignas(64) float tail[64] = {};
  for (size_t i = 0; i < n; i += 64) {
    const float* block = x + i;
    uint64_t present = ~uint64_t{0};
    if (n - i < 64) {
      std::memcpy(tail, block, (n - i) * sizeof(float));
      block = tail;
      present = (uint64_t{1} << (n - i)) - 1;
    }
    uint64_t bits = reaches(block, static_cast<int32_t>(least)) & present;
    for (; bits != 0; bits &= bits - 1) {
      const int j = std::countr_zero(bits);
      if ((std::bit_cast<uint32_t>(block[j]) & 0x7fffffff) == least) {
        if (ties == 0) continue;
        --ties;
      }
      if (found == room) return room + 1;
      indices[found] = static_cast<uint32_t>(i + j);
      values[found] = block[j];
      ++found;
    }
  }
  return found;
}

}  // namespace kith::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith {

HWY_EXPORT(count_reaching);
HWY_EXPORT(collect);

size_t count_reaching(std::span<const float> x, uint32_t least) {
  return HWY_DYNAMIC_DISPATCH(count_reaching)(x.data(), x.size(), least);
}

size_t collect(std::span<const float> x, uint32_t least, size_t ties, size_t room,
               uint32_t* indices, float* values) {
  return HWY_DYNAMIC_DISPATCH(collect)(x.data(), x.size(), least, ties, room, indices, values);
}

}  // namespace kith
#endif  // HWY_ONCE
