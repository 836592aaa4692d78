// Mixing matrices W: what a node multiplies each neighbour's vector by.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "topology/graph.h"

namespace kith {

// One row of W without the diagonal entry, which stands apart.
struct MixingRow {
  float self = 1.0f;                // w_ii
  std::vector<Neighbor> neighbors;  // w_ij, sorted by peer; self + sum of these = 1
  std::vector<NodeId> scratch;      // of Mixing::row, kept for its capacity; means nothing after
};

class Mixing {
 public:
  virtual ~Mixing() = default;

  // Row `node` of W in `round`, written into `row` (its capacity is reused). O(degree), from any
  // thread: all that changes is `row`.
  virtual void row(NodeId node, Round round, MixingRow& row) const = 0;

  virtual const Graph& graph() const = 0;
};

// Rules by name:
//   "metropolis"     w_ij = 1 / (1 + max(d_i, d_j)), undirected graphs (Xiao, Boyd, Lall 2005)
//   "uniform"        w_ij = 1 / (1 + indegree_i); doubly stochastic only on regular graphs
//   "best-constant"  W = I - a L, a = 2 / (lambda_2 + lambda_N), undirected (Xiao, Boyd 2004);
//                    w_ii may be negative on irregular graphs
//   "own"            the weights that the graph brings (Graph::weights)
// Throws OperatorError when the rule cannot serve the graph, naming one that can. O(N degree) for
// each round of the period; best-constant solves an eigenproblem besides.
std::unique_ptr<Mixing> make_mixing(const std::string& rule, std::shared_ptr<const Graph> graph);

// The rule that suits the graph: own where it brings weights, metropolis where undirected, uniform
// where directed and regular.
std::string default_mixing(const Graph& graph);

}  // namespace kith
