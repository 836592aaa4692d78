// Eigenvalues of the weighted Laplacian L = D - A, D = row sums: they give the spectrum of I - L
// without the cancellation of 1 - lambda_2, which is all there is to a large ring's gap.
#pragma once

#include <cstdint>
#include <vector>

#include "topology/graph.h"
#include "topology/mixing.h"

namespace kith {

// Row i has the entries edges[begin[i], begin[i + 1]), sorted by peer, without a diagonal.
struct SparseRows {
  std::vector<uint64_t> begin;  // N + 1
  std::vector<Neighbor> edges;

  uint32_t nodes() const { return static_cast<uint32_t>(begin.size() - 1); }
};

// Below this many nodes every eigenvalue is computed, dense; from it on the ends alone.
inline constexpr uint32_t kDenseNodes = 300;

// Entries that an eigenproblem may have: half a gigabyte.
inline constexpr uint64_t kSparseEntries = uint64_t{1} << 25;

// The off-diagonal part of W in `round`, and the graph in round 0 with every weight 1. Throw
// OperatorError above kSparseEntries.
SparseRows off_diagonal(const Mixing& mixing, Round round = 0);
SparseRows unit_weights(const Graph& graph);

// Each (i, j) has its (j, i), of equal weight.
bool symmetric(const SparseRows& rows);

SparseRows transposed(const SparseRows& rows);

struct LaplacianEnds {
  double connectivity = 0;  // lambda_2, the second smallest; 0 where the graph is not connected
  double largest = 0;       // lambda_N
};

// Of symmetric weights whose Laplacian has no eigenvalue below 0: nonnegative ones, or those of
// fastest_weights. Throws OperatorError where the iteration does not converge.
LaplacianEnds laplacian_ends(const SparseRows& weights);

}  // namespace kith
