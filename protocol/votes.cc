#include "protocol/votes.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "protocol/limits.h"
#include "protocol/vector_targets.h"
#include "topology/assert.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "protocol/votes.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "protocol/sign_bits-inl.h"

#ifndef KITH_VOTES_SHARED
#define KITH_VOTES_SHARED
namespace kith::votes {

constexpr size_t kBlockWords = 64;  // counted at a time: their counts stay in the first cache
constexpr size_t kBlockBytes = kBlockWords * sizeof(uint64_t);
constexpr size_t kMostPlanes = std::bit_width(size_t{limits::kNodes});

}  // namespace kith::votes
#endif  // KITH_VOTES_SHARED

HWY_BEFORE_NAMESPACE();
namespace kith::votes::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using WordTag = hn::ScalableTag<uint64_t>;
constexpr WordTag kWords;
constexpr size_t kWidth = hn::MaxLanes(kWords);
constexpr hn::ScalableTag<float> kFloats;
constexpr size_t kFloatWidth = hn::MaxLanes(kFloats);

void cast(const float* x, size_t n, uint8_t* ballot) {
  using namespace sign_bits::HWY_NAMESPACE;  // NOLINT: signs and their group
  for (size_t i = 0; i < n; i += kGroup) {
    const size_t values = std::min(kGroup, n - i);
    const float* group = x + i;
    alignas(64) float tail[kGroup] = {};
    if (values < kGroup) {
      std::memcpy(tail, group, values * sizeof(float));
      group = tail;
    }
    const uint64_t bits = signs(group);
    std::memcpy(ballot + i / 8, &bits, (values + 7) / 8);
  }
}

// Adds ballot number `index` to the counts; those before it leave them at `index` at the most.
void add_ballot(const uint8_t* ballot, size_t index, uint64_t* planes) {
  const auto reached = static_cast<size_t>(std::bit_width(index + 1));
  for (size_t j = 0; j < kBlockWords; j += kWidth) {
    auto carry = hn::LoadU(kWords, reinterpret_cast<const uint64_t*>(ballot) + j);
    for (size_t b = 0; b < reached; ++b) {
      uint64_t* plane = planes + b * kBlockWords + j;
      const auto before = hn::Load(kWords, plane);
      hn::Store(hn::Xor(before, carry), kWords, plane);
      carry = hn::And(before, carry);
    }
  }
}

// Where the counts are above `half`, and where they are equal to it.
void compare(const uint64_t* planes, size_t count, uint64_t half, uint8_t* above, uint8_t* equal) {
  for (size_t j = 0; j < kBlockWords; j += kWidth) {
    auto more = hn::Zero(kWords);
    auto same = hn::Set(kWords, ~uint64_t{0});
    for (size_t b = count; b-- > 0;) {
      const auto plane = hn::Load(kWords, planes + b * kBlockWords + j);
      if (half >> b & 1) {
        same = hn::And(same, plane);
      } else {
        more = hn::Or(more, hn::And(same, plane));
        same = hn::AndNot(plane, same);
      }
    }
    hn::StoreU(more, kWords, reinterpret_cast<uint64_t*>(above) + j);
    hn::StoreU(same, kWords, reinterpret_cast<uint64_t*>(equal) + j);
  }
}

// 64 values; bits behind those that are wanted mean nothing.
void announce(uint64_t minus, uint64_t tied, float* y) {
  const auto one = hn::Set(kFloats, 1.0f);
  for (size_t j = 0; j < 64; j += kFloatWidth) {
    uint8_t below[8];
    uint8_t none[8];
    const uint64_t shifted_minus = minus >> j;
    const uint64_t shifted_tied = tied >> j;
    std::memcpy(below, &shifted_minus, sizeof below);
    std::memcpy(none, &shifted_tied, sizeof none);
    const auto sign = hn::IfThenElse(hn::LoadMaskBits(kFloats, below), hn::Neg(one), one);
    hn::StoreU(hn::IfThenZeroElse(hn::LoadMaskBits(kFloats, none), sign), kFloats, y + j);
  }
}

