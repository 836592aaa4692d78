// Vector kernels: every hot loop over parameters stands here, with run-time dispatch over the
// instruction sets (Highway). All give the same bits on every instruction set: no fused
// multiply-add, and reductions run over 16 fixed lanes that are summed in a fixed order.
// Pointers need no alignment; spans of one call have equal sizes unless said.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kith::kernels {

void axpy(float a, std::span<const float> x, std::span<float> y);                // y += a x
void scale(float a, std::span<const float> x, std::span<float> y);               // y = a x
void scale_add(float a, std::span<const float> x, float b, std::span<float> y);  // y = a x + b y
void subtract(std::span<const float> x, std::span<const float> z, std::span<float> y);  // y = x - z
void add_scaled(std::span<const float> x, float a, std::span<const float> z,
                std::span<float> y);  // y = x + a z
// Puts the smaller of each two values into `low` and the larger into `high`. Of two that are equal,
// zeros of either sign included, each stays where it is. No NaN.
void sort_two(std::span<float> low, std::span<float> high);
// y += a x where x are little-endian floats of any alignment.
void axpy_bytes(float a, std::span<const std::byte> x, std::span<float> y);

struct Scaled {
  std::span<const std::byte> bytes;
  float scale = 1;
};
// axpy_bytes of each term in their order, bit for bit, in one pass over y: from three terms on
// twice as fast, whether they come from memory or from a cache.
void axpy_all(std::span<const Scaled> terms, std::span<float> y);

// In doubles: value i is added to lane i % 16, then lanes l and l + 8, + 4, + 2, + 1 are joined.
double sum(std::span<const float> x);
double squared_norm(std::span<const float> x);
double dot(std::span<const float> x, std::span<const float> z);
double squared_distance(std::span<const float> x, std::span<const float> z);
bool all_finite(std::span<const float> x);
bool all_finite_bytes(std::span<const std::byte> x);  // little-endian floats, any alignment

// y = a * bytes + b: pixels to floats.
void bytes_to_floats(std::span<const uint8_t> x, float a, float b, std::span<float> y);

}  // namespace kith::kernels
