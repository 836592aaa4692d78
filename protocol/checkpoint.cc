#include "protocol/checkpoint.h"

namespace kith {

namespace {

void persist(Algorithm& algorithm, NodeState& state, Archive& archive) {
  archive.number("round", state.round);
  archive.number("time", state.now);
  archive.vector("parameters", state.parameters);
  archive.part("algorithm", algorithm);
}

bool crosses(Round before, Round round, Round every) { return before / every != round / every; }

// At the multiples of the power of two of rounds that takes no longer than the pause and more than
// half of it. Nodes in lockstep take the same time for a round, more or less, so that they keep the
// same rounds, or one of them each second of the other's. What is due to those who keep fewer is
// never left out for one that was kept a moment ago.
bool due_by_time(NodeState& state, Round before, Round round) {
  Round& period = state.checkpoint_period;
  if (!crosses(before, round, period)) return false;
  const Duration since = state.now - state.checkpointed;
  if (since < state.checkpoint_pause / 2) {
    period *= 2;
    if (!crosses(before, round, period)) return false;
  } else if (since > state.checkpoint_pause && period > 1) {
    period /= 2;
  }
  state.checkpointed = state.now;
  return true;
}

}  // namespace

bool keeps_checkpoints(const NodeState& state) {
  return state.checkpoint_every > 0 || state.checkpoint_pause > Duration::zero();
}

void checkpoint(Algorithm& algorithm, NodeState& state, Round before, Restart restart,
                std::vector<Effect>& out) {
  if (!keeps_checkpoints(state) || restart.round >= state.rounds) return;
  const Round last = restart.last == Restart::kAnyLater ? restart.round : restart.last;
  const bool due = state.checkpoint_every > 0 ? crosses(before, last, state.checkpoint_every)
                                              : due_by_time(state, before, last);
  if (!due) return;
  auto archive =
      std::make_shared<Archive>(Archive::Direction::kWrite, state.dimension, *state.pool);
  persist(algorithm, state, *archive);
  const Round every = state.checkpoint_every > 0 ? state.checkpoint_every : state.checkpoint_period;
  out.push_back(Checkpoint{restart, std::move(archive), every});
}

Status restore(Algorithm& algorithm, NodeState& state, Archive& archive) {
  persist(algorithm, state, archive);
  state.checkpointed = state.now;
  const bool fits =
      archive.ok() && state.parameters && state.round < state.rounds && state.now >= Time{};
  return fits ? Status() : Reason::kMalformed;
}

}  // namespace kith
