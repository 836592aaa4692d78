// What DRIVE and EDEN (Vargaftik et al. 2021, 2022) share: rotate, quantise to b bits, scale.
//
// Per block of hadamard.h, x of d values, padded where it is the last:
//   r = R x,  z = sqrt(d) r / ||x||, whose values are near N(0, 1) whatever x is
//   q_i = the level of the Lloyd-Max quantiser of N(0, 1) next to z_i (b = 1: its sign)
//   decoded = S R^T q
//
// Two scales S, and what holds for each wire since R keeps lengths; a is the angle of q and r:
//   unbiased     S = ||x||^2 / <r, q>   <decoded, x> = ||x||^2;  error = ||x||^2 tan^2 a
//   least error  S = <r, q> / ||q||^2   error = ||x||^2 sin^2 a: a contraction, for every x
// tan^2 a is near D_b / (1 - D_b) and sin^2 a near D_b, the quantiser's distortion (b = 1: pi/2 - 1
// and 1 - 2/pi).
//
// Bias: over uniformly random R the error has no direction but that of x, in which it is 0, so the
// codec is unbiased. Random signs give few rotations, and a vector that is carried by few values
// sees it: one round turns (a, b, 0, ..), a > b, into sqrt(d) r = +-a +-b, whose signs are those of
// a, so that b is never sent, under no signs at all. Hence rounds of `hadamard`:
//   least error  1: nothing hangs on the mean, and a vector of one value arrives exact
//   unbiased     2 in blocks of 4096, 3 in shorter ones: of the vectors tried (two values of ratio
//                0.2 to 1, three, four, eight, geometric, harmonic) the worst keeps a mean error of
//                0.2 % (4096, b = 1) and 0.4 % (128, b = 1) of its length. Two rounds in a block of
//                128 would keep 5 %, one round 90 %.
// Vectors with values of one magnitude, or one value, are unbiased exactly, by symmetry.
//
// Wire, little-endian:
//   u32 n | u64 seed of the signs | one f32 radius per block | codes
// 64 values (of the padded vector) are b words of 64 bits: word 0 their signs (1: minus), word k
// bit k - 1 of their levels' numbers; bit j is of value j. The radius is sqrt(d) S times the
// largest level, so that a finite one decodes to finite values.
//
// Cost: log2(d) additions per value and round, both ways; the block stays in the L1 cache.
#pragma once

#include <string>

#include "protocol/codec.h"
#include "protocol/hadamard.h"

namespace kith {

class RotatedCodec final : public Codec {
 public:
  enum class Scale { kUnbiased, kLeastError };

  // bits in 1..4; kLeastError with 1 alone, since ||q|| is then known.
  RotatedCodec(size_t bits, Scale scale, std::string description);

  Status encode(const SharedBuffer& x, Rng& rng, Pool& pool, SharedBuffer& wire) const override;
  Status decode_add(std::span<const std::byte> wire, float scale,
                    std::span<float> y) const override;
  Status check(std::span<const std::byte> wire, size_t count) const override;

  // Of kUnbiased D / (1 - D) and a hundredth: of the vectors tried the worst (four equal values)
  // has 0.3 % more in blocks of 4096, and none as much in blocks of 128. Error feedback then sends
  // Q(u / (1 + w)), of the scale (1 - D) S, which is that of least error.
  double variance_bound(size_t n) const override;

  std::string describe() const override { return description_; }

 private:
  size_t rounds(size_t block) const;
  size_t code_bytes(size_t values) const { return values / 8 * bits_; }
  size_t wire_bytes(size_t n) const;

  // Sets `radius` and writes the codes of one block; false where the radius is beyond a float.
  bool encode_block(std::span<const float> x, const hadamard::Rotation& rotation, size_t d,
                    float& radius, uint8_t* codes) const;
  void decode_block(const uint8_t* codes, float radius, const hadamard::Rotation& rotation,
                    size_t d, float scale, std::span<float> y) const;

  size_t bits_;
  Scale scale_;
  std::string description_;
};

}  // namespace kith
