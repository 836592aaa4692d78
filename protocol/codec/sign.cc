// Scaled sign (Bernstein et al. 2018; Karimireddy, Rebjock, Stich, Jaggi 2019), per block of d
// values:
//
//   C(x)_i = (||x||_1 / d) sgn x_i,  sgn 0 = +1
//
// Biased: ||C(x) - x||^2 = ||x||^2 - ||x||_1^2 / d, a contraction with delta = ||x||_1^2 /
// (d ||x||^2); use it with error feedback. By Cauchy and Schwarz smaller blocks never lose more.
//
// Wire (blocks.h): one number per block, the mean magnitude; one bit per value, 1 where it is below
// 0, lowest bit of a byte first. The unused bits of the last byte are 0.
//
// Cost: one pass. The sum runs in doubles over 16 fixed lanes.
#include <algorithm>
#include <cmath>

#include "protocol/codec/blocks.h"
#include "protocol/vector_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "protocol/codec/sign.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "protocol/sign_bits-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kith::sign::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using DoubleTag = hn::CappedTag<double, 8>;
using HalfTag = hn::Rebind<float, DoubleTag>;
constexpr FloatTag kFloats;
constexpr DoubleTag kDoubles;
constexpr size_t kWidth = hn::MaxLanes(kFloats);
constexpr size_t kDoubleWidth = hn::MaxLanes(kDoubles);
constexpr size_t kLanes = 16;
using sign_bits::HWY_NAMESPACE::kGroup;
using sign_bits::HWY_NAMESPACE::signs;

// Value i is added to lane i % 16; lanes l and l + 8, then + 4, + 2, + 1 are joined.
struct LaneSum {
  HWY_INLINE LaneSum() {
    for (auto& sum : sums) sum = hn::Zero(kDoubles);
  }

  HWY_INLINE void add_magnitudes(const float* x) {
    for (size_t i = 0; i < kGroup; i += kDoubleWidth) {
      const auto v = hn::PromoteTo(kDoubles, hn::Abs(hn::LoadU(HalfTag(), x + i)));
      auto& sum = sums[i / kDoubleWidth % std::size(sums)];
      sum = hn::Add(sum, v);
    }
  }

  HWY_INLINE double total() const {
    HWY_ALIGN double lanes[kLanes];
    for (size_t j = 0; j < std::size(sums); ++j) {
      hn::Store(sums[j], kDoubles, lanes + j * kDoubleWidth);
    }
    for (size_t half = kLanes / 2; half > 0; half /= 2) {
      for (size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
    }
    return lanes[0];
  }

  hn::Vec<DoubleTag> sums[kLanes / kDoubleWidth];
};

bool encode(const float* x, size_t n, size_t block, uint8_t* means, uint8_t* codes) {
  for (size_t first = 0; first < n; first += block) {
    const size_t end = std::min(n, first + block);
    LaneSum sum;
    for (size_t i = first; i < end; i += kGroup) {
      const size_t count = std::min(kGroup, end - i);
      const float* group = x + i;
      alignas(64) float tail[kGroup];
      if (count < kGroup) {
        std::fill(tail, tail + kGroup, 0.0f);
        std::memcpy(tail, group, count * sizeof(float));
        group = tail;
      }
      sum.add_magnitudes(group);
      const uint64_t bits = signs(group);
      std::memcpy(codes + i / 8, &bits, (count + 7) / 8);
    }
    const double mean = sum.total() / static_cast<double>(end - first);
    if (!std::isfinite(mean)) return false;  // doubles hold every sum of floats
    const auto number = static_cast<float>(mean);
    std::memcpy(means, &number, sizeof number);
    means += sizeof number;
  }
  return true;
}

// y += unit where a bit is 0, -unit where it is 1.
HWY_INLINE void add_signs(uint64_t bits, float unit, float* y) {
  const auto plus = hn::Set(kFloats, unit);
  const auto minus = hn::Set(kFloats, -unit);
  for (size_t j = 0; j < kGroup; j += kWidth) {
    const uint64_t here = bits >> j;
    uint8_t bytes[8];
    std::memcpy(bytes, &here, sizeof bytes);
    const auto added = hn::IfThenElse(hn::LoadMaskBits(kFloats, bytes), minus, plus);
    hn::StoreU(hn::Add(added, hn::LoadU(kFloats, y + j)), kFloats, y + j);
  }
}

void add(const uint8_t* means, const uint8_t* codes, float scale, size_t block, float* y,
         size_t n) {
  for (size_t first = 0; first < n; first += block) {
    const size_t end = std::min(n, first + block);
    const float unit = scale * load_number(means);
    means += sizeof unit;
    for (size_t i = first; i < end; i += kGroup) {
      const size_t count = std::min(kGroup, end - i);
      uint64_t bits = 0;
      if (count == kGroup) {
        std::memcpy(&bits, codes + i / 8, sizeof bits);
        add_signs(bits, unit, y + i);
      } else {
        std::memcpy(&bits, codes + i / 8, (count + 7) / 8);
        alignas(64) float tail[kGroup] = {};
        std::memcpy(tail, y + i, count * sizeof(float));
        add_signs(bits, unit, tail);
        std::memcpy(y + i, tail, count * sizeof(float));
      }
    }
  }
}

}  // namespace kith::sign::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith {

namespace sign {

HWY_EXPORT(encode);
HWY_EXPORT(add);

namespace {

constexpr size_t kStep = 64;  // a block begins with a word of its own
constexpr size_t kDefaultBlock = 4096;

class Sign final : public BlockCodec {
 public:
  explicit Sign(size_t block) : BlockCodec("sign", block, 1) {}

 private:
  size_t code_bytes(size_t n) const override { return (n + 7) / 8; }
  unsigned unused_bits(size_t n) const override { return (8 - n % 8) % 8; }

  // norm^2 - norm_1^2 / d, as the sum of (|x_i| - mean)^2, which cancels nothing.
  std::optional<double> block_error(std::span<const float> x) const override {
    double mean = 0;
    for (const float value : x) mean += std::fabs(static_cast<double>(value));
    mean /= static_cast<double>(x.size());
    double sum = 0;
    for (const float value : x) {
      const double off = std::fabs(static_cast<double>(value)) - mean;
      sum += off * off;
    }
    return sum;
  }

  bool encode_blocks(std::span<const float> x, Rng&, uint8_t* numbers,
                     uint8_t* codes) const override {
    return HWY_DYNAMIC_DISPATCH(encode)(x.data(), x.size(), block(), numbers, codes);
  }

  void add_blocks(const uint8_t* numbers, const uint8_t* codes, float scale,
                  std::span<float> y) const override {
    HWY_DYNAMIC_DISPATCH(add)(numbers, codes, scale, block(), y.data(), y.size());
  }
};

}  // namespace

}  // namespace sign

extern const CodecInfo sign_codec = {
    .name = "sign",
    .argument = "block, a multiple of 64; 4096 if absent",
    .help = "sign and mean magnitude of each block: 1 bit per value; biased, wants error feedback",
    .example = "sign",
    .make = [](const std::string& argument) -> std::unique_ptr<Codec> {
      return std::make_unique<sign::Sign>(
          parse_block("sign", argument, sign::kStep, kLargestBlock, sign::kDefaultBlock));
    },
};

}  // namespace kith
#endif  // HWY_ONCE
