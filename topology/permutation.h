// A pseudo-random permutation of the nodes 0 .. N-1 that is computed where it is asked for, not
// stored.
//
// Swap-or-not (Hoang, Morris, Rogaway 2012): in each round x may change places with its partner
// K - x mod N, K drawn for the round; whether the two do is a random bit of the round and the
// larger of them, so that both agree. Each round is its own inverse. For q << N nodes the
// distance to a uniform permutation falls as 2^(-r/2) N^(3/2) in the number of rounds r;
// 4 log2 N + 16 of them leave less than N^(-1/2) / 256. Not for secrets.
#pragma once

#include <cstdint>
#include <span>

#include "topology/types.h"

namespace kith {

class Permutation {
 public:
  // Two keys, each 64 random bits. Needs size > 0.
  Permutation(uint32_t size, uint64_t partners, uint64_t swaps)
      : size_(size), partners_(partners), swaps_(swaps) {}

  // Replaces each node by its image. O(log N) each.
  void forward(std::span<NodeId> nodes) const;

  NodeId inverse(NodeId node) const;

 private:
  uint32_t rounds() const;
  uint32_t partner_sum(uint32_t round) const;  // K
  NodeId swapped(NodeId node, uint32_t sum, uint32_t round) const;

  uint32_t size_;
  uint64_t partners_;
  uint64_t swaps_;
};

}  // namespace kith
