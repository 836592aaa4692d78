// Random rotations for codecs: a vector is cut into blocks, and each block x of d values is turned
//   R x = H D_m .. H D_2 H D_1 x,   H_ij = (-1)^(number of ones in i & j) / sqrt(d)
// (m rounds; D_k diagonal, of random signs). R is orthogonal for any signs: ||R x|| = ||x|| and
// R^-1 = R^T. One round makes the values of a dense vector look normal (Ailon, Chazelle 2009); a
// vector that is carried by a few values needs two or three (Andoni et al. 2015): see
// rotated_codec.h.
//
// Blocks: the largest power of two that fits in what is left, at most kLargest, which is 16 KiB of
// floats and stays in the L1 cache; a rest below kLeast is padded with zeros to kLeast.
//
// Signs: bit j of word w decides about value 64 w + j of the padded vector, 1 is minus. Word w of
// round k is output number 4 w + k + 1 of SplitMix64 (Steele, Lea, Flood 2014) with the given seed.
//
// H runs as the fast Walsh-Hadamard transform, strides ascending: log2(d) additions per value. The
// sums, and so all bits, are the same on every instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kith::hadamard {

inline constexpr size_t kLeast = 128;
inline constexpr size_t kLargest = 4096;

// Values of the block that begins where `rest` > 0 values are left.
size_t block_length(size_t rest);
size_t block_count(size_t n);
size_t padded_length(size_t n);  // of all blocks of n values

struct Rotation {
  uint64_t seed;
  size_t first;   // where the block begins in the vector; a multiple of 64
  size_t rounds;  // 1 to 3
};

// out = factor sqrt(d)^rounds R x; d = out.size() is a block length, x.size() <= d.
void rotate(const Rotation& rotation, std::span<const float> x, float factor, std::span<float> out);

// y += factor sqrt(d)^rounds R^T r, without the values of it behind the end of y; destroys r.
void rotate_back_add(const Rotation& rotation, std::span<float> r, float factor,
                     std::span<float> y);

}  // namespace kith::hadamard
