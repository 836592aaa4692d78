#include "protocol/checkpoint.h"

namespace kith {

namespace {

void persist(Algorithm& algorithm, NodeState& state, Archive& archive) {
  archive.number("round", state.round);
  archive.number("time", state.now);
  archive.vector("parameters", state.parameters);
  archive.part("algorithm", algorithm);
}

void keep(Algorithm& algorithm, NodeState& state, Round round, bool exact,
          std::vector<Effect>& out) {
  auto archive =
      std::make_shared<Archive>(Archive::Direction::kWrite, state.dimension, *state.pool);
  persist(algorithm, state, *archive);
  out.push_back(Checkpoint{round, exact, std::move(archive)});
}

}  // namespace

void checkpoint(Algorithm& algorithm, NodeState& state, Round before, Round round, bool exact,
                std::vector<Effect>& out) {
  if (state.checkpoint_every == 0 || round >= state.rounds) return;
  if (before / state.checkpoint_every == round / state.checkpoint_every) return;
  keep(algorithm, state, round, exact, out);
}

void checkpoint_always(Algorithm& algorithm, NodeState& state, Round round,
                       std::vector<Effect>& out) {
  if (state.checkpoint_every == 0 || round >= state.rounds) return;
  keep(algorithm, state, round, false, out);
}

Status restore(Algorithm& algorithm, NodeState& state, Archive& archive) {
  persist(algorithm, state, archive);
  const bool fits =
      archive.ok() && state.parameters && state.round < state.rounds && state.now >= Time{};
  return fits ? Status() : Reason::kMalformed;
}

}  // namespace kith
