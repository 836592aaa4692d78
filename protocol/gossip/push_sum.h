// Push-sum (Kempe, Dobra, Gehrke 2003) under SGD (Assran, Loizou, Ballas, Rabbat 2019): averaging
// over any strongly connected graph, directed or not, balanced or not, changing or not.
//
//   z_i = x_i / w_i                                  the model: what is reported
//   u_i = x_i + T(z_i) - z_i                         local steps from z, moving x
//   x_i+ = sum_j p_ij u_j(r - tau_o)                 w_i+ = sum_j p_ij w_j(r - tau_o)
// with p_ji = 1 / (1 + outdegree_i) for i itself and all that hear from i: the columns of P sum to
// 1, its rows need not. The sender multiplies, since only it knows its outdegree. A node's own part
// is never late. tau_o = 0 is SGP; with tau_o > 0 messages overlap with computing (OSGP), each of
// them exactly tau_o rounds late, so that timing never reaches the mathematics; those of the last
// tau_o rounds are not waited for. A node of outdegree d begins as if rounds -tau_o to -1 had been
// without steps, with w_i = 1 / (1 + tau_o d / (1 + d)) and the rest of its weight on its way with
// x_0. The paper begins with w = 1 and nothing on its way: w falls to (1 + d)^-tau_o and swings for
// a long time, and the steps x / w are longer by as much.
//
// Keeps: x, z, T(z), u, and w, one number; its own last tau_o messages; x_0 for tau_o rounds.
// Sends: p u with p w in the header, once a round to every node that hears it. Waits: for the
// messages of tau_o rounds ago. Needs: no weights from the mixing matrix, of which only the graph
// is used; a codec that loses nothing, since what a sender's codec left out would be gone from the
// sum.
//
// Where a neighbour leaves or dies, what was on its way to it is gone, as much of w as of x: z,
// which is their ratio, weighs the nodes a little differently from then on, and nothing else. One
// that comes back brings w = 1. Where what is left is not strongly connected all weight would run
// out of some nodes, whose steps x / w then makes longer without bound, and into others. Both are
// next to one that is gone: there a node keeps w between 1/4 and 4 by weighing itself anew.
//
// Invariants: w > 0; the sum of w over nodes and messages on their way is N; that of x is moved by
// the local steps alone; where P is doubly stochastic w stays what it began with: with tau_o = 0 1,
// exactly, and it is D-PSGD (atc).
#pragma once

#include <memory>

#include "protocol/algorithm.h"

namespace kith {

struct PushSumRule {
  const char* name;
  uint32_t local_steps = 1;
  Round overlap = 0;  // tau_o
};

std::unique_ptr<Algorithm> make_push_sum(const NodeState& state, const PushSumRule& rule);

}  // namespace kith
