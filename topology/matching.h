// Matchings of an undirected graph: sets of edges of which no two meet, so that all the exchanges
// of one matching can go on at the same time.
#pragma once

#include <cstdint>
#include <vector>

#include "topology/adjacency.h"
#include "topology/graph.h"

namespace kith {

using Matching = std::vector<Edge>;

inline constexpr uint32_t kMatchingNodes = 16384;
inline constexpr uint64_t kMatchingWork = 1 << 23;  // edges times the largest degree

// Within the two limits, and undirected: a complete graph of 256 nodes, 10,000 nodes of degree 14.
bool has_matchings(const Graph& graph);

// The edges of round 0, each smaller node first, split into matchings (an edge colouring): the
// largest matching first, edges sorted within each. With Delta the largest degree there are
//   - Delta on a bipartite graph (Koenig): trees, stars, grids, hypercubes, even rings and tori;
//   - Delta or Delta + 1 on any other (Vizing).
// A function of the graph alone. Throws OperatorError where has_matchings is false. N = 10,000 with
// degree 14 takes a quarter of a second; close to kMatchingWork a dense graph may take five.
std::vector<Matching> edge_matchings(const Graph& graph);

// Every edge of round 0 once, the smaller node first, sorted.
std::vector<Edge> edges_of(const Graph& graph);

}  // namespace kith
