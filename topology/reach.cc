#include "topology/reach.h"

#include <algorithm>

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

uint32_t first_unreached(const Graph& graph, Direction direction) {
  Reach reach(graph);
  reach.search(NodeId{0}, direction);
  const auto found = std::ranges::find(reach.hops(), Reach::kUnreached);
  return static_cast<uint32_t>(found - reach.hops().begin());
}

}  // namespace kith
