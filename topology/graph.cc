#include "topology/graph.h"

#include "topology/assert.h"

namespace kith {

void Graph::weights(NodeId, Round, std::vector<Neighbor>&) const {
  KITH_ASSERT(false && "the graph has no weights of its own");
}

Round rounds_shown(const Graph& graph) {
  return graph.period() == kNeverRepeats ? kRoundsShown : graph.period();
}

}  // namespace kith
