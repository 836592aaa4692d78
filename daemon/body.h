// What a body gives to its Nodes. The real body (daemon/real) and the simulated one (daemon/sim)
// implement these four; both drive the same Node.
#pragma once

#include "protocol/effect.h"
#include "protocol/event.h"
#include "protocol/time.h"

namespace kith {

class Body {
 public:
  virtual ~Body() = default;

  // Takes the message towards `message.to`. May lose it; Node repairs. Never blocks.
  virtual void send(Message&& message) = 0;

  // Starts the work; its Computed event is handed to the node later, never from inside this call.
  // Work of one node is carried out in the order of these calls.
  virtual void compute(NodeId node, Compute&& work) = 0;
  virtual void cancel(NodeId node, uint64_t ticket) = 0;

  // TimerFired(id) for `node` after `after`; replaces a pending timer of the same id.
  virtual void set_timer(NodeId node, TimerId id, Duration after) = 0;

  virtual void report(NodeId node, Report&& report) = 0;
  virtual void finish(NodeId node, Finish finish) = 0;

  // Keeps `checkpoint`, with the learner's own state when all that compute() was asked for before
  // is done, where the next run finds it.
  virtual void checkpoint(NodeId node, Checkpoint&& checkpoint) = 0;

  // `node` goes on without `peer` from `round` on, or with it again.
  virtual void edge_changed(NodeId node, NodeId peer, bool in_force, Round round) = 0;

  // `peer` owes `node` a message and has answered nothing for `silence`; repeated while it lasts.
  virtual void peer_silent(NodeId node, NodeId peer, Duration silence) = 0;
};

}  // namespace kith
