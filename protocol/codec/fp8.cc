// Floats of 8 bits (Micikevicius et al. 2022), scaled so that the largest magnitude of a block is
// the largest of the format:
//
//            exponent  fraction  bias  largest  least normal  least
//   e4m3     4 bits    3 bits    7     448      2^-6          2^-9
//   e5m2     5 bits    2 bits    15    57344    2^-14         2^-16
//
//   Q(x)_i = fp8(x_i M / ||x||_inf) ||x||_inf / M
//
// to the nearest, ties to even. No value loses more than 2^-4 (e4m3) or 2^-3 (e5m2) of itself, or
// half of the least step, nor more than itself. The codes that the formats keep for infinity and
// NaN, which no sender writes, count as the numbers that would stand there: no NaN can
// arrive.
//
// Wire (blocks.h): one number per block, ||x||_inf; one byte per value: sign, exponent, fraction.
//
// Cost: one pass over memory, a second one over the block while it is in the L1 cache.
#include "protocol/codec/blocks.h"
#include "protocol/vector_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "protocol/codec/fp8.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "protocol/codec/blocks-inl.h"

#ifndef KITH_FP8_SHARED
#define KITH_FP8_SHARED
namespace kith::fp8 {

struct E4M3 {
  static constexpr int kFractionBits = 3;
  static constexpr int kBias = 7;
  static constexpr float kLargest = 448;
};

struct E5M2 {
  static constexpr int kFractionBits = 2;
  static constexpr int kBias = 15;
  static constexpr float kLargest = 57344;
};

}  // namespace kith::fp8
#endif  // KITH_FP8_SHARED

HWY_BEFORE_NAMESPACE();
namespace kith::fp8::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace kith::blocks::HWY_NAMESPACE;  // NOLINT: the vocabulary of a Format

template <class Layout>
struct Fp8 {
  static constexpr size_t kNumbers = 1;
  static constexpr int kDropped = 23 - Layout::kFractionBits;  // bits of a float's fraction
  static constexpr uint32_t kRebias = (127 - Layout::kBias) << 23;
  static constexpr uint32_t kLeastNormal = kRebias + (1 << 23);  // as a float
  // A float whose last bit is the least step: adding it rounds to such steps.
  static constexpr uint32_t kRounder = kLeastNormal + (kDropped << 23);

  static HWY_INLINE hn::Vec<FloatTag> float_of(uint32_t bits) {
    return hn::BitCast(kFloats, hn::Set(kBits, bits));
  }

  HWY_INLINE bool measure(const float* x, size_t n, float* largest) {
    if (!largest_magnitude(x, n, *largest)) return false;
    scaling = scaling_to(Layout::kLargest, *largest);
    return true;
  }

  HWY_INLINE void store(const float* x, size_t, uint8_t* codes) {
    const auto value = hn::LoadU(kFloats, x);
    const auto exact = times(hn::Abs(value), scaling);
    const auto bits = hn::BitCast(kBits, exact);
    // Normal: move the exponent's bias and round away the lower bits.
    const auto odd = hn::And(hn::ShiftRight<kDropped>(bits), hn::Set(kBits, 1));
    const auto rebiased = hn::Sub(bits, hn::Set(kBits, kRebias - ((1u << (kDropped - 1)) - 1)));
    const auto normal = hn::ShiftRight<kDropped>(hn::Add(rebiased, odd));
    const auto steps = hn::BitCast(kBits, hn::Add(exact, float_of(kRounder)));
    const auto tiny = hn::Sub(steps, hn::Set(kBits, kRounder));
    const auto is_tiny = hn::RebindMask(kBits, hn::Lt(exact, float_of(kLeastNormal)));
    const auto sign = hn::ShiftLeft<7>(hn::ShiftRight<31>(hn::BitCast(kBits, value)));
    const auto code = hn::Or(hn::IfThenElse(is_tiny, tiny, normal), sign);
    hn::StoreU(hn::TruncateTo(kBytes, code), kBytes, codes);
  }

  HWY_INLINE void scale(const float* largest, float scale) {
    step = step_to(static_cast<double>(scale) * *largest, Layout::kLargest);
  }

