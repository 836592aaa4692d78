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
  std::vector<Neighbor> neighbors;  // w_ij, sorted by peer
  std::vector<NodeId> scratch;      // of Mixing::row, kept for its capacity; means nothing after
};

// Which sums of W are 1, in every round, up to the rounding of w_ii to a float.
enum class Stochastic : uint8_t {
  kColumns,  // sum_i w_ij = 1: a mean of x alone is not kept, push-sum's x / w is
  kDoubly,   // rows and columns: the mean is kept, and equal x_i stay equal
};

class Mixing {
 public:
  virtual ~Mixing() = default;

  // Row `node` of W in `round`, written into `row` (its capacity is reused). O(degree), from any
  // thread: all that changes is `row`.
  virtual void row(NodeId node, Round round, MixingRow& row) const = 0;

  virtual const Graph& graph() const = 0;

  virtual Stochastic stochastic() const { return Stochastic::kDoubly; }
};

// Rules by name. All but the last are doubly stochastic, and symmetric where the graph is
// undirected:
//   "metropolis"         w_ij = 1 / (1 + max(d_i, d_j)), undirected (Xiao, Boyd, Lall 2005)
//   "uniform"            w_ij = 1 / (1 + indegree_i), regular graphs
//   "best-constant"      W = I - a L, a = 2 / (lambda_2 + lambda_N), undirected, never changing
//                        (Xiao, Boyd 2004); w_ii may be negative on irregular graphs
//   "fastest"            the symmetric W of least zeta, undirected, never changing (Xiao, Boyd
//                        2004); w_ij and w_ii may be negative
//   "own"                the weights that the graph brings (Graph::weights)
//   "column-stochastic"  w_ij = 1 / (1 + outdegree_j), any graph: for push-sum. Columns sum to 1,
//                        rows only where the graph is regular
// and "lazy-" before any of them: (I + W) / 2, which has no eigenvalue below 0 where W is symmetric
// with none below -1. D2 needs lambda_min > -1/3; an even ring has -1/3 under metropolis.
//
// Throws OperatorError when the rule cannot serve the graph, naming one that can. O(N degree) for
// each round of the period; best-constant solves an eigenproblem besides, and fastest costs what
// topology/fastest_mixing.h says.
std::unique_ptr<Mixing> make_mixing(const std::string& rule, std::shared_ptr<const Graph> graph);

// Throws as make_mixing does, without solving anything.
void check_mixing(const std::string& rule, const Graph& graph);

// Their names, those without "lazy-" first.
std::vector<std::string> mixing_rules();

// Every node hears from, and is heard by, the same number of others in every round.
bool regular(const Graph& graph);

// The rule that suits the graph: own where it brings weights, metropolis where undirected, uniform
// where directed and regular, else column-stochastic.
std::string default_mixing(const Graph& graph);

// What W truly sums to: for checks of a rule, of a graph's own weights, of a claim.
struct MixingSums {
  double row_error = 0;     // largest |sum_j w_ij - 1|
  double column_error = 0;  // largest |sum_i w_ij - 1|
  bool symmetric = true;    // to the last bit
};

// Of W in `round`; O(N degree) time and memory.
MixingSums mixing_sums(const Mixing& mixing, Round round = 0);

}  // namespace kith
