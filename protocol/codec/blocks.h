// What codecs share that cut a vector into blocks and send a few numbers of each block (a mean, a
// largest magnitude) beside the codes of its values.
//
// Wire, little-endian:
//   u32 n | for each of ceil(n / block) blocks: f32 numbers | codes
//
// A block of its own numbers costs a fraction of a bit per value, lets every layer have its scale,
// stays in the L1 cache between the pass that measures it and the one that codes it, and bounds the
// length of a sum.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "protocol/codec.h"

namespace kith {

class BlockCodec : public Codec {
 public:
  // `numbers` per block; `block` is a multiple of what the codes need to begin on a byte.
  BlockCodec(std::string name, size_t block, size_t numbers)
      : name_(std::move(name)), block_(block), numbers_(numbers) {}

  Status encode(const SharedBuffer& x, Rng& rng, Pool& pool, SharedBuffer& wire) const final;
  Status decode_add(std::span<const std::byte> wire, float scale, std::span<float> y) const final;
  Status check(std::span<const std::byte> wire, size_t count) const final;
  std::optional<double> expected_error(std::span<const float> x) const final;

  // "int8:2048", "fp8:e4m3:2048"
  std::string describe() const final { return name_ + ":" + std::to_string(block_); }

 protected:
  size_t block() const { return block_; }

 private:
  // Bytes of the codes of n values: one each, unless it is told otherwise.
  virtual size_t code_bytes(size_t n) const { return n; }

  // Writes the numbers and codes of all blocks. False where x holds NaN, infinity or what the
  // format cannot hold.
  virtual bool encode_blocks(std::span<const float> x, Rng& rng, uint8_t* numbers,
                             uint8_t* codes) const = 0;

  // y += scale * decoded, of a wire that passed `check`; the pointers are aligned to nothing.
  virtual void add_blocks(const uint8_t* numbers, const uint8_t* codes, float scale,
                          std::span<float> y) const = 0;

  // Codec::expected_error of one block.
  virtual std::optional<double> block_error(std::span<const float> /*x*/) const {
    return std::nullopt;
  }

  // Whether a sender could have written these numbers of a block; they are finite.
  virtual bool plausible(const float* numbers) const;

  // Bits of the last byte of codes that belong to no value: a wire must have them clear.
  virtual unsigned unused_bits(size_t) const { return 0; }

  size_t number_bytes(size_t n) const;

  std::string name_;
  size_t block_;
  size_t numbers_;
};

// Brings magnitudes up to `largest` to at most `most`, in float arithmetic, too:
// x * lift * factor. The power of two `lift` keeps tiny ones out of the subnormal range.
struct Scaling {
  float lift;
  float factor;
};
Scaling scaling_to(float most, float largest);

// The way back, most -> largest: code * factor * drop, where the power of two `drop` does the same.
// What is finite stays so.
struct Step {
  float factor;
  float drop;
};
Step step_to(double largest, float most);

// w of stochastic rounding to `levels` steps of a block's largest magnitude, exactly: the supremum
// of sum p (1 - p) / sum v^2 over d values v, in steps, the largest of which is `levels`. It is
// reached where all others are equal (each maximises p (1 - p) - w v^2 for itself, within the first
// step).
double rounding_variance(size_t d, double levels);

// E|Q(x) - x|^2 where each magnitude becomes, with mean |x|, one of the two multiples of `unit`
// around it: unit^2 sum p (1 - p), p what lies above the lower one, in units. 0 where unit is 0.
double rounding_error(std::span<const float> x, double unit);

double largest_magnitude(std::span<const float> x);

inline float load_number(const uint8_t* from) {
  float value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// The block that the text of an argument gives, `fallback` where it is empty. Throws OperatorError,
// which names the `codec`, unless it is a multiple of `step` in [step, largest].
size_t parse_block(std::string_view codec, std::string_view text, size_t step, size_t largest,
                   size_t fallback);

constexpr size_t kLargestBlock = size_t{1} << 30;

// Of codecs of one byte per value: a block of theirs where none is given, and what it is made of.
constexpr size_t kByteBlock = 2048;
constexpr size_t kByteStep = 64;

}  // namespace kith
