// Where to draw the nodes of a graph.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "topology/graph.h"

namespace kith {

struct Point {
  double x = 0;
  double y = 0;
};

struct Layout {
  enum class Kind : uint8_t { kCircle, kGrid, kTree, kSpring };

  Kind kind = Kind::kCircle;
  std::vector<Point> points = {};  // by node; y grows downwards, the scale means nothing
  uint32_t columns = 0;            // of a grid: node i stands in row i / columns
};

// From, to; sorted.
using Arc = std::pair<uint32_t, uint32_t>;

// Every arc that the graph has in a round of its period, or of the first 64 rounds of it.
std::vector<Arc> arcs_over_rounds(const Graph& graph);

// What the arcs look like decides: a circle where they stay the same when all nodes move on by one
// (rings, exponential and complete graphs), a grid where they join grid neighbours (tori too),
// circles round its centre for a tree, and else the distances between nodes in hops as well as the
// plane can show them (stress majorisation: Gansner, Koren, North 2004). A function of the
// arguments alone; O(nodes^2) memory and, at a spring layout, O(nodes^3) time: a second at 500.
Layout layout_of(uint32_t nodes, const std::vector<Arc>& arcs);

}  // namespace kith
