// An undirected graph that is kept as sorted lists of neighbours: for graphs that no rule
// describes.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "topology/graph.h"

namespace kith {

using Edge = std::pair<uint32_t, uint32_t>;

// O(N + edges) memory, shared by all nodes.
class AdjacencyGraph final : public Graph {
 public:
  // Each edge stands once, in any direction; no loops.
  AdjacencyGraph(uint32_t nodes, const std::vector<Edge>& edges);

  uint32_t nodes() const override { return static_cast<uint32_t>(begin_.size() - 1); }
  bool undirected() const override { return true; }
  void in(NodeId node, Round round, std::vector<NodeId>& out) const override;
  void out(NodeId node, Round round, std::vector<NodeId>& out) const override;

 private:
  std::vector<uint64_t> begin_;  // N + 1: list i is peers_[begin_[i], begin_[i + 1])
  std::vector<NodeId> peers_;
};

}  // namespace kith
