// Integers of 8 bits, scaled by the largest magnitude of a block (Dettmers, Lewis, Shleifer,
// Zettlemoyer 2022):
//
//   q_i = round(127 x_i / ||x||_inf),  Q(x)_i = q_i ||x||_inf / 127
//
// to the nearest, ties to even. No value loses more than ||x||_inf / 254, nor more than itself.
//
// Wire (blocks.h): one number per block, ||x||_inf; one signed byte per value.
//
// Cost: one pass over memory, a second one over the block while it is in the L1 cache.
#include "protocol/codec/blocks.h"
#include "protocol/vector_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "protocol/codec/int8.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "protocol/codec/int8-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kith::int8::HWY_NAMESPACE {

struct Nearest : Int8<1> {
  HWY_INLINE void store(const float* x, size_t, uint8_t* codes) { store_bytes(scaled(x), codes); }
};

bool encode_nearest(const float* x, size_t n, size_t block, uint8_t* numbers, uint8_t* codes) {
  Nearest format;
  return blocks::HWY_NAMESPACE::encode(x, n, block, numbers, codes, format);
}

void add_nearest(const uint8_t* numbers, const uint8_t* codes, float scale, size_t block, float* y,
                 size_t n) {
  add_bytes(numbers, codes, scale, block, y, n);
}

}  // namespace kith::int8::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith {

namespace int8 {

HWY_EXPORT(encode_nearest);
HWY_EXPORT(add_nearest);

namespace {

class NearestInt8 final : public BlockCodec {
 public:
  explicit NearestInt8(size_t block) : BlockCodec("int8", block, 1) {}

 private:
  bool encode_blocks(std::span<const float> x, Rng&, uint8_t* numbers,
                     uint8_t* codes) const override {
    return HWY_DYNAMIC_DISPATCH(encode_nearest)(x.data(), x.size(), block(), numbers, codes);
  }

  void add_blocks(const uint8_t* numbers, const uint8_t* codes, float scale,
                  std::span<float> y) const override {
    HWY_DYNAMIC_DISPATCH(add_nearest)(numbers, codes, scale, block(), y.data(), y.size());
  }
};

}  // namespace

}  // namespace int8

extern const CodecInfo int8_codec = {
    .name = "int8",
    .argument = "block, a multiple of 64; 2048 if absent",
    .help = "signed bytes scaled by each block's largest magnitude, to the nearest; biased",
    .example = "int8",
    .make = [](const std::string& argument) -> std::unique_ptr<Codec> {
      return std::make_unique<int8::NearestInt8>(
          parse_block("int8", argument, kByteStep, kLargestBlock, kByteBlock));
    },
};

}  // namespace kith
#endif  // HWY_ONCE
