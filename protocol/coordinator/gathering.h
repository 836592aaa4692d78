// What the hub gathers in a round: one vector, as it was coded, of each node that it expects.
#pragma once

#include <span>
#include <vector>

#include "protocol/aggregator.h"
#include "protocol/algorithm.h"
#include "protocol/weighted_sum.h"

namespace kith {

struct Contribution {
  NodeId from{};
  double loss = 0;
  Payload payload;  // checked against the codec; empty = left out by the rule of [aggregate]
};

class Gathering {
 public:
  // Begins anew; `nodes` are sorted, `values` the floats of each vector.
  void expect(std::vector<NodeId> nodes, size_t values);

  std::span<const NodeId> expected() const { return expected_; }
  bool expects(NodeId node) const;
  bool holds(NodeId node) const;

  // Of an expected node, once.
  void add(Contribution&& contribution);

  bool complete() const { return gathered_.size() == expected_.size(); }

  // Appends who is expected and has not come.
  void missing(std::vector<NodeId>& out) const;

  // By NodeId, whatever the order of arrival.
  std::span<const Contribution> all() const { return gathered_; }

  double mean_loss() const;

  // sum_k weights[k] q_k over all(), in a block of `pool`; none is left out.
  SharedBuffer sum(const Codec& codec, const NodeState& state, std::span<const double> weights);

  // The same, or what the rule makes of it.
  SharedBuffer bring_together(Aggregator& aggregator, const Codec& codec, const NodeState& state,
                              std::span<const double> weights);

  // (1/n) sum_k |q_k - mean q|^2 over the n that are not left out. Decodes everything once more:
  // for rounds that are reported.
  double disagreement(const Codec& codec, const NodeState& state);

 private:
  void set_terms(std::span<const double> weights);

  size_t values_ = 0;
  std::vector<NodeId> expected_;
  std::vector<Contribution> gathered_;
  std::vector<Term> terms_;  // scratch, kept for its capacity
};

}  // namespace kith
