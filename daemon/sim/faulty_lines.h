// What becomes of a message on lines that are out of order, on top of the link model: one stream of
// draws for each sender.
#pragma once

#include <optional>
#include <vector>

#include "daemon/sim/faults.h"
#include "protocol/buffer.h"
#include "protocol/event.h"
#include "topology/rng.h"

namespace kith {

class FaultyLines {
 public:
  // Pool and state outlive it.
  FaultyLines(const FaultState& state, uint32_t nodes, uint64_t seed, Pool& pool);

  struct Passage {
    std::optional<Time> arrives;  // nothing = it does not
    std::optional<Time> again;    // the second copy
    Status refused;               // it arrives, and this is what its receiver finds
  };

  // Of a message that would arrive at `at`.
  Passage pass(const Message& message, Time at);

  // Messages that came twice, so far.
  uint64_t doubled() const { return doubled_; }

 private:
  const FaultState& state_;
  Pool& pool_;
  std::vector<Rng> rngs_;  // by sender
  uint64_t doubled_ = 0;
};

}  // namespace kith
