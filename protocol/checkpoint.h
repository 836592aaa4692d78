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
// After Resume the hub tells its news again. A worker that is not in every round has one state for
// all rounds up to its next. Of algorithms whose result depends on time the hub's state alone
// decides, and its workers go on from its model.
#pragma once

#include <vector>

#include "protocol/algorithm.h"

namespace kith {

// Appends a Checkpoint if the job wants one of a round after `before` that the state as it is
// serves; the call before this one was for rounds up to `before`. Where it goes by time nodes keep
// multiples of a power of two of rounds, so that they have some in common without a word. Costs
// references to vectors, and copies of an optimiser's.
void checkpoint(Algorithm& algorithm, NodeState& state, Round before, Restart restart,
                std::vector<Effect>& out);

// Whether the job wants any.
bool keeps_checkpoints(const NodeState& state);

// Reads what a Checkpoint held into a fresh node. kMalformed where it does not fit.
Status restore(Algorithm& algorithm, NodeState& state, Archive& archive);

}  // namespace kith
