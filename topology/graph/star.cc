// Star: node 0, the hub, is joined to every other node.
//
// Degree N - 1 at the hub, 1 elsewhere; diameter 2. Under Metropolis every edge weighs 1/N: the
// eigenvalues of W are 1, 1 - 1/N (N - 2 times) and 0, so the gap is 1/N. Under best-constant,
// a = 2 / (N + 1) and the gap is 2 / (N + 1).
#include "topology/registry.h"
#include "topology/undirected_graph.h"

namespace kith {

namespace {

class Star final : public UndirectedGraph {
 public:
  using UndirectedGraph::UndirectedGraph;

  void in(NodeId node, Round, std::vector<NodeId>& out) const override {
    out.clear();
    if (index_of(node) != 0) return out.push_back(NodeId{0});
    for (uint32_t leaf = 1; leaf < nodes(); ++leaf) out.push_back(NodeId{leaf});
  }
};

}  // namespace

const GraphInfo star_graph = {
    .name = "star",
    .help = "node 0 talks to all others: what a parameter server is",
    .undirected = true,
    .make = make_sized<Star>,
};

}  // namespace kith
