#include "topology/reach.h"

#include <algorithm>

#include "topology/assert.h"

namespace kith {

void Reach::search(NodeId start, Direction direction) {
  std::ranges::fill(hops_, kUnreached);
  queue_.clear();
  queue_.push_back(start);
  hops_[index_of(start)] = 0;
  for (size_t next = 0; next < queue_.size() && queue_.size() < hops_.size(); ++next) {
    for (Round round = 0; round < rounds_; ++round) visit(queue_[next], round, direction);
  }
}

void Reach::visit(NodeId node, Round round, Direction direction) {
  if (direction == Direction::kOut) {
    graph_.out(node, round, peers_);
  } else {
    graph_.in(node, round, peers_);
  }
  for (const NodeId peer : peers_) {
    if (hops_[index_of(peer)] != kUnreached) continue;
    hops_[index_of(peer)] = hops_[index_of(node)] + 1;
    queue_.push_back(peer);
  }
}

bool connected(const Graph& graph) {
  return first_unreached(graph, Direction::kOut) == graph.nodes() &&
         (graph.undirected() || first_unreached(graph, Direction::kIn) == graph.nodes());
}

uint32_t longest_return(const Graph& graph) {
  KITH_ASSERT(graph.period() == 1);
  if (graph.undirected()) return graph.nodes() == 1 ? 0 : 1;
  Reach reach(graph);
  std::vector<NodeId> heard;
  uint32_t longest = 0;
  const uint32_t starts = graph.nodes() <= kReturnNodes ? graph.nodes() : 1;
  for (uint32_t i = 0; i < starts; ++i) {
    reach.search(NodeId{i}, Direction::kOut);
    graph.in(NodeId{i}, 0, heard);
    for (const NodeId peer : heard) longest = std::max(longest, reach.hops()[index_of(peer)]);
  }
  return longest;
}

uint32_t first_unreached(const Graph& graph, Direction direction) {
  Reach reach(graph);
  reach.search(NodeId{0}, direction);
  const auto found = std::ranges::find(reach.hops(), Reach::kUnreached);
  return static_cast<uint32_t>(found - reach.hops().begin());
}

}  // namespace kith
