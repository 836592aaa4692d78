// Somebody who looks at a simulation while it runs, for debugging and for the fault hunter
// (sim/chaos). Called between events; a run that is observed is the same run.
#pragma once

#include <span>

#include "protocol/effect.h"

namespace kith {

// One node, right after an event of its own.
struct Glimpse {
  NodeId node{};
  Time now{};
  Round round = 0;
  bool finished = false;
  bool computing = false;             // it has asked for work that is not back yet
  size_t timers = 0;                  // pending; Node's own watch is one of them
  std::span<const NodeId> waits_for;  // peers without whose messages it does not go on
  std::span<const NodeId> left = {};  // of began_again(): whom it knows to go on without
  std::span<const float> parameters;
  uint64_t messages_sent = 0;  // by its counters
  uint64_t messages_received = 0;
  // Of the whole cluster.
  uint64_t messages_doubled = 0;  // that lines have brought twice, so far
  size_t live_bytes = 0;          // of vectors and payloads
};

class Observer {
 public:
  virtual ~Observer() = default;

  virtual void stepped(const Glimpse& glimpse) = 0;

  // A machine starts again, or goes back: its rounds and counters begin as the glimpse says.
  virtual void began_again(const Glimpse&) {}
  virtual void crashed(NodeId) {}
  virtual void all_went_back() {}
  // As Body::edge_changed.
  virtual void edge_changed(NodeId, NodeId, bool /*in_force*/, Round) {}
  // What a node would keep, whether its disk takes it or not.
  virtual void checkpoint(NodeId, const Checkpoint&) {}
};

}  // namespace kith
