#include "topology/adjacency.h"

#include <algorithm>

#include "topology/assert.h"

namespace kith {

AdjacencyGraph::AdjacencyGraph(uint32_t nodes, const std::vector<Edge>& edges)
    : begin_(size_t{nodes} + 1, 0), peers_(2 * edges.size()) {
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

void AdjacencyGraph::out(NodeId node, Round round, std::vector<NodeId>& out) const {
  in(node, round, out);
}

}  // namespace kith
