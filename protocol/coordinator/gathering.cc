#include "protocol/coordinator/gathering.h"

#include <algorithm>

#include "protocol/kernels.h"
#include "topology/assert.h"

namespace kith {

void Gathering::expect(std::vector<NodeId> nodes, size_t values) {
  values_ = values;
  expected_ = std::move(nodes);
  gathered_.clear();
}

bool Gathering::expects(NodeId node) const { return std::ranges::binary_search(expected_, node); }

bool Gathering::holds(NodeId node) const {
  return std::ranges::binary_search(gathered_, node, {}, &Contribution::from);
}

void Gathering::add(Contribution&& contribution) {
  KITH_ASSERT(expects(contribution.from) && !holds(contribution.from));
  const auto place =
      std::ranges::lower_bound(gathered_, contribution.from, {}, &Contribution::from);
  gathered_.insert(place, std::move(contribution));
}

void Gathering::missing(std::vector<NodeId>& out) const {
  auto present = gathered_.begin();
  for (const NodeId node : expected_) {
    if (present != gathered_.end() && present->from == node) {
      ++present;
    } else {
      out.push_back(node);
    }
  }
}

double Gathering::mean_loss() const {
  double loss = 0;
  for (const Contribution& each : gathered_) {
    loss += each.loss / static_cast<double>(gathered_.size());
  }
  return loss;
}

void Gathering::set_terms(std::span<const double> weights) {
  KITH_ASSERT(weights.size() == gathered_.size());
  terms_.clear();
  for (size_t k = 0; k < gathered_.size(); ++k) {
    terms_.push_back(
        {static_cast<float>(weights[k]), {}, &gathered_[k].payload, gathered_[k].from});
  }
}

SharedBuffer Gathering::sum(const Codec& codec, const NodeState& state,
                            std::span<const double> weights) {
  set_terms(weights);
  Buffer sum = state.pool->acquire_floats(values_);
  weighted_sum(codec, terms_, sum.floats(), *state.pool);
  return std::move(sum).freeze();
}

SharedBuffer Gathering::bring_together(Aggregator& aggregator, const Codec& codec,
                                       const NodeState& state, std::span<const double> weights) {
  if (!aggregator.on()) return sum(codec, state, weights);
  set_terms(weights);
  return aggregator.combine(codec, state, terms_, {});
}

double Gathering::disagreement(const Codec& codec, const NodeState& state) {
  const auto absent = [](const Term& term) { return !*term.payload; };
  set_terms(std::vector<double>(gathered_.size(), 1));
  std::erase_if(terms_, absent);
  if (terms_.empty()) return 0;
  const auto count = static_cast<double>(terms_.size());
  for (Term& term : terms_) term.scale = static_cast<float>(1 / count);
  Buffer mean = state.pool->acquire_floats(values_);
  weighted_sum(codec, terms_, mean.floats(), *state.pool);
  Buffer decoded = state.pool->acquire_floats(values_);
  double squares = 0;
  for (const Term& term : terms_) {
    std::ranges::fill(decoded.floats(), 0.0f);
    const Status status =
        decode_add(codec, term.from, *term.payload, 1.0f, decoded.floats(), *state.pool);
    KITH_ASSERT(status.ok());
    squares += kernels::squared_distance(decoded.floats(), mean.floats()) / count;
  }
  return squares;
}

}  // namespace kith
