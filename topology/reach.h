// Breadth-first search over a graph; where it changes, over the edges of all rounds that
// rounds_shown() names together.
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

  explicit Reach(const Graph& graph)
      : graph_(graph), rounds_(rounds_shown(graph)), hops_(graph.nodes()) {}

  // Walks from `start` along the messages (kOut) or against them (kIn).
  void search(NodeId start, Direction direction);

  const std::vector<uint32_t>& hops() const { return hops_; }                // by node; kUnreached
  uint32_t reached() const { return static_cast<uint32_t>(queue_.size()); }  // `start` included
  NodeId farthest() const { return queue_.back(); }
  uint32_t depth() const { return hops_[index_of(queue_.back())]; }

 private:
  // Appends to the queue whom `node` reaches in `round` for the first time.
  void visit(NodeId node, Round round, Direction direction);

  const Graph& graph_;
  Round rounds_;
  std::vector<uint32_t> hops_;
  std::vector<NodeId> queue_;
  std::vector<NodeId> peers_;
};

// Every node has a path to every other (strongly connected where directed; by edges of different
// rounds where the graph changes).
bool connected(const Graph& graph);

// The most hops that news of a node needs back to one whose messages it hears: in lockstep, where a
// node waits in every round for all that it hears, the rounds that a sender can be ahead. 1 where
// undirected. Over all nodes up to kReturnNodes; above, of node 0 alone: a lower bound, exact where
// all nodes are alike. Needs a connected graph that never changes.
inline constexpr uint32_t kReturnNodes = 1024;
uint32_t longest_return(const Graph& graph);

// The smallest node that node 0 has no path to (kOut), or that has none to node 0 (kIn); N when
// there is none.
uint32_t first_unreached(const Graph& graph, Direction direction);

}  // namespace kith
