// Graphs whose edges are drawn at random, kept where they are connected.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "topology/adjacency.h"
#include "topology/rng.h"

namespace kith {

// Appends the edges node - j, j in [first, last), each with the given probability, independent of
// each other. O(edges), not O(last - first): the gaps between them are drawn (Batagelj, Brandes
// 2005).
void draw_edges(Rng& rng, double probability, uint32_t node, uint32_t first, uint32_t last,
                std::vector<Edge>& edges);

// How often a graph is drawn before it counts as never connected.
inline constexpr uint64_t kDraws = 1000;

// The first connected graph of those that `draw` gives, each from a stream of its own; null where
// none of kDraws is. `draw` fills the empty list that it is given.
std::shared_ptr<const Graph> draw_connected(
    uint32_t nodes, uint64_t seed, const std::function<void(Rng&, std::vector<Edge>&)>& draw);

// 2 ln N / N, at most 1: edges drawn with this probability leave a node without any in about one
// graph of N (Erdos, Renyi 1959: the threshold of being connected is ln N / N).
double connecting_probability(uint32_t nodes);

}  // namespace kith
