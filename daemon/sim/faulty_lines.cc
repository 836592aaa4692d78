#include "daemon/sim/faulty_lines.h"

namespace kith {

namespace {
// Index of the stream: the link model draws its losses from that of index 0.
constexpr uint64_t kFaults = 1;
}  // namespace

FaultyLines::FaultyLines(const FaultState& state, uint32_t nodes, uint64_t seed) : state_(state) {
  for (uint32_t i = 0; i < nodes; ++i) {
    rngs_.emplace_back(seed, NodeId{i}, Purpose::kLinkLoss, kFaults);
  }
}

FaultyLines::Passage FaultyLines::pass(NodeId from, NodeId to, Time at,
                                       const std::function<Status(Rng&)>& damage) {
  Passage passage;
  if (state_.cut(from, to)) return passage;
  const FaultState::Machine& sender = state_.of(from);
  Rng& rng = rngs_[index_of(from)];
  if (sender.loses > 0 && rng.uniform() < sender.loses) return passage;
  if (sender.damages > 0 && rng.uniform() < sender.damages) {
    passage.refused = damage(rng);
    return passage;
  }
  const auto late = [&] {
    return sender.delays > 0 ? from_seconds(sender.delays * rng.uniform()) : Duration::zero();
  };
  if (sender.doubles > 0 && rng.uniform() < sender.doubles) {
    passage.again = at + late();
    ++doubled_;
  }
  passage.arrives = at + late();
  return passage;
}

}  // namespace kith
