#include "topology/random_edges.h"

#include <algorithm>
#include <cmath>

#include "topology/reach.h"

namespace kith {

void draw_edges(Rng& rng, double probability, uint32_t node, uint32_t first, uint32_t last,
                std::vector<Edge>& edges) {
  if (probability <= 0) return;
  const double scale = 1 / std::log1p(-probability);  // -0 where the probability is 1: no gaps
  for (double next = first; next < last; ++next) {
    next += std::floor(std::log(1 - rng.uniform()) * scale);
    if (next < last) edges.emplace_back(node, static_cast<uint32_t>(next));
  }
}

std::shared_ptr<const Graph> draw_connected(
    uint32_t nodes, uint64_t seed, const std::function<void(Rng&, std::vector<Edge>&)>& draw) {
  std::vector<Edge> edges;
  for (uint64_t attempt = 0; attempt < kDraws; ++attempt) {
    Rng rng(seed, NodeId{0}, Purpose::kGraph, attempt);
    edges.clear();
    draw(rng, edges);
    if (edges.size() + 1 < nodes) continue;
    auto graph = std::make_shared<AdjacencyGraph>(nodes, edges);
    if (connected(*graph)) return graph;
  }
  return nullptr;
}

double connecting_probability(uint32_t nodes) {
  return std::min(1.0, 2 * std::log(static_cast<double>(nodes)) / nodes);
}

}  // namespace kith
