#include "topology/mixing.h"

#include <algorithm>
#include <cmath>

#include "topology/error.h"
#include "topology/fastest_mixing.h"
#include "topology/laplacian.h"
#include "topology/matching.h"

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

float best_constant(const Graph& graph) {
  const LaplacianEnds ends = laplacian_ends(unit_weights(graph));
  return graph.nodes() == 1 ? 0.0f : static_cast<float>(2 / (ends.connectivity + ends.largest));
}

class BestConstant final : public GraphMixing {
 public:
  explicit BestConstant(std::shared_ptr<const Graph> graph)
      : GraphMixing(graph), weight_(best_constant(*graph)) {}

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

// A weight for each edge of an undirected graph, kept in the rows of both ends.
class Fastest final : public Mixing {
 public:
  explicit Fastest(std::shared_ptr<const Graph> graph)
      : graph_(std::move(graph)), rows_(unit_weights(*graph_)) {
    const std::vector<double> weights = fastest_weights(*graph_);
    std::vector<uint64_t> next(rows_.begin.begin(), rows_.begin.end() - 1);
    const std::vector<Edge> edges = edges_of(*graph_);
    // Edges come sorted, so that those of a node come in the order of its peers.
    for (size_t e = 0; e < edges.size(); ++e) {
      const auto weight = static_cast<float>(weights[e]);
      rows_.edges[next[edges[e].first]++].weight = weight;
      rows_.edges[next[edges[e].second]++].weight = weight;
    }
  }

  const Graph& graph() const override { return *graph_; }

  void row(NodeId node, Round, MixingRow& row) const override {
    const auto at = [&](uint32_t i) {
      return rows_.edges.begin() + static_cast<ptrdiff_t>(rows_.begin[i]);
    };
    row.neighbors.assign(at(index_of(node)), at(index_of(node) + 1));
    close_row(row);
  }

 private:
  std::shared_ptr<const Graph> graph_;
  SparseRows rows_;
};

class ColumnStochastic final : public Mixing {
 public:
  explicit ColumnStochastic(std::shared_ptr<const Graph> graph)
      : graph_(std::move(graph)), nodes_(graph_->nodes()), rounds_(rounds_of_degrees(*graph_)) {
    out_degrees_.reserve(nodes_ * rounds_);
    std::vector<NodeId> peers;
    for (Round round = 0; round < rounds_; ++round) {
      for (uint32_t i = 0; i < nodes_; ++i) {
        graph_->out(NodeId{i}, round, peers);
        out_degrees_.push_back(static_cast<uint32_t>(peers.size()));
      }
    }
  }

  const Graph& graph() const override { return *graph_; }
  Stochastic stochastic() const override { return Stochastic::kColumns; }

  void row(NodeId node, Round round, MixingRow& row) const override {
    graph_->in(node, round, row.scratch);
    row.neighbors.clear();
    for (const NodeId peer : row.scratch) {
      row.neighbors.push_back({peer, share(out_degree(peer, round))});
    }
    // What the out-neighbours leave, so that the column sums to 1 to the last bit of a float.
    const uint32_t degree = out_degree(node, round);
    row.self = static_cast<float>(1 - degree * static_cast<double>(share(degree)));
  }

 private:
  static float share(uint32_t degree) { return 1.0f / static_cast<float>(1 + degree); }

  uint32_t out_degree(NodeId node, Round round) const {
    return out_degrees_[(round % rounds_) * nodes_ + index_of(node)];
  }

  std::shared_ptr<const Graph> graph_;
  uint64_t nodes_;
  Round rounds_;
  std::vector<uint32_t> out_degrees_;  // of each round of the period, by node
};

// (I + W) / 2. Halves of floats are exact.
class Lazy final : public Mixing {
 public:
  explicit Lazy(std::unique_ptr<Mixing> whole) : whole_(std::move(whole)) {}

  const Graph& graph() const override { return whole_->graph(); }
  Stochastic stochastic() const override { return whole_->stochastic(); }

  void row(NodeId node, Round round, MixingRow& row) const override {
    whole_->row(node, round, row);
    for (Neighbor& neighbor : row.neighbors) neighbor.weight /= 2;
    row.self = (1 + row.self) / 2;
  }

