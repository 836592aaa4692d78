// The codecs over random rotations, read off the documents alone (hadamard.h, rotated_codec.h): in
// doubles, H by its definition or by recursion, wires bit by bit.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <span>
#include <vector>

#include "protocol/codec.h"
#include "tests/vectors.h"

namespace kith::test {

struct RotatedBlock {
  size_t first;
  size_t length;  // d
};

inline std::vector<RotatedBlock> rotated_blocks(size_t n) {
  std::vector<RotatedBlock> blocks;
  for (size_t first = 0; first < n; first += blocks.back().length) {
    size_t length = 4096;
    while (length > n - first && length > 128) length /= 2;
    blocks.push_back({first, length});
  }
  return blocks;
}

inline size_t rotated_padded(size_t n) { return (n + 127) / 128 * 128; }

// Output `number`, from 1, of SplitMix64.
inline uint64_t splitmix64(uint64_t seed, uint64_t number) {
  uint64_t z = seed + number * 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

inline double rotation_sign(uint64_t seed, size_t round, size_t index) {
  const uint64_t word = splitmix64(seed, 4 * (index / 64) + round + 1);
  return (word >> index % 64 & 1) != 0 ? -1 : 1;
}

// H x, halves by recursion: H_2d = (H_d H_d; H_d -H_d) / sqrt(2).
inline void multiply_by_hadamard(std::span<double> x) {
  const size_t half = x.size() / 2;
  if (half == 0) return;
  for (size_t i = 0; i < half; ++i) {
    const double sum = (x[i] + x[i + half]) * std::sqrt(0.5);
    x[i + half] = (x[i] - x[i + half]) * std::sqrt(0.5);
    x[i] = sum;
  }
  multiply_by_hadamard(x.first(half));
  multiply_by_hadamard(x.subspan(half));
}

// R x of one block that begins at `first`; x is padded to the block.
inline std::vector<double> rotate_slowly(std::span<const float> x, size_t d, uint64_t seed,
                                         size_t first, size_t rounds) {
  std::vector<double> r(x.begin(), x.end());
  r.resize(d);
  for (size_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < d; ++i) r[i] *= rotation_sign(seed, round, first + i);
    multiply_by_hadamard(r);
  }
  return r;
}

inline void rotate_back_slowly(std::span<double> r, uint64_t seed, size_t first, size_t rounds) {
  for (size_t round = rounds; round-- > 0;) {
    multiply_by_hadamard(r);
    for (size_t i = 0; i < r.size(); ++i) r[i] *= rotation_sign(seed, round, first + i);
  }
}

struct RotatedWire {
  uint32_t n;
  uint64_t seed;
  std::vector<float> radii;
  std::vector<int> codes;  // of the padded vector: 1 + number of the level, negative for minus
};

inline RotatedWire read_rotated(std::span<const std::byte> bytes, size_t bits) {
  RotatedWire wire;
  std::memcpy(&wire.n, bytes.data(), 4);
  std::memcpy(&wire.seed, bytes.data() + 4, 8);
  wire.radii.resize(rotated_blocks(wire.n).size());
  if (wire.n > 0) std::memcpy(wire.radii.data(), bytes.data() + 12, 4 * wire.radii.size());
  const size_t padded = rotated_padded(wire.n);
  const size_t begin = 12 + 4 * wire.radii.size();
  EXPECT_EQ(begin + padded * bits / 8, bytes.size());
  const auto bit = [&](size_t at) {
    return std::to_integer<int>(bytes[begin + at / 8] >> at % 8) & 1;
  };
  wire.codes.resize(padded);
  for (size_t i = 0; i < padded; ++i) {
    const size_t group = i / 64 * 64 * bits + i % 64;
    int level = 0;
    for (size_t k = 1; k < bits; ++k) level |= bit(group + 64 * k) << (k - 1);
    wire.codes[i] = bit(group) ? -1 - level : 1 + level;
  }
  return wire;
}

// Unbiased codecs take 2 rounds in full blocks and 3 in others, drive one.
inline size_t rounds_of(const std::string& spec, size_t d) {
  return spec == "drive" ? 1 : d == 4096 ? 2 : 3;
}

// What a wire says, padding included; `levels` are the positive ones.
inline std::vector<double> decode_rotated_slowly(const RotatedWire& wire, const std::string& spec,
                                                 std::span<const double> levels) {
  std::vector<double> y(wire.codes.size());
  const std::vector<RotatedBlock> blocks = rotated_blocks(wire.n);
  for (size_t b = 0; b < blocks.size(); ++b) {
    const auto [first, d] = blocks[b];
    const std::span<double> part = std::span(y).subspan(first, d);
    for (size_t i = 0; i < d; ++i) {
      const int code = wire.codes[first + i];
      const double share = levels[std::abs(code) - 1] / levels.back();
      part[i] = std::copysign(share, code) * wire.radii[b] / std::sqrt(static_cast<double>(d));
    }
    rotate_back_slowly(part, wire.seed, first, rounds_of(spec, d));
  }
  return y;
}

inline SharedBuffer encode_once(const Codec& codec, std::span<const float> x, Rng& rng,
                                Pool& pool) {
  SharedBuffer wire;
  EXPECT_TRUE(codec.encode(copy_of(x, pool), rng, pool, wire).ok());
  return wire;
}

inline std::vector<float> decode_once(const Codec& codec, std::span<const std::byte> wire,
                                      size_t n) {
  std::vector<float> y(n);
  EXPECT_TRUE(codec.decode_add(wire, 1.0f, y).ok());
  return y;
}

template <class T>
double squared_error(std::span<const T> y, std::span<const float> x) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += std::pow(static_cast<double>(y[i]) - x[i], 2);
  return sum;
}

