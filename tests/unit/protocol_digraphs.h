// Graphs for tests that no registry has: one-way edges, in any number, that may change.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "topology/mixing.h"
#include "topology/rng.h"

namespace kith {

// One list of edges (from, to) for each round of the period.
class Digraph final : public Graph {
 public:
  using Edges = std::vector<std::pair<uint32_t, uint32_t>>;

  Digraph(uint32_t nodes, std::vector<Edges> rounds) : nodes_(nodes), rounds_(std::move(rounds)) {}

  uint32_t nodes() const override { return nodes_; }
  bool undirected() const override { return false; }
  Round period() const override { return rounds_.size(); }

  void in(NodeId node, Round round, std::vector<NodeId>& out) const override {
    collect(round, out,
            [&](auto edge) { return edge.second == index_of(node) ? edge.first : kNone; });
  }
  void out(NodeId node, Round round, std::vector<NodeId>& out) const override {
    collect(round, out,
            [&](auto edge) { return edge.first == index_of(node) ? edge.second : kNone; });
  }

 private:
  static constexpr uint32_t kNone = ~0u;

  template <class Pick>
  void collect(Round round, std::vector<NodeId>& out, Pick pick) const {
    out.clear();
    for (const auto& edge : rounds_[round % rounds_.size()]) {
      if (const uint32_t peer = pick(edge); peer != kNone) out.push_back(NodeId{peer});
    }
    std::ranges::sort(out);
  }

  uint32_t nodes_;
  std::vector<Edges> rounds_;
};

// A ring that goes one way.
inline Digraph::Edges one_way_ring(uint32_t nodes) {
  Digraph::Edges edges;
  for (uint32_t i = 0; i < nodes; ++i) edges.emplace_back(i, (i + 1) % nodes);
  return edges;
}

// A one-way ring and shortcuts, each with probability 0.3: strongly connected, degrees unequal.
inline Digraph::Edges unbalanced(uint32_t nodes, Rng& rng) {
  Digraph::Edges edges = one_way_ring(nodes);
  for (uint32_t i = 0; i < nodes; ++i) {
    for (uint32_t j = 0; j < nodes; ++j) {
      if (j != i && j != (i + 1) % nodes && rng.uniform() < 0.3) edges.emplace_back(i, j);
    }
  }
  return edges;
}

// Who hears whom, with weights that are of no use.
class Unweighted final : public Mixing {
 public:
  explicit Unweighted(std::shared_ptr<const Graph> graph) : graph_(std::move(graph)) {}

  const Graph& graph() const override { return *graph_; }
  void row(NodeId node, Round round, MixingRow& row) const override {
    graph_->in(node, round, row.scratch);
    row.neighbors.clear();
    for (const NodeId peer : row.scratch) row.neighbors.push_back({peer, 0});
  }

 private:
  std::shared_ptr<const Graph> graph_;
};

}  // namespace kith
