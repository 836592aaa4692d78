// What graphs whose edges all go both ways have in common.
#pragma once

#include "topology/graph.h"

namespace kith {

class UndirectedGraph : public Graph {
 public:
  explicit UndirectedGraph(uint32_t nodes) : nodes_(nodes) {}

  uint32_t nodes() const final { return nodes_; }
  bool undirected() const final { return true; }
  void out(NodeId node, Round round, std::vector<NodeId>& out) const final { in(node, round, out); }

 private:
  uint32_t nodes_;
};

}  // namespace kith