void announce_all(const uint8_t* minus, const uint8_t* tied, float* y, size_t n) {
  for (size_t i = 0; i < n; i += 64) {
    const size_t values = std::min<size_t>(64, n - i);
    uint64_t words[2] = {0, 0};
    std::memcpy(&words[0], minus + i / 8, (values + 7) / 8);
    if (tied != nullptr) std::memcpy(&words[1], tied + i / 8, (values + 7) / 8);
    if (values == 64) {
      announce(words[0], words[1], y + i);
    } else {
      alignas(64) float tail[64];
      announce(words[0], words[1], tail);
      std::memcpy(y + i, tail, values * sizeof(float));
    }
  }
}

}  // namespace kith::votes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith::votes {

HWY_EXPORT(cast);
HWY_EXPORT(add_ballot);
HWY_EXPORT(compare);
HWY_EXPORT(announce_all);

namespace {

uint8_t* raw(std::span<std::byte> bytes) { return reinterpret_cast<uint8_t*>(bytes.data()); }
const uint8_t* raw(std::span<const std::byte> bytes) {
  return reinterpret_cast<const uint8_t*>(bytes.data());
}

// The votes of at most kBlockBytes from `first` on.
void count_block(std::span<const std::span<const std::byte>> ballots, size_t first,
                 std::span<std::byte> minus, std::span<std::byte> tied) {
  const size_t size = minus.size();
  const auto used = static_cast<size_t>(std::bit_width(ballots.size()));
  alignas(64) uint64_t planes[kMostPlanes * kBlockWords];
  std::fill(planes, planes + used * kBlockWords, 0);
  for (size_t k = 0; k < ballots.size(); ++k) {
    const uint8_t* ballot = raw(ballots[k].subspan(first, size));
    uint8_t padded[kBlockBytes];
    if (size < kBlockBytes) {
      std::memset(padded, 0, sizeof padded);
      std::memcpy(padded, ballot, size);
      ballot = padded;
    }
    HWY_DYNAMIC_DISPATCH(add_ballot)(ballot, k, planes);
  }
  uint8_t above[kBlockBytes];
  uint8_t equal[kBlockBytes];
  HWY_DYNAMIC_DISPATCH(compare)(planes, used, ballots.size() / 2, above, equal);
  std::memcpy(minus.data(), above, size);
  if (tied.empty()) return;
  if (ballots.size() % 2 != 0) std::memset(equal, 0, sizeof equal);  // half of them is no number
  std::memcpy(tied.data(), equal, size);
}

}  // namespace

Status check(std::span<const std::byte> ballot, size_t n) {
  if (ballot.size() < ballot_bytes(n)) return Reason::kTruncated;
  if (ballot.size() > ballot_bytes(n)) return Reason::kOversized;
  const bool stray = n % 8 != 0 && std::to_integer<unsigned>(ballot.back()) >> n % 8 != 0;
  return stray ? Status(Reason::kMalformed) : Status();
}

void cast(std::span<const float> x, std::span<std::byte> ballot) {
  KITH_ASSERT(ballot.size() == ballot_bytes(x.size()));
  HWY_DYNAMIC_DISPATCH(cast)(x.data(), x.size(), raw(ballot));
}

void count(std::span<const std::span<const std::byte>> ballots, std::span<std::byte> minus,
           std::span<std::byte> tied) {
  KITH_ASSERT(!ballots.empty() && ballots.size() <= limits::kNodes);
  for (size_t first = 0; first < minus.size(); first += kBlockBytes) {
    const size_t size = std::min(kBlockBytes, minus.size() - first);
    count_block(ballots, first, minus.subspan(first, size),
                tied.empty() ? tied : tied.subspan(first, size));
  }
}

void announce(std::span<const std::byte> minus, std::span<const std::byte> tied,
              std::span<float> y) {
  HWY_DYNAMIC_DISPATCH(announce_all)
  (raw(minus), tied.empty() ? nullptr : raw(tied), y.data(), y.size());
}

}  // namespace kith::votes
#endif  // HWY_ONCE
