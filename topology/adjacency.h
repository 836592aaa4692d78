// Graphs that are kept as sorted lists of neighbours: for those that no rule describes.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "topology/undirected_graph.h"

namespace kith {

using Edge = std::pair<uint32_t, uint32_t>;

// Undirected, without weights of its own. O(N + edges) memory, shared by all nodes.
class AdjacencyGraph final : public UndirectedGraph {
 public:
  // Each edge stands once, in any direction; no loops.
  AdjacencyGraph(uint32_t nodes, const std::vector<Edge>& edges);

  void in(NodeId node, Round round, std::vector<NodeId>& out) const override;

 private:
  std::vector<uint64_t> begin_;  // N + 1: list i is peers_[begin_[i], begin_[i + 1])
  std::vector<NodeId> peers_;
};

struct WeightedArc {
  uint32_t from;
  uint32_t to;
  float weight;  // of what `to` hears from `from`: entry (to, from) of W
};

// Directed, or with weights of its own, or both. O(N + arcs) memory, shared by all nodes.
class ArcGraph final : public Graph {
 public:
  // Each arc stands once; no loops. Where `weighted`, the weights are a doubly stochastic matrix
  // without its diagonal.
  ArcGraph(uint32_t nodes, const std::vector<WeightedArc>& arcs, bool weighted);

  uint32_t nodes() const override { return static_cast<uint32_t>(in_.begin.size() - 1); }
  bool undirected() const override { return undirected_; }
  bool weighted() const override { return weighted_; }
  void in(NodeId node, Round round, std::vector<NodeId>& out) const override;
  void out(NodeId node, Round round, std::vector<NodeId>& out) const override;
  void weights(NodeId node, Round round, std::vector<Neighbor>& out) const override;

 private:
  struct Lists {
    std::vector<uint64_t> begin;  // N + 1: list i is ends[begin[i], begin[i + 1])
    std::vector<Neighbor> ends;   // the other ends of the arcs, with their weights

    std::span<const Neighbor> of(NodeId node) const;
  };

  static Lists lists(uint32_t nodes, const std::vector<WeightedArc>& arcs, bool incoming);

  Lists in_;
  Lists out_;
  bool weighted_;
  bool undirected_;
};

}  // namespace kith
