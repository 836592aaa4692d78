// The two 16-bit formats of floats, little-endian, of any alignment. Both round to the nearest,
// ties to even; the same bits on every instruction set.
//
//   fp16   IEEE 754 binary16: 5 exponent bits, 11 significant; largest 65504, smallest 2^-24
//   bf16   upper half of a float: 8 exponent bits, 8 significant; largest 3.39e38
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kith {

inline constexpr float kLargestFp16 = 65504.0f;
inline constexpr float kLargestBf16 = 0x1.fep127f;

// Writes x.size() values of 2 bytes. False where |x| is beyond the largest value of the format, or
// NaN; `out` is then undefined.
[[nodiscard]] bool floats_to_fp16(std::span<const float> x, std::span<std::byte> out);
[[nodiscard]] bool floats_to_bf16(std::span<const float> x, std::span<std::byte> out);

// y += a * x, in float. Infinities and NaN come out as such.
void axpy_fp16(float a, std::span<const std::byte> x, std::span<float> y);
void axpy_bf16(float a, std::span<const std::byte> x, std::span<float> y);

}  // namespace kith
