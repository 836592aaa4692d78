// The graph and the weights of MATCHA's rounds. Flags are drawn anew for every question: one block
// of Philox for each matching that the node takes part in, and nothing is kept.
#include <algorithm>

#include "topology/matcha.h"
#include "topology/rng.h"
#include "topology/undirected_graph.h"

namespace kith {

namespace {

class MatchaGraph final : public UndirectedGraph {
 public:
  MatchaGraph(uint32_t nodes, const MatchaDesign& design, uint64_t seed)
      : UndirectedGraph(nodes),
        seed_(seed),
        probabilities_(design.probabilities),
        begin_(size_t{nodes} + 1, 0) {
    for (const Matching& matching : design.matchings) {
      for (const auto& [a, b] : matching) {
        ++begin_[a + 1];
        ++begin_[b + 1];
      }
    }
    for (uint32_t i = 0; i < nodes; ++i) begin_[i + 1] += begin_[i];
    partners_.resize(begin_[nodes]);
    std::vector<uint64_t> next(begin_.begin(), begin_.end() - 1);
    for (uint32_t j = 0; j < design.matchings.size(); ++j) {
      for (const auto& [a, b] : design.matchings[j]) {
        partners_[next[a]++] = {NodeId{b}, j};
        partners_[next[b]++] = {NodeId{a}, j};
      }
    }
    for (uint32_t i = 0; i < nodes; ++i) {
      std::ranges::sort(partners_.begin() + static_cast<ptrdiff_t>(begin_[i]),
                        partners_.begin() + static_cast<ptrdiff_t>(begin_[i + 1]), {},
                        &Partner::peer);
    }
  }

  Round period() const override { return kNeverRepeats; }
  void in(NodeId node, Round round, std::vector<NodeId>& out) const override {
    out.clear();
    for (uint64_t k = begin_[index_of(node)]; k < begin_[index_of(node) + 1]; ++k) {
      const auto [peer, matching] = partners_[k];
      if (matching_active(seed_, round, matching, probabilities_[matching])) out.push_back(peer);
    }
  }

 private:
  struct Partner {
    NodeId peer;
    uint32_t matching;
  };

  uint64_t seed_;
  std::vector<double> probabilities_;
  std::vector<uint64_t> begin_;    // N + 1: node i has partners_[begin_[i], begin_[i + 1])
  std::vector<Partner> partners_;  // by peer
};

class MatchaMixing final : public Mixing {
 public:
  MatchaMixing(uint32_t nodes, const MatchaDesign& design, uint64_t seed)
      : graph_(nodes, design, seed), alpha_(static_cast<float>(design.alpha)) {}

  const Graph& graph() const override { return graph_; }

  void row(NodeId node, Round round, MixingRow& row) const override {
    graph_.in(node, round, row.scratch);
    row.neighbors.clear();
    for (const NodeId peer : row.scratch) row.neighbors.push_back({peer, alpha_});
    const double sum = static_cast<double>(alpha_) * static_cast<double>(row.neighbors.size());
    row.self = static_cast<float>(1 - sum);
  }

 private:
  MatchaGraph graph_;
  float alpha_;
};

}  // namespace

bool matching_active(uint64_t seed, Round round, uint32_t matching, double probability) {
  return Rng(seed, NodeId{matching}, Purpose::kMatching, round).uniform() < probability;
}

std::unique_ptr<Mixing> make_matcha_mixing(uint32_t nodes, const MatchaDesign& design,
                                           uint64_t seed) {
  return std::make_unique<MatchaMixing>(nodes, design, seed);
}

}  // namespace kith
