// The simulated body of swarm::Membership: the tables of a few machines in virtual time. Machines
// and lines go wrong as those of a run do (faults.h). Each machine has a clock of its own, which
// tells another time from the others' and which a fault makes fast or slow.
//
// What a machine's table says it has been told must hold whatever goes wrong (SWIM, section 4.2):
// that of a member the incarnation never falls, and that only a higher one brings it back to life.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/sim/faults.h"
#include "daemon/sim/faulty_lines.h"
#include "protocol/membership.h"

namespace kith {

struct SwarmSettings {
  uint64_t seed = 0;
  NodeId first_host{};             // that all others are told of
  std::vector<Duration> distance;  // by machine: a packet takes those of both its ends
  swarm::Policy policy;
};

// A machine has learnt of another.
struct SwarmChange {
  Time at{};
  NodeId observer{};
  NodeId subject{};
  swarm::State state{};
  uint64_t incarnation = 0;
  bool operator==(const SwarmChange&) const = default;
};

class SimulatedSwarm {
 public:
  // All begin at time 0.
  explicit SimulatedSwarm(const SwarmSettings& settings);

  // What is due up to `until`, or until a finding.
  void run(Time until);

  // Now. Disks and computing are nothing to a swarm.
  void go_wrong(const Fault& fault);

  // All that are up take each other for alive, and nobody else. Else a sentence that names one
  // that does not.
  std::optional<std::string> disagreement() const;

  // What must never be; empty = nothing was found.
  const std::string& finding() const { return finding_; }

  // Of all machines, since the last call.
  std::vector<SwarmChange> take_changes() { return std::exchange(changes_, {}); }

  Time now() const { return now_; }
  uint64_t events() const { return events_; }  // packets that came, and periods

 private:
  // Runs at 1 / skew of the true rate.
  struct Clock {
    Time since{};  // true time, when it was last set
    Time shown{};
    double skew = 1;

    Time at(Time now) const;       // what it shows
    Time reaches(Time own) const;  // true time, not before it shows `own`
    void set_skew(Time now, double to);
  };
  struct Belief {
    bool any = false;
    swarm::State state{};
    uint64_t incarnation = 0;
  };
  struct Machine {
    std::unique_ptr<swarm::Membership> table;
    Clock clock;
    std::vector<swarm::Packet> waiting;  // while it sleeps
    std::vector<Belief> beliefs;         // by machine
    uint64_t lives = 0;
    Time ticks{};  // true time
  };

  std::string address_of(NodeId node) const;
  NodeId node_of(const std::string& address) const;
  uint32_t next_to_tick() const;
  bool runs(NodeId node) const { return !faults_.down(node) && !faults_.asleep(node); }
  void start(NodeId node);
  void wake(NodeId node);
  void deliver(NodeId to, swarm::Packet&& packet);
  void hear(NodeId node, const swarm::Packet& packet);
  void tick(NodeId node);
  void finish_step(NodeId node);
  void post(NodeId from, swarm::Packet&& packet);
  void learn(NodeId observer, const swarm::Rumour& rumour);
  void find(NodeId node, const std::string& what);

  SwarmSettings settings_;
  FaultState faults_;
  FaultyLines lines_;
  std::vector<Machine> machines_;
  std::multimap<Time, swarm::Packet> flying_;  // by arrival; of one moment in order of departure
  std::vector<swarm::Packet> out_;             // scratch
  std::vector<SwarmChange> changes_;
  std::string finding_;
  Time now_{};
  uint64_t events_ = 0;
};

}  // namespace kith
