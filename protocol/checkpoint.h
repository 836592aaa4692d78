// Checkpoints, and what makes those of all nodes fit together.
//
// A run goes on from a round r if every node has kept the state in which it has done its part of
// all rounds before r and nothing of r, and no message that matters was on its way between two such
// states. So an algorithm calls checkpoint() at one well-chosen moment of its round:
//   a hub that waits for all   between its step and the message that tells of it
//   its workers                when they have contributed and wait for the news
//   where averaging overlaps   all, when they hold both the model and their own part of a round
//                              and have not added it yet
//   gossip in lockstep         between two rounds: neighbours that are ahead send theirs again
//   gossip without rounds      between two of its own, whatever the others do
// After Resume the hub tells its news again. Of algorithms whose result depends on time the hub's
// state alone decides, and its workers go on from its model.
#pragma once

#include <vector>

#include "protocol/algorithm.h"

namespace kith {

// Appends a Checkpoint of `round` if the job wants one after `before` and up to `round`, the rounds
// of two calls that follow each other. Where it goes by time nodes keep multiples of a power of two
// of rounds, so that they have some in common without a word. `exact`: see Checkpoint. Costs
// references to vectors, and copies of an optimiser's.
void checkpoint(Algorithm& algorithm, NodeState& state, Round before, Round round, bool exact,
                std::vector<Effect>& out);

// The same whatever the round.
void checkpoint_always(Algorithm& algorithm, NodeState& state, Round round,
                       std::vector<Effect>& out);

// Reads what a Checkpoint held into a fresh node. kMalformed where it does not fit.
Status restore(Algorithm& algorithm, NodeState& state, Archive& archive);

}  // namespace kith
