// A drawing of a graph.
#pragma once

#include <cstdint>
#include <string>

#include "topology/graph.h"

namespace kith {

inline constexpr uint32_t kDrawnNodes = 1000;
inline constexpr size_t kDrawnArcs = 100000;

// An SVG document: the nodes as topology/layout.h places them, with their numbers where these fit,
// arrows where the graph is directed, and `caption` below. On a torus a dashed end stands for an
// edge that wraps round; of a graph that changes every edge of its rounds is drawn. Throws
// OperatorError above kDrawnNodes and kDrawnArcs.
std::string graph_svg(const Graph& graph, const std::string& caption);

}  // namespace kith
