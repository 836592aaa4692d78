// Gossip alone: nodes average what they hold until all hold nearly the same, without a step in
// between.
//
//   plain          x_i(t+1) = y_i(t),  y_i(t) = sum_j w_ij x_j(t)
//   accelerated    x_i(t+1) = omega(t+1) y_i(t) + (1 - omega(t+1)) x_i(t-1)
//                  omega(1) = 1,  omega(2) = 1 / (1 - zeta^2 / 2),
//                  omega(t+1) = 1 / (1 - zeta^2 omega(t) / 4)
// the second by Chebyshev's polynomials (Golub, Varga 1961; for gossip Liu, Morse 2011; Scaman et
// al. 2017), where W is symmetric and never changes: after T rounds what is left of a disagreement
// is at most 1 / cosh(T arcosh(1 / zeta)) of it, where plain gossip leaves zeta^T. On a ring of N
// that is a number of rounds that grows with N in place of N^2.
//
// Where a neighbour leaves its weight is the node's own: the average of those who are left is kept
// from then on.
//
// Keeps: x, and the x before where accelerated. Sends: x as floats to every neighbour, once a
// round. Waits: for its neighbours. Needs: W doubly stochastic. Invariant: the average of all x.
#pragma once

#include <memory>
#include <vector>

#include "protocol/algorithm.h"
#include "protocol/gossip/absent.h"
#include "protocol/inbox.h"
#include "protocol/weighted_sum.h"
#include "topology/gossip_plan.h"

namespace kith {

// One node's part; its owner hands it the messages and asks it to go on.
class GossipAveraging {
 public:
  // Messages are of `kind`, and carry rounds of their own, from 0; so do the weights: a graph that
  // averages exactly over a period does so from its first round on.
  GossipAveraging(const GossipRounds& how, uint16_t kind);

  // Sends what the node holds to its neighbours. False where that is not finite.
  bool begin(NodeState& state, std::vector<Effect>& out);

  // Nothing comes from `peer` any more. It may join again before begin() alone.
  void leave(NodeId peer);
  void join(NodeId peer);

  // May come before begin(), from those who are ahead.
  Status receive(const NodeState& state, Message&& message);

  // Ends one round if all neighbours' messages for it have come: state.parameters is then the next
  // x, and has been sent unless it is over. False where it still waits.
  bool advance(NodeState& state, std::vector<Effect>& out);

  bool over() const { return done_ == how_.rounds; }
  bool finite() const { return finite_; }
  Round done() const { return done_; }

  // As Algorithm::waiting_for.
  void waiting_for(std::vector<NodeId>& out) const;
  void describe(std::string& out) const;
  void persist(Archive& archive);  // before begin()

 private:
  bool publish(NodeState& state, std::vector<Effect>& out);
  void combine(NodeState& state);

  const GossipRounds how_;
  const uint16_t kind_;
  const std::unique_ptr<Codec> floats_;
  MixingRow row_;
  Absent absent_;
  Inbox inbox_;
  SharedBuffer before_;  // x(t-1), where accelerated
  double omega_ = 1;
  Round done_ = 0;
  bool begun_ = false;
  bool finite_ = true;
  std::vector<Term> terms_;    // scratch, kept for its capacity
  std::vector<NodeId> peers_;  // scratch
};

}  // namespace kith
