// A pseudo-random permutation of {0, .., n-1}, evaluated at any point without memory: a Feistel
// network on a grid a x b that just covers n, walking on until it lands below n (Black, Rogaway
// 2002). The grid exceeds n by less than a, so a walk of more than one step is rare.
#pragma once

#include <array>
#include <cstdint>

#include "protocol/rng.h"

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
  // Each needs its predecessors' output: more than the four rounds of Luby and Rackoff, since small
  // grids mix less a round.
  static constexpr int kRounds = 8;

  uint32_t shuffle_grid(uint32_t i) const;

  uint32_t n_;
  uint32_t a_;
  uint32_t b_;
  std::array<uint64_t, kRounds> keys_;
};

}  // namespace kith
