// Complete graph: every node is joined to every other.
//
// Degree N - 1; diameter 1. W = J under every rule (zeta = 0 to rounding): one round averages, for
// N (N - 1) messages.
#include "topology/registry.h"
#include "topology/undirected_graph.h"

namespace kith {

namespace {

class Complete final : public UndirectedGraph {
 public:
  using UndirectedGraph::UndirectedGraph;

  void in(NodeId node, Round, std::vector<NodeId>& out) const override {
    out.clear();
    for (uint32_t i = 0; i < nodes(); ++i) {
      if (i != index_of(node)) out.push_back(NodeId{i});
    }
  }
};

}  // namespace

const GraphInfo complete_graph = {
    .name = "complete",
    .help = "everyone talks to everyone; exact averages, N - 1 messages a node and round",
    .undirected = true,
    .make = make_sized<Complete>,
};

}  // namespace kith
