// Krum's score (Blanchard, El Mhamdi, Guerraoui, Stainer 2017): how near a vector is to those that
// are nearest to it.
#pragma once

#include <span>
#include <vector>

#include "protocol/aggregate.h"

namespace kith {

class NearestVectors {
 public:
  // For n vectors of which `byzantine` = f may be bad:
  //   s(i) = sum of |v_i - v_k|^2 over the n - f - 2 vectors k nearest to i (at least one)
  // Returns the indices by score, the best first; of equal ones the smaller index. Valid until the
  // next call. Costs n (n - 1) / 2 passes over two vectors, distances in doubles.
  std::span<const size_t> rank(std::span<const Candidate> candidates, size_t byzantine);

 private:
  void measure(std::span<const Candidate> candidates);

  std::vector<double> distances_;  // n x n; this and the rest: scratch, kept for its capacity
  std::vector<double> row_;
  std::vector<double> scores_;
  std::vector<size_t> order_;
};

}  // namespace kith
