// MATCHA (Wang, Sahu, Yang, Joshi, Kar 2019): an undirected graph is split into matchings, and in
// each round matching j is active with probability p_j, so that a round costs sum_j p_j exchanges
// one after the other instead of all M.
//
//   p     = argmax lambda_2(sum_j p_j L_j),   0 <= p_j <= 1,   sum_j p_j <= C_B M
//   W_t   = I - alpha sum_j b_j L_j,          b_j ~ Bernoulli(p_j), independent
//   rho   = lambda_max(E[W_t^2] - J): a round shrinks the mean square of the disagreement by it
//         = lambda_max(I - 2 alpha Lb + alpha^2 (Lb^2 + 2 Lt) - J),   as L_j^2 = 2 L_j
//   Lb    = sum_j p_j L_j,   Lt = sum_j p_j (1 - p_j) L_j
//   alpha = argmin rho
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "topology/matching.h"
#include "topology/mixing.h"

namespace kith {

struct MatchaDesign {
  double budget = 1;  // C_B, in (0, 1]: the share of the M exchanges that a round may cost
  std::vector<Matching> matchings;    // L_j, which have no edge in common
  std::vector<double> probabilities;  // p_j
  double connectivity = 0;            // lambda_2(Lb)
  double alpha = 0;
  double rho = 1;

  // The same budget spent by averaging over the whole graph with the best constant weight in a
  // share C_B of the rounds, and not at all in the others: rho = 1 - C_B (1 - rho_full).
  double periodic_alpha = 0;
  double periodic_rho = 1;

  double expected_matchings() const;  // sum_j p_j

  // False where the periodic baseline contracts as fast or faster: on a ring, for one.
  bool helps() const { return rho < periodic_rho; }
};

inline constexpr uint32_t kMatchaNodes = 1024;
inline constexpr uint64_t kMatchaEdges = 16384;

// Of the graph in round 0, with edge_matchings. Throws OperatorError where the graph is directed,
// not connected, has a single node or exceeds the limits above, or where the budget is not in
// (0, 1]. Dense: a second at 200 nodes, a minute at kMatchaNodes.
MatchaDesign design_matcha(const Graph& graph, double budget);

// Throws as design_matcha does, but for a graph that is not connected. O(edges).
void check_matcha(const Graph& graph, double budget);

// Of given matchings, which together are a connected graph. Throws OperatorError as above.
MatchaDesign design_matcha(uint32_t nodes, std::vector<Matching> matchings, double budget);

// lambda_max(E[W_t^2] - J) for an alpha of one's own.
double matcha_rho(uint32_t nodes, const std::vector<Matching>& matchings,
                  const std::vector<double>& probabilities, double alpha);

// b_j of one round: a function of its arguments, so that all nodes agree with no word exchanged.
bool matching_active(uint64_t seed, Round round, uint32_t matching, double probability);

// W_t over the active edges of each round, symmetric with rows and columns that sum to 1 (w_ii may
// be negative). Its graph() has the active edges of the round, is not connected in most of them and
// never repeats. A row costs O(degree) in the whole graph; O(N + edges) memory, shared.
std::unique_ptr<Mixing> make_matcha_mixing(uint32_t nodes, const MatchaDesign& design,
                                           uint64_t seed);

}  // namespace kith
