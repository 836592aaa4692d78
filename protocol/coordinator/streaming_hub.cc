#include "protocol/coordinator/streaming_hub.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "protocol/coordinator/participants.h"
#include "protocol/kernels.h"

namespace kith {

void put_fragment(NodeState& state, const Fragments& fragments, uint32_t f,
                  std::span<const float> values) {
  Buffer z = writable(std::move(state.parameters), *state.pool);
  std::ranges::copy(values, fragments.of(f, z.floats()).begin());
  state.parameters = std::move(z).freeze();
}

StreamingHub::StreamingHub(const NodeState& state, const StreamingRule& rule,
                           const Fragments& fragments)
    : fragments_(fragments),
      outer_(fragments.count(), Optimizer(rule.outer)),
      disagreement_(fragments.count(), -1) {
  begin(state);
}

void StreamingHub::persist(Archive& archive) {
  for (uint32_t f = 0; f < fragments_.count(); ++f) {
    archive.part("outer" + std::to_string(f), outer_[f], fragments_.size(f));
    archive.number("disagreement" + std::to_string(f), disagreement_[f]);
  }
}

uint32_t StreamingHub::fragment(const NodeState& state) const {
  return static_cast<uint32_t>(state.round % fragments_.count());
}

void StreamingHub::begin(const NodeState& state) {
  gathering_.expect(participants(state.seed, state.round, state.nodes, 0),
                    fragments_.size(fragment(state)));
}

Status StreamingHub::receive(const NodeState& state, Message&& message) {
  if (!std::isfinite(message.scalar)) return Reason::kNotFinite;
  if (message.kind != kFragmentUp) return Reason::kMalformed;
  if (message.round < state.round) return Reason::kStale;
  if (message.round > state.round) return Reason::kTooEarly;
  if (gathering_.holds(message.from)) return Reason::kDuplicate;
  const size_t values = fragments_.size(fragment(state));
  if (const Status status = check(*state.codec, message.payload, values, *state.pool);
      !status.ok()) {
    return status;
  }
  gathering_.add({message.from, message.scalar, std::move(message.payload)});
  return {};
}

// What a report says of the disagreement is the sum over the last cut of each fragment.
bool StreamingHub::counts_for_a_report(const NodeState& state) const {
  for (Round later = state.round; later < state.round + fragments_.count(); ++later) {
    if (is_reported(later, state.report_every, state.rounds)) return true;
  }
  return false;
}

bool StreamingHub::step(NodeState& state, std::vector<Effect>& out) {
  const uint32_t f = fragment(state);
  Report report{.round = state.round, .loss = gathering_.mean_loss(), .parameters = {}};
  if (counts_for_a_report(state)) disagreement_[f] = gathering_.disagreement(*state.codec, state);
  if (is_reported(state.round, state.report_every, state.rounds) &&
      std::ranges::all_of(disagreement_, [](double known) { return known >= 0; })) {
    report.disagreement = std::accumulate(disagreement_.begin(), disagreement_.end(), 0.0);
  }
  const auto nodes = static_cast<double>(gathering_.all().size());
  const SharedBuffer mean =
      gathering_.sum(*state.codec, state, std::vector<double>(gathering_.all().size(), 1 / nodes));
  Buffer next = state.pool->acquire_floats(fragments_.size(f));
  outer_[f].step(outer_[f].spec().learning_rate, fragments_.of(f, state.parameters.floats()),
                 mean.floats(), next.floats());
  if (!kernels::all_finite(next.floats())) return false;
  const SharedBuffer news = std::move(next).freeze();
  put_fragment(state, fragments_, f, news.floats());
  report.parameters = state.parameters;
  out.push_back(std::move(report));
  ++state.round;
  publish(state, news, out);
  if (state.round < state.rounds) begin(state);
  return true;
}

void StreamingHub::publish(const NodeState& state, const SharedBuffer& news,
                           std::vector<Effect>& out) const {
  for (uint32_t i = 1; i < state.nodes; ++i) {
    out.push_back(Send{.to = NodeId{i},
                       .kind = kFragmentDown,
                       .round = state.round,
                       .payload = news,
                       .values = news.size() / sizeof(float)});
  }
}

}  // namespace kith
