// The tree that messages take which must not come back the way they went.
#pragma once

#include <vector>

#include "topology/adjacency.h"

namespace kith {

// N - 1 edges of the graph that join all its nodes: the shortest ways from a node in the middle of
// it (of a tree, its centre), to the smallest peer where several are as short. Needs an undirected,
// connected graph that never changes. O(edges), a function of the graph alone.
std::vector<Edge> spanning_tree(const Graph& graph);

}  // namespace kith
