// Integers of 8 bits, scaled by the largest magnitude of a block and rounded at random to one of
// the two neighbours (Alistarh et al. 2017, with the maximum norm and 127 levels):
//
//   q_i = floor(v_i) + Bernoulli(p_i),  v_i = 127 x_i / ||x||_inf,  p_i = v_i - floor(v_i)
//   Q(x)_i = q_i ||x||_inf / 127
//
// Unbiased; E||Q(x) - x||^2 = (||x||_inf / 127)^2 sum p_i (1 - p_i) per block, at most
// w ||x||^2 with w = (sqrt(1 + (d - 1) / 127^2) - 1) / 2 for d values.
//
// Wire (blocks.h): one number per block, ||x||_inf; one signed byte per value, as of `int8`.
//
// Rounding is one addition: v in fixed point with 24 bits behind the point, plus 24 random bits,
// cut off at the point.
//
// Cost: one pass over memory, a second one over the block while it is in the L1 cache.
#include "protocol/codec/blocks.h"
#include "protocol/codec/random_lanes.h"
#include "protocol/vector_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "protocol/codec/int8_stochastic.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

#include "protocol/codec/int8-inl.h"
#include "protocol/codec/random_lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kith::int8::HWY_NAMESPACE {

using random_lanes::HWY_NAMESPACE::kVectors;
using random_lanes::HWY_NAMESPACE::Random;

// 127 * 2^24 + (2^24 - 1) is the largest integer of 32 bits, and the floats hold 127 * 2^24.
struct Stochastic : Int8<1 << 24> {
  explicit HWY_INLINE Stochastic(const RandomLanes& lanes) : random(lanes) {}

  HWY_INLINE void store(const float* x, size_t v, uint8_t* codes) {
    const auto draw = hn::BitCast(kIntegers, hn::ShiftRight<8>(random.next(v % kVectors)));
    store_bytes(hn::ShiftRight<24>(hn::Add(scaled(x), draw)), codes);
  }

  Random random;
};

bool encode_stochastic(const float* x, size_t n, size_t block, const RandomLanes& lanes,
                       uint8_t* numbers, uint8_t* codes) {
  Stochastic format(lanes);
  return blocks::HWY_NAMESPACE::encode(x, n, block, numbers, codes, format);
}

void add_stochastic(const uint8_t* numbers, const uint8_t* codes, float scale, size_t block,
                    float* y, size_t n) {
  add_bytes(numbers, codes, scale, block, y, n);
}

}  // namespace kith::int8::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith {

namespace int8 {

HWY_EXPORT(encode_stochastic);
HWY_EXPORT(add_stochastic);

namespace {

class StochasticInt8 final : public BlockCodec {
 public:
  explicit StochasticInt8(size_t block) : BlockCodec("int8-stochastic", block, 1) {}

  double variance_bound(size_t n) const override {
    return rounding_variance(std::min(block(), n), 127);
  }

 private:
  std::optional<double> block_error(std::span<const float> x) const override {
    return rounding_error(x, largest_magnitude(x) / 127);
  }

  bool encode_blocks(std::span<const float> x, Rng& rng, uint8_t* numbers,
                     uint8_t* codes) const override {
    const RandomLanes lanes = seed_lanes(rng);
    return HWY_DYNAMIC_DISPATCH(encode_stochastic)(x.data(), x.size(), block(), lanes, numbers,
                                                   codes);
  }

  void add_blocks(const uint8_t* numbers, const uint8_t* codes, float scale,
                  std::span<float> y) const override {
    HWY_DYNAMIC_DISPATCH(add_stochastic)(numbers, codes, scale, block(), y.data(), y.size());
  }
};

}  // namespace

}  // namespace int8

extern const CodecInfo int8_stochastic_codec = {
    .name = "int8-stochastic",
    .argument = "block, a multiple of 64; 2048 if absent",
    .help = "signed bytes scaled by each block's largest magnitude, rounded at random; unbiased",
    .example = "int8-stochastic",
    .make = [](const std::string& argument) -> std::unique_ptr<Codec> {
      return std::make_unique<int8::StochasticInt8>(
          parse_block("int8-stochastic", argument, kByteStep, kLargestBlock, kByteBlock));
    },
};

}  // namespace kith
#endif  // HWY_ONCE
