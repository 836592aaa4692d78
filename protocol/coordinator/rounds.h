// Coordinators that collect displacements of local steps: the hub of a star, node 0, brings the
// models of many nodes together, round by round. With y_i = T(x_i) what `tau` local steps of node i
// lead to, z the hub's model and q_i = C(d_i), C the job's codec:
//
//   hub:  z+ = z - rate opt(sum_i c_i q_i)
//
//                  d_i                x_i of the next round          ready when the node has
//   kReplace       z - y_i            z+                             z+, a barrier
//   kPull          (1-alpha)(z-y_i)   z - d_i                        z
//   kOwnSteps      x_i - y_i          z - d_i                        z
//   kElastic       z - y_i            y_i, and its first step
//                                     adds alpha q_i                 z
// In the last three the hub averages while everybody computes the next round already.
//
// A model would not do in place of its displacement: what a lossy codec leaves out must be small
// against a step, not against x; and a sum of displacements is rounded once where it meets z, so
// that one node, or equal nodes, lose nothing. Error feedback is the compressor's: the sum of what
// was sent and what remains is the sum of all d_i. It is for kReplace and kOwnSteps: in the others
// what a message leaves out stays in x_i itself and comes with the next one.
//
// The hub is a node like the others: it trains, and its displacement goes through the codec, but
// not through a message. Sums run in NodeId order. opt is an optimiser of protocol/optimizer.h with
// the sum in place of a gradient; plain with rate 1 it is averaging.
//
// With a rule of [aggregate] in place of the sum the hub steps along (sum c_i) R(q_i), see
// aggregator.h.
//
// Keeps: z, and x_i and y_i where they differ from it; one vector more with error feedback; the hub
// a payload for each participant and the state of opt. Sends: for each participant and round one
// displacement up, coded, and one model down, as it is.
#pragma once

#include <memory>

#include "protocol/coordinator/hub.h"
#include "protocol/coordinator/period.h"

namespace kith {

enum class Joining : uint8_t { kReplace, kPull, kOwnSteps, kElastic };

struct RoundRule {
  const char* name;
  Joining joining = Joining::kReplace;
  double alpha = 0;  // of kPull and kElastic
  PeriodRule period = {};

  // c_i.
  uint32_t participants =
      0;                 // of a round, drawn anew each time; 0 = all; others for kReplace alone
  bool by_rows = false;  // c_i in the ratio of the nodes' rows; else equal
  double total = 1;      // sum of c_i
  // FedNova: c_i = p_i n / n_i instead, with n_i how far the steps of node i go (accumulation.h)
  // and n = sum p_i n_i.
  bool normalise = false;

  // AdaQuantFL: the codec is QSGD with levels that follow the training loss (levels.h).
  bool adapt_levels = false;

  // The local steps.
  float proximal = 0;            // mu: each gradient gets mu (x - z)
  bool fresh_optimizer = false;  // momentum and the like begin at 0 in each round
  // SCAFFOLD: each gradient gets c - c_i (control_variate.h); kReplace alone. The hub makes c from
  // the same displacements, so it costs a second vector down and none up.
  bool control_variates = false;

  // The hub's step. `per_rate`: opt sees the sum over the learning rate of the round, and its own
  // rate is a multiple of that.
  OptimizerSpec outer = {.learning_rate = 1};
  bool per_rate = false;
};

std::unique_ptr<Algorithm> make_rounds(const NodeState& state, const RoundRule& rule);

}  // namespace kith
