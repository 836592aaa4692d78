// n vectors, coordinate by coordinate in the order of size.
#pragma once

#include <span>

#include "protocol/aggregate.h"
#include "protocol/buffer.h"

namespace kith {

// A block of coordinates: row(k) holds the k-th smallest value of each of them.
class SortedBlock {
 public:
  SortedBlock(std::span<float> scratch, size_t width) : scratch_(scratch), width_(width) {}
  std::span<float> row(size_t k) const { return scratch_.subspan(k * width_, width_); }

 private:
  std::span<float> scratch_;
  size_t width_;
};

// What is made of one block, of as many coordinates as y has.
class BlockRule {
 public:
  virtual ~BlockRule() = default;
  virtual void combine(const SortedBlock& block, std::span<float> y) const = 0;
};

// Writes y block by block. Batcher's merge exchange (Knuth, The Art of Computer Programming 3,
// algorithm 5.2.2M): about n (log2 n)^2 / 4 passes of vector instructions over a block that stays
// in the cache, the same sequence of comparisons whatever the values. Scratch: 1024 n floats.
void combine_sorted(std::span<const Candidate> candidates, const BlockRule& rule,
                    std::span<float> y, Pool& pool);

}  // namespace kith
