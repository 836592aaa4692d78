#include "topology/laplacian.h"

#include <Eigen/Dense>
#include <Eigen/SparseCholesky>
#include <algorithm>
#include <cmath>
#include <span>
#include <string>

#include "topology/error.h"
#include "topology/lanczos.h"

namespace kith {

namespace {

using Eigen::VectorXd;
using Sparse = Eigen::SparseMatrix<double>;

// sign * L + shift * I, rows and columns of the first `size` nodes alone.
Sparse shifted(const SparseRows& weights, uint32_t size, double sign, double shift) {
  Sparse matrix(size, size);
  Eigen::VectorXi entries(size);
  for (uint32_t i = 0; i < size; ++i) {
    entries[i] = static_cast<int>(weights.begin[i + 1] - weights.begin[i]) + 1;
  }
  matrix.reserve(entries);
  for (uint32_t i = 0; i < size; ++i) {
    double sum = 0;
    for (uint64_t e = weights.begin[i]; e < weights.begin[i + 1]; ++e) {
      const Neighbor& edge = weights.edges[e];
      sum += static_cast<double>(edge.weight);
      if (index_of(edge.peer) < size) {
        matrix.insert(index_of(edge.peer), i) = -sign * static_cast<double>(edge.weight);
      }
    }
    matrix.insert(i, i) = sign * sum + shift;
  }
  matrix.makeCompressed();
  return matrix;
}

[[noreturn]] void not_converged(uint32_t nodes) {
  throw OperatorError("the spectrum of this graph of " + std::to_string(nodes) +
                      " nodes did not converge; try fewer nodes");
}

// The largest eigenvalue of the inverse of `matrix`, which covers all nodes or all but the last.
double largest_of_inverse(const Sparse& matrix, uint32_t nodes) {
  const Eigen::SimplicialLDLT<Sparse> factor(matrix);
  if (factor.info() != Eigen::Success) not_converged(nodes);
  const auto solve = [&](std::span<const double> x, std::span<double> y) {
    const Eigen::Map<const VectorXd> in(x.data(), matrix.rows());
    std::ranges::fill(y, 0.0);
    Eigen::Map<VectorXd>(y.data(), matrix.rows()) = factor.solve(in);
  };
  const auto found = largest_eigenvalue(nodes, solve);
  if (!found) not_converged(nodes);
  return *found;
}

// Where Lanczos is slow the gap is small; then the graph has small separators (Cheeger) and its
// Cholesky factor few entries. Node N - 1 is grounded, which makes L definite; for a centred x the
// centred solution is the pseudo-inverse's.
double smallest_by_factor(const SparseRows& weights) {
  return 1 / largest_of_inverse(shifted(weights, weights.nodes() - 1, 1, 0), weights.nodes());
}

// Shift and invert at Gershgorin's bound, which lies just above the end of a dense spectrum.
double largest_by_factor(const SparseRows& weights, double bound) {
  const double shift = bound * (1 + 1e-9);
  return shift -
         1 / largest_of_inverse(shifted(weights, weights.nodes(), -1, shift), weights.nodes());
}

// No eigenvalue of L is larger: sum of a row of L's absolute values.
double gershgorin(const SparseRows& weights) {
  double largest = 0;
  for (uint32_t i = 0; i < weights.nodes(); ++i) {
    double sum = 0;
    double moduli = 0;
    for (uint64_t e = weights.begin[i]; e < weights.begin[i + 1]; ++e) {
      sum += static_cast<double>(weights.edges[e].weight);
      moduli += std::abs(static_cast<double>(weights.edges[e].weight));
    }
    largest = std::max(largest, sum + moduli);
  }
  return largest;
}

LaplacianEnds dense_ends(const Sparse& laplacian) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(Eigen::MatrixXd(laplacian),
                                                              Eigen::EigenvaluesOnly);
  const VectorXd& values = solver.eigenvalues();
  return {std::max(values[1], 0.0), values[values.size() - 1]};
}

void check_size(const SparseRows& rows, uint32_t nodes) {
  if (rows.edges.size() <= kSparseEntries) return;
  throw OperatorError("the spectrum of a graph of " + std::to_string(nodes) + " nodes with over " +
                      std::to_string(kSparseEntries) +
                      " links would take too much memory; use fewer nodes or a sparser graph");
}

}  // namespace