 private:
  std::unique_ptr<Mixing> whole_;
};

void need_undirected(const std::string& rule, const Graph& graph) {
  if (graph.undirected()) return;
  throw OperatorError("mixing \"" + rule +
                      "\" needs an undirected graph, and this one is directed; " +
                      (regular(graph) ? "use mixing \"uniform\"" : "use an undirected graph"));
}

void need_fixed(const std::string& rule, const Graph& graph) {
  need_undirected(rule, graph);
  if (graph.period() == 1) return;
  throw OperatorError("mixing \"" + rule +
                      "\" needs a graph that never changes; use mixing \"metropolis\"");
}

void need_few(const std::string& rule, const Graph& graph) {
  need_fixed(rule, graph);
  check_fastest(graph);
}

void need_regular(const std::string&, const Graph& graph) {
  if (regular(graph)) return;
  throw OperatorError(
      std::string("mixing \"uniform\" needs a graph whose nodes all have the same degree: on "
                  "this one the columns of W would not sum to 1 and the average would drift; ") +
      (graph.undirected() ? "use mixing \"metropolis\"" : "use a regular graph"));
}

void need_weights(const std::string&, const Graph& graph) {
  if (graph.weighted()) return;
  throw OperatorError("mixing \"own\" needs a graph that brings weights; use mixing \"" +
                      default_mixing(graph) + "\"");
}

template <class OfGraph>
std::unique_ptr<Mixing> make(std::shared_ptr<const Graph> graph) {
  return std::make_unique<OfGraph>(std::move(graph));
}

struct RuleInfo {
  const char* name;
  void (*check)(const std::string& rule, const Graph& graph);  // throws OperatorError
  std::unique_ptr<Mixing> (*make)(std::shared_ptr<const Graph> graph);
};

constexpr RuleInfo kRules[] = {
    {"metropolis", need_undirected, make<Metropolis>},
    {"uniform", need_regular, make<Uniform>},
    {"best-constant", need_fixed, make<BestConstant>},
    {"fastest", need_few, make<Fastest>},
    {"own", need_weights, make<Own>},
    {"column-stochastic", [](const std::string&, const Graph&) {}, make<ColumnStochastic>},
};

constexpr std::string_view kLazy = "lazy-";

std::string without_lazy(const std::string& rule) {
  return rule.starts_with(kLazy) ? rule.substr(kLazy.size()) : rule;
}

const RuleInfo& info_of(const std::string& rule) {
  const auto found = std::ranges::find(kRules, without_lazy(rule), &RuleInfo::name);
  if (found != std::end(kRules)) return *found;
  std::string known;
  for (const RuleInfo& info : kRules) known += info.name + std::string(", ");
  throw OperatorError("there is no mixing \"" + rule + "\"; choose one of " + known +
                      "or one of these with lazy- before it");
}

}  // namespace

std::vector<std::string> mixing_rules() {
  std::vector<std::string> names;
  for (const RuleInfo& info : kRules) names.emplace_back(info.name);
  for (const RuleInfo& info : kRules) names.push_back(std::string(kLazy) + info.name);
  return names;
}

void check_mixing(const std::string& rule, const Graph& graph) {
  const RuleInfo& info = info_of(rule);
  info.check(info.name, graph);
}

std::unique_ptr<Mixing> make_mixing(const std::string& rule, std::shared_ptr<const Graph> graph) {
  check_mixing(rule, *graph);
  std::unique_ptr<Mixing> mixing = info_of(rule).make(std::move(graph));
  if (!rule.starts_with(kLazy)) return mixing;
  return std::make_unique<Lazy>(std::move(mixing));
}

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

std::string default_mixing(const Graph& graph) {
  if (graph.weighted()) return "own";
  if (graph.undirected()) return "metropolis";
  return regular(graph) ? "uniform" : "column-stochastic";
}

MixingSums mixing_sums(const Mixing& mixing, Round round) {
  const uint32_t nodes = mixing.graph().nodes();
  std::vector<double> columns(nodes, 0.0);
  MixingSums result;
  MixingRow row;
  for (uint32_t i = 0; i < nodes; ++i) {
    mixing.row(NodeId{i}, round, row);
    auto sum = static_cast<double>(row.self);
    columns[i] += static_cast<double>(row.self);
    for (const Neighbor& neighbor : row.neighbors) {
      sum += static_cast<double>(neighbor.weight);
      columns[index_of(neighbor.peer)] += static_cast<double>(neighbor.weight);
    }
    result.row_error = std::max(result.row_error, std::abs(sum - 1));
  }
  for (const double sum : columns) {
    result.column_error = std::max(result.column_error, std::abs(sum - 1));
  }
  result.symmetric = symmetric(off_diagonal(mixing, round));
  return result;
}

}  // namespace kith
