// Vectors on which vector code goes wrong: odd sizes, and each shape that a codec treats apart.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "protocol/buffer.h"
#include "topology/rng.h"

namespace kith::test {

inline const size_t kSizes[] = {0, 1, 2, 3, 7, 8, 9, 1000, 65537};
// For what is measured once, since every pass over them takes its time.
inline const size_t kLargeSizes[] = {size_t{1} << 20, (size_t{1} << 20) + 3};

enum class Shape { kRandom, kSparse, kConstant, kHeavyTailed, kSubnormal, kZero };

inline const Shape kShapes[] = {Shape::kRandom,      Shape::kSparse,    Shape::kConstant,
                                Shape::kHeavyTailed, Shape::kSubnormal, Shape::kZero};

inline std::string name_of(Shape shape) {
  const char* names[] = {"random", "sparse", "constant", "heavy-tailed", "subnormal", "zero"};
  return names[static_cast<size_t>(shape)];
}

inline Rng test_rng(uint64_t seed) { return Rng(seed, NodeId{0}, Purpose::kTest); }

inline float draw(Shape shape, Rng& rng) {
  switch (shape) {
    case Shape::kRandom: return static_cast<float>(rng.normal());
    case Shape::kSparse: return rng.below(50) == 0 ? static_cast<float>(rng.normal()) : 0.0f;
    case Shape::kConstant: return -0.37f;
    case Shape::kHeavyTailed: {  // Pareto with index 1.5, either sign; within every format's range
      const double magnitude = std::pow(1.0 - rng.uniform(), -1 / 1.5);
      return static_cast<float>((rng.below(2) ? 1 : -1) * std::min(magnitude, 6e4));
    }
    case Shape::kSubnormal: return static_cast<float>(rng.normal()) * 1e-40f;
    case Shape::kZero: return rng.below(2) ? 0.0f : -0.0f;
  }
  return 0;
}

inline std::vector<float> make_vector(Shape shape, size_t size, uint64_t seed) {
  Rng rng = test_rng(seed);
  std::vector<float> values(size);
  for (float& value : values) value = draw(shape, rng);
  return values;
}

// The same, drawn once for all tests of a program.
inline const std::vector<float>& drawn_vector(Shape shape, size_t size, uint64_t seed) {
  static std::map<std::tuple<Shape, size_t, uint64_t>, std::vector<float>> drawn;
  std::vector<float>& values = drawn[{shape, size, seed}];
  if (values.empty()) values = make_vector(shape, size, seed);
  return values;
}

inline double squared_norm_of(std::span<const float> x) {
  double sum = 0;
  for (const float v : x) sum += static_cast<double>(v) * v;
  return sum;
}

// Bytes at an address that is aligned to nothing.
class Unaligned {
 public:
  explicit Unaligned(std::span<const std::byte> bytes) : storage_(bytes.size() + 1) {
    if (!bytes.empty()) std::memcpy(storage_.data() + 1, bytes.data(), bytes.size());
  }
  std::span<const std::byte> bytes() const { return std::span(storage_).subspan(1); }

 private:
  std::vector<std::byte> storage_;
};

// The payload as it comes off the wire in pieces of `chunk_bytes`.
inline Payload in_chunks(std::span<const std::byte> bytes, size_t chunk_bytes, Pool& pool) {
  std::vector<SharedBuffer> chunks;
  do {
    const size_t size = std::min(chunk_bytes, bytes.size());
    Buffer chunk = pool.acquire(size);
    if (size > 0) std::memcpy(chunk.data(), bytes.data(), size);
    chunks.push_back(std::move(chunk).freeze());
    bytes = bytes.subspan(size);
  } while (!bytes.empty());
  return Payload::from_chunks(std::move(chunks));
}

}  // namespace kith::test