  HWY_INLINE hn::Vec<FloatTag> load(const uint8_t* codes) const {
    const auto code = hn::PromoteTo(kBits, hn::LoadU(kBytes, codes));
    const auto moved = hn::ShiftLeft<kDropped>(hn::And(code, hn::Set(kBits, 0x7f)));
    const auto normal = hn::Add(moved, hn::Set(kBits, kRebias));
    // Exponent 0: build least normal * (1 + f) and take the least normal away.
    const auto built = hn::BitCast(kFloats, hn::Add(normal, hn::Set(kBits, 1u << 23)));
    const auto tiny = hn::BitCast(kBits, hn::Sub(built, float_of(kLeastNormal)));
    // Signed comparison serves: both sides have a clear sign bit.
    const auto below = hn::Lt(hn::BitCast(kIntegers, moved), hn::Set(kIntegers, 1 << 23));
    const auto magnitude = hn::IfThenElse(hn::RebindMask(kBits, below), tiny, normal);
    const auto sign = hn::ShiftLeft<31>(hn::ShiftRight<7>(code));
    return times(hn::BitCast(kFloats, hn::Or(magnitude, sign)), step);
  }

  Scaling scaling;
  Step step;
};

bool encode_e4m3(const float* x, size_t n, size_t block, uint8_t* numbers, uint8_t* codes) {
  Fp8<E4M3> format;
  return encode(x, n, block, numbers, codes, format);
}

bool encode_e5m2(const float* x, size_t n, size_t block, uint8_t* numbers, uint8_t* codes) {
  Fp8<E5M2> format;
  return encode(x, n, block, numbers, codes, format);
}

void add_e4m3(const uint8_t* numbers, const uint8_t* codes, float scale, size_t block, float* y,
              size_t n) {
  Fp8<E4M3> format;
  add(numbers, codes, scale, block, y, n, format);
}

void add_e5m2(const uint8_t* numbers, const uint8_t* codes, float scale, size_t block, float* y,
              size_t n) {
  Fp8<E5M2> format;
  add(numbers, codes, scale, block, y, n, format);
}

}  // namespace kith::fp8::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith {

namespace fp8 {

HWY_EXPORT(encode_e4m3);
HWY_EXPORT(encode_e5m2);
HWY_EXPORT(add_e4m3);
HWY_EXPORT(add_e5m2);

namespace {

class Fp8Codec final : public BlockCodec {
 public:
  Fp8Codec(bool e5m2, size_t block)
      : BlockCodec(e5m2 ? "fp8:e5m2" : "fp8:e4m3", block, 1), e5m2_(e5m2) {}

 private:
  bool encode_blocks(std::span<const float> x, Rng&, uint8_t* numbers,
                     uint8_t* codes) const override {
    if (e5m2_) {
      return HWY_DYNAMIC_DISPATCH(encode_e5m2)(x.data(), x.size(), block(), numbers, codes);
    }
    return HWY_DYNAMIC_DISPATCH(encode_e4m3)(x.data(), x.size(), block(), numbers, codes);
  }

  void add_blocks(const uint8_t* numbers, const uint8_t* codes, float scale,
                  std::span<float> y) const override {
    if (e5m2_) {
      HWY_DYNAMIC_DISPATCH(add_e5m2)(numbers, codes, scale, block(), y.data(), y.size());
    } else {
      HWY_DYNAMIC_DISPATCH(add_e4m3)(numbers, codes, scale, block(), y.data(), y.size());
    }
  }

  bool e5m2_;
};

std::unique_ptr<Codec> make(const std::string& argument) {
  const std::string_view text = argument;
  const size_t colon = text.find(':');
  const std::string_view layout = text.substr(0, colon);
  if (layout != "e4m3" && layout != "e5m2") {
    throw OperatorError("codec \"fp8:" + argument +
                        "\": wants a format, \"fp8:e4m3\" or \"fp8:e5m2\"");
  }
  const std::string_view rest =
      colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  const size_t block =
      parse_block("fp8:" + std::string(layout), rest, kByteStep, kLargestBlock, kByteBlock);
  return std::make_unique<Fp8Codec>(layout == "e5m2", block);
}

}  // namespace

}  // namespace fp8

extern const CodecInfo fp8_codec = {
    .name = "fp8",
    .argument = "e4m3 or e5m2[:block, a multiple of 64; 2048 if absent]",
    .help = "floats of 1 byte scaled by each block's largest magnitude, to the nearest; biased",
    .example = "fp8:e4m3",
    .make = fp8::make,
};

}  // namespace kith
#endif  // HWY_ONCE
