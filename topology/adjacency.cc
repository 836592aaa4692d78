#include "topology/adjacency.h"

#include <algorithm>

#include "topology/assert.h"

namespace kith {

AdjacencyGraph::AdjacencyGraph(uint32_t nodes, const std::vector<Edge>& edges)
    : UndirectedGraph(nodes), begin_(size_t{nodes} + 1, 0), peers_(2 * edges.size()) {
  for (const auto& [a, b] : edges) {
    KITH_ASSERT(a < nodes && b < nodes && a != b);
    ++begin_[a + 1];
    ++begin_[b + 1];
  }
  for (uint32_t i = 0; i < nodes; ++i) begin_[i + 1] += begin_[i];
  std::vector<uint64_t> next(begin_.begin(), begin_.end() - 1);
  for (const auto& [a, b] : edges) {
    peers_[next[a]++] = NodeId{b};
    peers_[next[b]++] = NodeId{a};
  }
  for (uint32_t i = 0; i < nodes; ++i) {
    const auto first = peers_.begin() + static_cast<ptrdiff_t>(begin_[i]);
    const auto last = peers_.begin() + static_cast<ptrdiff_t>(begin_[i + 1]);
    std::sort(first, last);
    KITH_ASSERT(std::adjacent_find(first, last) == last);
  }
}

void AdjacencyGraph::in(NodeId node, Round, std::vector<NodeId>& out) const {
  const uint32_t i = index_of(node);
  out.assign(peers_.begin() + static_cast<ptrdiff_t>(begin_[i]),
             peers_.begin() + static_cast<ptrdiff_t>(begin_[i + 1]));
}

ArcGraph::ArcGraph(uint32_t nodes, const std::vector<WeightedArc>& arcs, bool weighted)
    : in_(lists(nodes, arcs, true)), out_(lists(nodes, arcs, false)), weighted_(weighted) {
  const auto same = [&](const Neighbor& a, const Neighbor& b) {
    return a.peer == b.peer && (!weighted || a.weight == b.weight);
  };
  undirected_ = in_.begin == out_.begin && std::ranges::equal(in_.ends, out_.ends, same);
}

ArcGraph::Lists ArcGraph::lists(uint32_t nodes, const std::vector<WeightedArc>& arcs,
                                bool incoming) {
  Lists lists{std::vector<uint64_t>(size_t{nodes} + 1, 0), std::vector<Neighbor>(arcs.size())};
  for (const WeightedArc& arc : arcs) {
    KITH_ASSERT(arc.from < nodes && arc.to < nodes && arc.from != arc.to);
    ++lists.begin[(incoming ? arc.to : arc.from) + 1];
  }
  for (uint32_t i = 0; i < nodes; ++i) lists.begin[i + 1] += lists.begin[i];
  std::vector<uint64_t> next(lists.begin.begin(), lists.begin.end() - 1);
  for (const WeightedArc& arc : arcs) {
    const auto [owner, end] = incoming ? Edge{arc.to, arc.from} : Edge{arc.from, arc.to};
    lists.ends[next[owner]++] = {NodeId{end}, arc.weight};
  }
  for (uint32_t i = 0; i < nodes; ++i) {
    const auto first = lists.ends.begin() + static_cast<ptrdiff_t>(lists.begin[i]);
    const auto last = lists.ends.begin() + static_cast<ptrdiff_t>(lists.begin[i + 1]);
    std::ranges::sort(first, last, {}, &Neighbor::peer);
    KITH_ASSERT(std::ranges::adjacent_find(first, last, {}, &Neighbor::peer) == last);
  }
  return lists;
}

std::span<const Neighbor> ArcGraph::Lists::of(NodeId node) const {
  const uint32_t i = index_of(node);
  return std::span(ends).subspan(begin[i], begin[i + 1] - begin[i]);
}

void ArcGraph::in(NodeId node, Round, std::vector<NodeId>& out) const {
  out.clear();
  for (const Neighbor& from : in_.of(node)) out.push_back(from.peer);
}

void ArcGraph::out(NodeId node, Round, std::vector<NodeId>& out) const {
  out.clear();
  for (const Neighbor& to : out_.of(node)) out.push_back(to.peer);
}

void ArcGraph::weights(NodeId node, Round, std::vector<Neighbor>& out) const {
  KITH_ASSERT(weighted_);
  const std::span<const Neighbor> from = in_.of(node);
  out.assign(from.begin(), from.end());
}

}  // namespace kith