SparseRows off_diagonal(const Mixing& mixing, Round round) {
  const uint32_t nodes = mixing.graph().nodes();
  SparseRows rows;
  rows.begin.push_back(0);
  MixingRow row;
  for (uint32_t i = 0; i < nodes; ++i) {
    mixing.row(NodeId{i}, round, row);
    rows.edges.insert(rows.edges.end(), row.neighbors.begin(), row.neighbors.end());
    rows.begin.push_back(rows.edges.size());
    check_size(rows, nodes);
  }
  return rows;
}

SparseRows unit_weights(const Graph& graph) {
  SparseRows rows;
  rows.begin.push_back(0);
  std::vector<NodeId> peers;
  for (uint32_t i = 0; i < graph.nodes(); ++i) {
    graph.in(NodeId{i}, 0, peers);
    for (const NodeId peer : peers) rows.edges.push_back({peer, 1.0f});
    rows.begin.push_back(rows.edges.size());
    check_size(rows, graph.nodes());
  }
  return rows;
}

bool symmetric(const SparseRows& rows) {
  std::vector<uint64_t> next(rows.begin.begin(), rows.begin.end() - 1);
  for (uint32_t i = 0; i < rows.nodes(); ++i) {
    for (uint64_t e = rows.begin[i]; e < rows.begin[i + 1]; ++e) {
      const uint32_t j = index_of(rows.edges[e].peer);
      // Rows come in order of i, so row j's unmatched entries begin with this one.
      if (next[j] == rows.begin[j + 1] || index_of(rows.edges[next[j]].peer) != i) return false;
      if (rows.edges[next[j]++].weight != rows.edges[e].weight) return false;
    }
  }
  return true;
}

SparseRows transposed(const SparseRows& rows) {
  SparseRows result{std::vector<uint64_t>(rows.begin.size(), 0), {}};
  result.edges.resize(rows.edges.size());
  for (const Neighbor& edge : rows.edges) ++result.begin[index_of(edge.peer) + 1];
  for (uint32_t i = 0; i < rows.nodes(); ++i) result.begin[i + 1] += result.begin[i];
  std::vector<uint64_t> next(result.begin.begin(), result.begin.end() - 1);
  for (uint32_t i = 0; i < rows.nodes(); ++i) {
    for (uint64_t e = rows.begin[i]; e < rows.begin[i + 1]; ++e) {
      result.edges[next[index_of(rows.edges[e].peer)]++] = {NodeId{i}, rows.edges[e].weight};
    }
  }
  return result;
}

LaplacianEnds laplacian_ends(const SparseRows& weights) {
  const uint32_t nodes = weights.nodes();
  if (nodes == 1) return {};
  const Sparse laplacian = shifted(weights, nodes, 1, 0);
  if (nodes < kDenseNodes) return dense_ends(laplacian);
  const double bound = gershgorin(weights);
  const auto forward = [&](std::span<const double> x, std::span<double> y) {
    Eigen::Map<VectorXd>(y.data(), nodes) = laplacian * Eigen::Map<const VectorXd>(x.data(), nodes);
  };
  const auto backward = [&](std::span<const double> x, std::span<double> y) {
    forward(x, y);
    for (uint32_t i = 0; i < nodes; ++i) y[i] = bound * x[i] - y[i];
  };
  LaplacianEnds ends;
  const auto largest = largest_eigenvalue(nodes, forward);
  ends.largest = largest ? *largest : largest_by_factor(weights, bound);
  const auto smallest = largest_eigenvalue(nodes, backward);
  ends.connectivity = smallest ? bound - *smallest : smallest_by_factor(weights);
  return ends;
}

}  // namespace kith
