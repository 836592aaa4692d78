// A hunt for faults of the swarm's own table (protocol/membership.h): a few machines that belong
// together, in virtual time. It begins well, then things go wrong, and in the end is demanded:
//
//   time   settle_within() after the last fault all who are up take each other for alive, and
//          nobody else
//   peace  once they have done so for a while, on lines that are sound nobody suspects anybody
#pragma once

#include <string>
#include <vector>

#include "daemon/sim/chaos/hunt.h"
#include "daemon/sim/simulated_swarm.h"

namespace kith::chaos {

struct DrawnSwarm {
  SwarmSettings settings;
  std::vector<Fault> faults;

  uint32_t nodes() const { return static_cast<uint32_t>(settings.distance.size()); }
};

DrawnSwarm draw_swarm(uint64_t seed);

class SwarmHunt {
 public:
  explicit SwarmHunt(DrawnSwarm swarm) : swarm_(std::move(swarm)) {}

  // `twice`: runs it again, and demands the same.
  Finding chase(bool twice);

  // By when all are to agree, after the last fault.
  Duration settle_within() const;

  // Of all runs so far.
  uint64_t events() const { return events_; }

 private:
  struct Run {
    Finding finding;
    std::vector<SwarmChange> changes;
    uint64_t events = 0;
  };

  Run run() const;
  Finding go(SimulatedSwarm& swarm, std::vector<SwarmChange>& changes) const;

  DrawnSwarm swarm_;
  uint64_t events_ = 0;
};

}  // namespace kith::chaos
