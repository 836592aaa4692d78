// The concave programs over edge weights behind the fastest mixing and MATCHA: how large can the
// smallest eigenvalue of a Laplacian be made?
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "topology/matching.h"

namespace kith {

// maximise t over t and w, where L(w) = sum_k w_k (Laplacian of the edges of group k), subject to
//   t I <= L(w)           on the vectors of mean zero
//   L(w) <= (2 - t) I     there, where `two_sided`
//   0 <= w_k <= 1, sum w_k <= budget   where there is a budget
struct WeightProgram {
  uint32_t nodes = 0;
  std::vector<Matching> groups = {};  // a connected graph together
  bool two_sided = false;
  std::optional<double> budget = {};
};

struct WeightSolution {
  std::vector<double> weights;  // by group, strictly within the bounds
  double bound = 0;             // t: within 1e-7 of the best, relative
};

// Log-determinant barrier with Newton steps, dense: a step costs O(N^3 + edges^2 + groups^3), and
// there are about a hundred. `start` must satisfy every bound strictly. Where many weights are best
// the answer lies in the middle of them, so that it has the graph's symmetries.
WeightSolution solve(const WeightProgram& program, const std::vector<double>& start);

}  // namespace kith
