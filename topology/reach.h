// Breadth-first search over a graph in round 0.
#pragma once

#include <cstdint>
#include <vector>

#include "topology/graph.h"

namespace kith {

enum class Direction : uint8_t { kOut, kIn };

// One search after another over the same graph, without allocation after the first. O(edges) each,
// less where all nodes are found early.
class Reach {
 public:
  static constexpr uint32_t kUnreached = UINT32_MAX;

  explicit Reach(const Graph& graph) : graph_(graph), hops_(graph.nodes()) {}

  // Walks from `start` along the messages (kOut) or against them (kIn).
  void search(NodeId start, Direction direction);

  const std::vector<uint32_t>& hops() const { return hops_; }                // by node; kUnreached
  uint32_t reached() const { return static_cast<uint32_t>(queue_.size()); }  // `start` included
  NodeId farthest() const { return queue_.back(); }
  uint32_t depth() const { return hops_[index_of(queue_.back())]; }

 private:
  const Graph& graph_;
  std::vector<uint32_t> hops_;
  std::vector<NodeId> queue_;
  std::vector<NodeId> peers_;
};

// Every node has a path to every other (strongly connected where directed).
bool connected(const Graph& graph);

// The smallest node that node 0 has no path to, or N when there is none.
uint32_t first_unreached(const Graph& graph);

}  // namespace kith
