// The values of a vector whose magnitude reaches a bound, at memory speed. Magnitudes are compared
// as their bits, a float without its sign: in the order of the magnitudes, infinity and NaN on top.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace kith {

inline constexpr uint32_t kInfinityBits = 0x7f800000;

inline uint32_t magnitude_bits(float value) { return std::bit_cast<uint32_t>(value) & 0x7fffffff; }

// How many are at least `least` >= 1.
size_t count_reaching(std::span<const float> x, uint32_t least);

// Collects, in order of index, the values whose magnitude bits are above `least`, and the first
// `ties` that are equal to it. Returns their number, or room + 1 when there are more than `room`;
// `indices` and `values` have that room.
size_t collect(std::span<const float> x, uint32_t least, size_t ties, size_t room,
               uint32_t* indices, float* values);

}  // namespace kith
