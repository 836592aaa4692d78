// Natural compression (Horvath, Ho, Horvath, Sahu, Canini, Richtarik 2019): the magnitude becomes
// one of the two powers of two around it, at random:
//
//   |x| = 2^e (1 + f), 0 <= f < 1:  Q(x) = sgn x 2^(e + Bernoulli(f))
//
// Unbiased; E|Q(x) - x|^2 = (|x| - 2^e) (2^(e+1) - |x|), at most x^2 / 8 (at f = 1/3), so w = 1/8.
//
// Seven bits hold the exponent instead of the paper's eight, so that a value is a byte: they count
// from the block's largest power of two `top`, the first that no magnitude of the block exceeds.
// Code c > 0 stands for top 2^(c - 127), 0 for zero. Magnitudes below top 2^-126 become that or
// zero at random, still unbiased; each adds at most 2^-252 of the largest square to the variance.
// A top of 2^128 is no float: magnitudes beyond 2^127 are refused as kNotFinite.
//
// Wire (blocks.h): one number per block, its top, a power of two or 0; one byte per value, the
// exponent in the lower 7 bits and the sign above them.
//
// Rounding is one addition: 23 random bits to those of |x| / top, where a carry out of the fraction
// raises the exponent.
//
// Cost: one pass over memory, a second one over the block while it is in the L1 cache.
#include <cmath>

#include "protocol/codec/blocks.h"
#include "protocol/codec/random_lanes.h"
#include "protocol/vector_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "protocol/codec/natural.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "protocol/codec/blocks-inl.h"
#include "protocol/codec/random_lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kith::natural::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace kith::blocks::HWY_NAMESPACE;  // NOLINT: the vocabulary of a Format
using random_lanes::HWY_NAMESPACE::kVectors;
using random_lanes::HWY_NAMESPACE::Random;

constexpr int kFractionBits = 23;

// Magnitudes as parts of the top, at most 1: the biased exponent of such a float is at most 127,
// and 0 below 2^-126, where the bits of the fraction are those of |x| / 2^-126.
struct Encoder {
  static constexpr size_t kNumbers = 1;

  explicit HWY_INLINE Encoder(const RandomLanes& lanes) : random(lanes) {}

  HWY_INLINE bool measure(const float* x, size_t n, float* top) {
    float largest;
    if (!largest_magnitude(x, n, largest) || largest > 0x1p127f) return false;
    int exponent;  // largest = f 2^exponent, 1/2 <= f < 1
    const float f = std::frexp(largest, &exponent);
    exponent -= f == 0.5f;
    *top = largest > 0 ? std::ldexp(1.0f, exponent) : 0.0f;
    // 1 / top in two factors: down to 2^-149 the inverse of a float is none.
    once = largest > 0 ? std::ldexp(1.0f, -exponent / 2) : 0.0f;
    again = largest > 0 ? std::ldexp(1.0f, -exponent - -exponent / 2) : 0.0f;
    return true;
  }

  HWY_INLINE void store(const float* x, size_t v, uint8_t* codes) {
    const auto value = hn::LoadU(kFloats, x);
    const auto half = hn::Mul(hn::Abs(value), hn::Set(kFloats, once));
    const auto part = hn::BitCast(kBits, hn::Mul(half, hn::Set(kFloats, again)));
    const auto draw = hn::ShiftRight<32 - kFractionBits>(random.next(v % kVectors));
    const auto exponent = hn::ShiftRight<kFractionBits>(hn::Add(part, draw));
    const auto sign = hn::ShiftLeft<7>(hn::ShiftRight<31>(hn::BitCast(kBits, value)));
    hn::StoreU(hn::TruncateTo(kBytes, hn::Or(exponent, sign)), kBytes, codes);
  }

  float once, again;
  Random random;
};

struct Decoder {
  static constexpr size_t kNumbers = 1;

  HWY_INLINE void scale(const float* top, float scale) {
    step = step_to(static_cast<double>(scale) * *top, 1);
  }

  HWY_INLINE hn::Vec<FloatTag> load(const uint8_t* codes) const {
    const auto code = hn::PromoteTo(kBits, hn::LoadU(kBytes, codes));
    const auto part = hn::ShiftLeft<kFractionBits>(hn::And(code, hn::Set(kBits, 0x7f)));
    const auto sign = hn::ShiftLeft<31>(hn::ShiftRight<7>(code));
    return times(hn::BitCast(kFloats, hn::Or(part, sign)), step);
  }

  Step step;
};

bool encode_block_wise(const float* x, size_t n, size_t block, const RandomLanes& lanes,
                       uint8_t* numbers, uint8_t* codes) {
  Encoder format(lanes);
  return encode(x, n, block, numbers, codes, format);
}

void add_block_wise(const uint8_t* numbers, const uint8_t* codes, float scale, size_t block,
                    float* y, size_t n) {
  Decoder format;
  add(numbers, codes, scale, block, y, n, format);
}

}  // namespace kith::natural::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith {

namespace natural {

HWY_EXPORT(encode_block_wise);
HWY_EXPORT(add_block_wise);

namespace {

class Natural final : public BlockCodec {
 public:
  explicit Natural(size_t block) : BlockCodec("natural", block, 1) {}

  double variance_bound(size_t) const override { return 0.125; }

  // But for what lies below top 2^-126: at most 2^-252 of the largest square each.
  bool error_is_of_values() const override { return true; }

 private:
  std::optional<double> block_error(std::span<const float> x) const override {
    const double least = largest_magnitude(x) * 0x1p-126;
    double sum = 0;
    for (const float value : x) {
      const double magnitude = std::fabs(static_cast<double>(value));
      if (magnitude <= least) continue;
      int exponent;  // magnitude = f 2^exponent, 1/2 <= f < 1
      std::frexp(magnitude, &exponent);
      const double low = std::ldexp(0.5, exponent);
      sum += (magnitude - low) * (2 * low - magnitude);
    }
    return sum;
  }

  bool plausible(const float* top) const override {
    int exponent;
    return *top == 0 ? !std::signbit(*top) : std::frexp(*top, &exponent) == 0.5f;
  }

  bool encode_blocks(std::span<const float> x, Rng& rng, uint8_t* numbers,
                     uint8_t* codes) const override {
    const RandomLanes lanes = seed_lanes(rng);
    return HWY_DYNAMIC_DISPATCH(encode_block_wise)(x.data(), x.size(), block(), lanes, numbers,
                                                   codes);
  }

  void add_blocks(const uint8_t* numbers, const uint8_t* codes, float scale,
                  std::span<float> y) const override {
    HWY_DYNAMIC_DISPATCH(add_block_wise)(numbers, codes, scale, block(), y.data(), y.size());
  }
};

}  // namespace

}  // namespace natural

extern const CodecInfo natural_codec = {
    .name = "natural",
    .argument = "block, a multiple of 64; 2048 if absent",
    .help = "powers of two, rounded at random: 1 byte per value; unbiased, variance 1/8",
    .example = "natural",
    .make = [](const std::string& argument) -> std::unique_ptr<Codec> {
      return std::make_unique<natural::Natural>(
          parse_block("natural", argument, kByteStep, kLargestBlock, kByteBlock));
    },
};

}  // namespace kith
#endif  // HWY_ONCE
