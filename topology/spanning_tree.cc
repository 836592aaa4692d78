#include "topology/spanning_tree.h"

#include "topology/assert.h"
#include "topology/reach.h"

namespace kith {

namespace {

// A peer that is one hop nearer to where the search began: the smallest.
NodeId step_back(const Graph& graph, const Reach& reach, NodeId node, std::vector<NodeId>& peers) {
  graph.in(node, 0, peers);
  for (const NodeId peer : peers) {
    if (reach.hops()[index_of(peer)] + 1 == reach.hops()[index_of(node)]) return peer;
  }
  KITH_ASSERT(!"the graph is connected and undirected");
  return node;
}

// Half of the way between two nodes that are far from each other (of a tree, the farthest).
NodeId middle(const Graph& graph, Reach& reach, std::vector<NodeId>& peers) {
  reach.search(NodeId{0}, Direction::kOut);
  reach.search(reach.farthest(), Direction::kOut);
  NodeId node = reach.farthest();
  for (uint32_t back = reach.depth() / 2; back > 0; --back) {
    node = step_back(graph, reach, node, peers);
  }
  return node;
}

}  // namespace

std::vector<Edge> spanning_tree(const Graph& graph) {
  KITH_ASSERT(graph.undirected() && graph.period() == 1);
  Reach reach(graph);
  std::vector<NodeId> peers;
  const NodeId root = middle(graph, reach, peers);
  reach.search(root, Direction::kOut);
  std::vector<Edge> edges;
  edges.reserve(graph.nodes() - 1);
  for (uint32_t i = 0; i < graph.nodes(); ++i) {
    if (NodeId{i} == root) continue;
    edges.emplace_back(index_of(step_back(graph, reach, NodeId{i}, peers)), i);
  }
  return edges;
}

}  // namespace kith
