// A vector through a codec and back, for tests of single codecs.
#pragma once

#include <gtest/gtest.h>

#include "protocol/codec.h"
#include "tests/vectors.h"

namespace kith::test {

inline std::vector<std::byte> encoded(const Codec& codec, std::span<const float> x,
                                      uint64_t seed = 1) {
  Pool pool;
  Rng rng = test_rng(seed);
  SharedBuffer wire;
  EXPECT_TRUE(codec.encode(copy_of(x, pool), rng, pool, wire).ok());
  return {wire.bytes().begin(), wire.bytes().end()};
}

inline Reason refusal(const Codec& codec, std::span<const float> x) {
  Pool pool;
  Rng rng = test_rng(1);
  SharedBuffer wire;
  return codec.encode(copy_of(x, pool), rng, pool, wire).reason();
}

inline std::vector<float> decoded(const Codec& codec, std::span<const std::byte> wire, size_t n) {
  std::vector<float> y(n);
  EXPECT_TRUE(codec.decode_add(Unaligned(wire).bytes(), 1.0f, y).ok());
  return y;
}

inline std::vector<float> round_trip(const Codec& codec, std::span<const float> x,
                                     uint64_t seed = 1) {
  return decoded(codec, encoded(codec, x, seed), x.size());
}

inline double squared_error(std::span<const float> x, std::span<const float> y) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += std::pow(static_cast<double>(y[i]) - x[i], 2);
  return sum;
}

inline float largest_of(std::span<const float> x) {
  float largest = 0;
  for (const float v : x) largest = std::max(largest, std::fabs(v));
  return largest;
}

// Reads a number of a wire of blocks: u32 n, then the numbers.
inline float number_at(std::span<const std::byte> wire, size_t i) {
  float number;
  std::memcpy(&number, wire.data() + 4 + 4 * i, sizeof number);
  return number;
}

// What `check` and `decode_add` say of the wire with its number i changed; they agree.
inline Reason with_number(const Codec& codec, std::vector<std::byte> wire, size_t n, size_t i,
                          float number) {
  std::memcpy(wire.data() + 4 + 4 * i, &number, sizeof number);
  std::vector<float> y(n);
  const Reason reason = codec.check(wire, n).reason();
  EXPECT_EQ(reason, codec.decode_add(wire, 1.0f, y).reason());
  return reason;
}

}  // namespace kith::test
