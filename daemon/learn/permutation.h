// A pseudo-random permutation of {0, .., n-1}, evaluated at any point without memory: a Feistel
// network on a grid a x b that just covers n, walking on until it lands below n (Black, Rogaway
// 2002). The grid exceeds n by less than a, so a walk of more than one step is rare.
#pragma once

#include <array>
#include <cstdint>

#include "topology/rng.h"

namespace kith {

class Permutation {
 public:
  // Needs n > 0. The keys are the next draws of `rng`.
  Permutation(uint32_t n, Rng& rng);

  uint32_t operator()(uint32_t i) const {
    do i = shuffle_grid(i);
    while (i >= n_);
    return i;
  }

 private:
  // Two elements that share a column of the grid keep their distance through two rounds with
  // probability 1/b, so a small grid needs more rounds than the four of Luby and Rackoff: with 24
  // and b = 3 the bias is 3^-12, with 8 and b = 32 it is 32^-4.
  static constexpr uint32_t kLargeRounds = 8;
  static constexpr uint32_t kSmallRounds = 24;
  static constexpr uint32_t kLarge = 1024;

  uint32_t shuffle_grid(uint32_t i) const;

  uint32_t n_;
  uint32_t a_;
  uint32_t b_;
  uint32_t rounds_;
  std::array<uint64_t, kSmallRounds> keys_;  // `rounds_` of them in use
};

}  // namespace kith
