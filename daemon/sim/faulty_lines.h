// What becomes of a message on lines that are out of order, on top of the link model: one stream of
// draws for each sender.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "daemon/sim/faults.h"
#include "protocol/status.h"
#include "topology/rng.h"

namespace kith {

class FaultyLines {
 public:
  // The state outlives it.
  FaultyLines(const FaultState& state, uint32_t nodes, uint64_t seed);

  struct Passage {
    std::optional<Time> arrives;  // nothing = it does not
    std::optional<Time> again;    // the second copy
    Status refused;               // it arrives, and this is what its receiver finds
  };

  // Of a message that would arrive at `at`. `damage`: what its receiver finds where it is damaged,
  // drawn from the sender's stream; never ok().
  Passage pass(NodeId from, NodeId to, Time at, const std::function<Status(Rng&)>& damage);

  // Messages that came twice, so far.
  uint64_t doubled() const { return doubled_; }

 private:
  const FaultState& state_;
  std::vector<Rng> rngs_;  // by sender
  uint64_t doubled_ = 0;
};

}  // namespace kith
