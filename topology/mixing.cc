#include "topology/mixing.h"

#include <algorithm>

#include "topology/error.h"
#include "topology/laplacian.h"

namespace kith {

namespace {

// w_ii = 1 - sum w_ij, so that a row sums to 1 to the last bit of a float.
void close_row(MixingRow& row) {
  double sum = 0;
  for (const Neighbor& neighbor : row.neighbors) sum += static_cast<double>(neighbor.weight);
  row.self = static_cast<float>(1 - sum);
}

// Rounds in which each node has every degree that it ever has.
Round rounds_of_degrees(const Graph& graph) {
  return graph.period() == kNeverRepeats ? 1 : graph.period();
}

class GraphMixing : public Mixing {
 public:
  explicit GraphMixing(std::shared_ptr<const Graph> graph) : graph_(std::move(graph)) {}

  const Graph& graph() const override { return *graph_; }

  void row(NodeId node, Round round, MixingRow& row) const override {
    graph_->in(node, round, row.scratch);
    row.neighbors.clear();
    for (const NodeId peer : row.scratch) {
      row.neighbors.push_back({peer, weight(node, peer, row.scratch.size(), round)});
    }
    close_row(row);
  }

 private:
  // w_ij for an edge j -> i; `degree` is i's in-degree.
  virtual float weight(NodeId i, NodeId j, size_t degree, Round round) const = 0;

  std::shared_ptr<const Graph> graph_;
};

class Uniform final : public GraphMixing {
 public:
  using GraphMixing::GraphMixing;

 private:
  float weight(NodeId, NodeId, size_t degree, Round) const override {
    return 1.0f / static_cast<float>(degree + 1);
  }
};

class Metropolis final : public GraphMixing {
 public:
  explicit Metropolis(std::shared_ptr<const Graph> graph)
      : GraphMixing(graph), nodes_(graph->nodes()), period_(rounds_of_degrees(*graph)) {
    degrees_.reserve(nodes_ * period_);
    std::vector<NodeId> peers;
    for (Round round = 0; round < period_; ++round) {
      for (uint32_t i = 0; i < nodes_; ++i) {
        graph->in(NodeId{i}, round, peers);
        degrees_.push_back(static_cast<uint32_t>(peers.size()));
      }
    }
  }

 private:
  float weight(NodeId, NodeId j, size_t degree, Round round) const override {
    const size_t other = degrees_[(round % period_) * nodes_ + index_of(j)];
    return 1.0f / static_cast<float>(1 + std::max(degree, other));
  }

  uint64_t nodes_;
  Round period_;
  std::vector<uint32_t> degrees_;  // of each round of the period, by node
};

class BestConstant final : public GraphMixing {
 public:
  BestConstant(std::shared_ptr<const Graph> graph, float weight)
      : GraphMixing(std::move(graph)), weight_(weight) {}

 private:
  float weight(NodeId, NodeId, size_t, Round) const override { return weight_; }

  float weight_;  // a
};

// The weights that the graph brings.
class Own final : public Mixing {
 public:
  explicit Own(std::shared_ptr<const Graph> graph) : graph_(std::move(graph)) {}

  const Graph& graph() const override { return *graph_; }

  void row(NodeId node, Round round, MixingRow& row) const override {
    graph_->weights(node, round, row.neighbors);
    close_row(row);
  }

 private:
  std::shared_ptr<const Graph> graph_;
};

// Every node hears from, and is heard by, the same number of others in every round.
bool regular(const Graph& graph) {
  std::vector<NodeId> peers;
  for (Round round = 0; round < rounds_of_degrees(graph); ++round) {
    graph.in(NodeId{0}, round, peers);
    const size_t degree = peers.size();
    for (uint32_t i = 0; i < graph.nodes(); ++i) {
      graph.in(NodeId{i}, round, peers);
      if (peers.size() != degree) return false;
      graph.out(NodeId{i}, round, peers);
      if (peers.size() != degree) return false;
    }
  }
  return true;
}

float best_constant(const Graph& graph) {
  const LaplacianEnds ends = laplacian_ends(unit_weights(graph));
  return graph.nodes() == 1 ? 0.0f : static_cast<float>(2 / (ends.connectivity + ends.largest));
}

void need_undirected(const std::string& rule, const Graph& graph) {
  if (graph.undirected()) return;
  throw OperatorError("mixing \"" + rule +
                      "\" needs an undirected graph, and this one is directed; " +
                      (regular(graph) ? "use mixing \"uniform\"" : "use an undirected graph"));
}

}  // namespace

std::unique_ptr<Mixing> make_mixing(const std::string& rule, std::shared_ptr<const Graph> graph) {
  if (rule == "own") {
    if (!graph->weighted()) {
      throw OperatorError("mixing \"own\" needs a graph that brings weights; use mixing \"" +
                          default_mixing(*graph) + "\"");
    }
    return std::make_unique<Own>(std::move(graph));
  }
  if (rule == "uniform") {
    if (!regular(*graph)) {
      throw OperatorError(
          std::string(
              "mixing \"uniform\" needs a graph whose nodes all have the same degree: on "
              "this one the columns of W would not sum to 1 and the average would drift; ") +
          (graph->undirected() ? "use mixing \"metropolis\"" : "use a regular graph"));
    }
    return std::make_unique<Uniform>(std::move(graph));
  }
  if (rule == "metropolis") {
    need_undirected(rule, *graph);
    return std::make_unique<Metropolis>(std::move(graph));
  }
  if (rule == "best-constant") {
    need_undirected(rule, *graph);
    if (graph->period() != 1) {
      throw OperatorError(
          "mixing \"best-constant\" needs a graph that never changes; use mixing \"metropolis\"");
    }
    const float weight = best_constant(*graph);
    return std::make_unique<BestConstant>(std::move(graph), weight);
  }
  throw OperatorError("there is no mixing \"" + rule +
                      "\"; choose one of metropolis, uniform, best-constant, own");
}

std::string default_mixing(const Graph& graph) {
  if (graph.weighted()) return "own";
  return graph.undirected() ? "metropolis" : "uniform";
}

}  // namespace kith
