// The symmetric weights under which gossip on a graph converges fastest (Xiao, Boyd 2004).
#pragma once

#include <cstdint>
#include <vector>

#include "topology/graph.h"

namespace kith {

inline constexpr uint32_t kFastestNodes = 512;
inline constexpr uint64_t kFastestEdges = 1500;

// w_ij by edge, in the order of edges_of: minimises zeta = max(lambda_2(W), -lambda_min(W)) over
// all symmetric W with W 1 = 1 that are 0 where there is no edge; w_ij and w_ii may be negative.
// zeta is within 1e-7 (1 - zeta) of the smallest. Where several W are best, the one in their
// middle.
//
// Not by the paper's subgradient, which stalls at three digits, but by the barrier of
// topology/weight_program.h: seconds at a few hundred edges, a minute at kFastestEdges. Throws
// OperatorError above the limits. Needs an undirected, connected graph that never changes.
std::vector<double> fastest_weights(const Graph& graph);

// Throws as it does.
void check_fastest(const Graph& graph);

}  // namespace kith
