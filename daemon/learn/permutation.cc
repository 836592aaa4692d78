#include "daemon/learn/permutation.h"

#include <cmath>

#include "topology/assert.h"

namespace kith {

namespace {

// A draw in {0, .., n-1} from (value, key): two rounds of multiply and fold.
uint32_t mix(uint32_t value, uint64_t key, uint32_t n) {
  uint64_t x = (value + key) * 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
  return static_cast<uint32_t>(((x >> 32) * n) >> 32);
}

uint32_t add_modulo(uint32_t x, uint32_t y, uint32_t n) {
  const uint64_t sum = uint64_t{x} + y;
  return static_cast<uint32_t>(sum >= n ? sum - n : sum);
}

}  // namespace

Permutation::Permutation(uint32_t n, Rng& rng)
    : n_(n), rounds_(n < kLarge ? kSmallRounds : kLargeRounds) {
  KITH_ASSERT(n > 0);
  a_ = static_cast<uint32_t>(std::ceil(std::sqrt(static_cast<double>(n))));
  b_ = static_cast<uint32_t>((uint64_t{n} + a_ - 1) / a_);
  for (uint32_t round = 0; round < rounds_; ++round) keys_[round] = rng.next();
}

uint32_t Permutation::shuffle_grid(uint32_t i) const {
  uint32_t left = i / b_;
  uint32_t right = i % b_;
  for (uint32_t round = 0; round < rounds_; round += 2) {
    left = add_modulo(left, mix(right, keys_[round], a_), a_);
    right = add_modulo(right, mix(left, keys_[round + 1], b_), b_);
  }
  return left * b_ + right;
}

}  // namespace kith