// Mean and standard error of what `draw(t)` returns.
struct Estimate {
  double mean = 0;
  double standard_error = 0;
};

template <class Draw>
Estimate estimate(size_t trials, Draw draw) {
  double sum = 0;
  double squares = 0;
  for (size_t t = 0; t < trials; ++t) {
    const double value = draw(t);
    sum += value;
    squares += value * value;
  }
  const auto count = static_cast<double>(trials);
  const double mean = sum / count;
  return {mean, std::sqrt(std::max(0.0, squares / count - mean * mean) / (count - 1))};
}

// Vectors on which one rotation by signs fails or is exact, and common ones.
inline std::vector<std::pair<std::string, std::vector<float>>> hard_vectors(size_t n) {
  const auto with = [&](std::initializer_list<float> values) {
    std::vector<float> x(n);
    std::copy(values.begin(), values.end(), x.begin() + static_cast<ptrdiff_t>(n / 3));
    return x;
  };
  return {{"one value", with({1})},
          {"two values 1 : 0.6", with({1, 0.6f})},
          {"two values 1 : 0.9", with({1, -0.9f})},
          {"two values 1 : 1", with({1, 1})},
          {"four values", with({1, 1, -1, 1})},
          {"constant", make_vector(Shape::kConstant, n, 1)},
          {"random", make_vector(Shape::kRandom, n, 1)},
          {"sparse", make_vector(Shape::kSparse, n, 1)},
          {"heavy-tailed", make_vector(Shape::kHeavyTailed, n, 1)}};
}

// What many rotations do to one vector, in units of its squared length.
struct RotationStatistics {
  Estimate error;         // of ||Q(x) - x||^2
  double bias = 0;        // estimate of ||E Q(x) - x||^2, itself unbiased
  double bias_error = 0;  // its standard error
  double along = 0;       // largest |<Q(x) - x, x>|
};

// Bias from the product of the mean errors of two halves of the trials, which are independent; the
// errors scatter over about d directions, so that the product scatters by 1 / sqrt(d).
inline RotationStatistics rotation_statistics(const Codec& codec, std::span<const float> x,
                                              size_t trials, Rng& rng) {
  Pool pool;
  const SharedBuffer shared = copy_of(x, pool);
  const double norm = squared_norm_of(x);
  std::vector<double> means[2] = {std::vector<double>(x.size()), std::vector<double>(x.size())};
  std::vector<float> y(x.size());
  RotationStatistics statistics;
  statistics.error = estimate(trials, [&](size_t t) {
    SharedBuffer wire;
    EXPECT_TRUE(codec.encode(shared, rng, pool, wire).ok());
    std::fill(y.begin(), y.end(), 0.0f);
    EXPECT_TRUE(codec.decode_add(wire.bytes(), 1.0f, y).ok());
    double along = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double error = static_cast<double>(y[i]) - x[i];
      along += error * x[i];
      means[t % 2][i] += error / (0.5 * static_cast<double>(trials));
    }
    statistics.along = std::max(statistics.along, std::fabs(along) / norm);
    return squared_error<float>(y, x) / norm;
  });
  for (size_t i = 0; i < x.size(); ++i) statistics.bias += means[0][i] * means[1][i] / norm;
  statistics.bias_error = statistics.error.mean / (0.5 * static_cast<double>(trials)) /
                          std::sqrt(static_cast<double>(x.size()));
  return statistics;
}

}  // namespace kith::test
