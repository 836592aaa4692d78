#include "topology/graph.h"

#include <algorithm>

#include "topology/assert.h"

namespace kith {

void Graph::weights(NodeId, Round, std::vector<Neighbor>&) const {
  KITH_ASSERT(false && "the graph has no weights of its own");
}

void all_neighbors(const Graph& graph, NodeId node, std::vector<NodeId>& out) {
  out.clear();
  if (graph.period() == kNeverRepeats) {
    for (uint32_t other = 0; other < graph.nodes(); ++other) {
      if (NodeId{other} != node) out.push_back(NodeId{other});
    }
    return;
  }
  std::vector<NodeId> some;
  for (Round round = 0; round < graph.period(); ++round) {
    graph.in(node, round, some);
    out.insert(out.end(), some.begin(), some.end());
    graph.out(node, round, some);
    out.insert(out.end(), some.begin(), some.end());
    std::ranges::sort(out);
    out.erase(std::unique(out.begin(), out.end()), out.end());
  }
}

Round rounds_shown(const Graph& graph) {
  return graph.period() == kNeverRepeats ? kRoundsShown : graph.period();
}

}  // namespace kith
