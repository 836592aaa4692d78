// Streaming DiLoCo (Douillard et al. 2025, "Streaming DiLoCo with overlapping communication";
// ALGORITHMS 2B): the hub of a star, node 0, brings the models of all nodes together a fragment at
// a time, while they go on.
//
// The p floats are cut into P fragments (fragments.h). After every S local steps comes a cut. Cut
// r, a round of Kith, is of fragment f = r mod P. With z the hub's model, C the job's codec, outer
// a step of an optimiser that has a state for each fragment, 0 <= D <= S and 0 <= alpha < 1:
//
//   at the cut            node i:  q_i = C(z_f - x_f)
//                         hub:     z_f+ = outer(z_f, mean_i q_i)
//   D steps later         node i:  x_f+ = alpha x_f + (1 - alpha) z_f+
//   S - D steps later     cut r + 1, of the next fragment
//
// So a fragment is exchanged every H = P S steps, its news has D steps to arrive before anybody
// waits, and what nodes do in these D steps is kept with weight alpha. The local optimiser runs on
// through cuts and merges, its state and its count of batches with it. z_f is for every node what
// it was last told: cuts of one fragment are P rounds apart, so at a cut all have the same.
//
// Error feedback. A merge takes 1 - alpha of x_f - z_f+ away, and with it that share of what the
// codec left out, z_f - x_f - q_i; alpha of it stays in x_f and comes again by itself. So the
// memory is fed the share that is taken away and nothing more (compressor.h, returning = alpha):
// with an outer step that is averaging, all that is left out arrives once, whatever alpha.
// (Overlap-Local-SGD refuses error feedback: there everything stays in x.)
//
// The hub is a node like the others; its part goes through the codec, but not through a message.
// Sums run in NodeId order. The last cut is followed by its news and no more steps.
//
// Keeps: z and x; the hub the state of `outer` (p floats with momentum) and a payload of p / P from
// each node; with error feedback one vector more. z stands whole in NodeState::parameters, where
// snapshots and status look for it at any time; a cut writes its fragment there in place, p / P
// floats, and copies all p only where somebody still holds the block (a report that a daemon keeps,
// the start that all simulated nodes share). The same holds for x at a merge. Nothing else runs
// over the whole vector.
// Sends: for each cut and node p / P values up, coded, and p / P floats down, as they are.
#pragma once

#include <memory>

#include "protocol/coordinator/hub.h"

namespace kith {

struct StreamingRule {
  const char* name;
  uint32_t fragments = 1;  // P, 1 .. p
  uint32_t steps = 1;      // S, between two cuts
  uint32_t overlap = 0;    // D
  double alpha = 0;
  OptimizerSpec outer = {.learning_rate = 1};
};

std::unique_ptr<Algorithm> make_streaming(const NodeState& state, const StreamingRule& rule);

}  // namespace kith
