// What goes wrong in a simulated cluster, and when: machines that die, sleep, grow slow and start
// again, disks that are full, lines that carry nothing for a while, or carry it twice, late, out of
// order or damaged.
#pragma once

#include <algorithm>
#include <vector>

#include "protocol/time.h"
#include "topology/types.h"

namespace kith {

struct Fault {
  enum class Kind : uint8_t {
    kCrash,    // `node` is gone, with all that it was doing
    kRestart,  // it is back, and knows the job alone
    kGoBack,   // all machines begin again from the last states on their disks that fit together
    kSleep,    // it does nothing; what comes meanwhile waits for it
    kWake,
    kSlow,  // what it begins to compute takes `amount` times as long; 1 = as ever
    kSkew,  // its timers take `amount` times as long, for its clock is wrong; 1 = it is right
    kCut,   // nothing goes from `node` to `peer`
    kJoin,  // it does again
    // Of each message that leaves `node`, from now on:
    kLose,      // it is lost with probability `amount`
    kDouble,    // it comes twice with probability `amount`
    kDelay,     // it is up to `amount` seconds late, so that the next may overtake it
    kDamage,    // it is damaged with probability `amount` (sim/damage.h)
    kFullDisk,  // its disk takes no further state
    kFreeDisk,
  };

  Time at{};
  Kind kind{};
  NodeId node{};
  NodeId peer{};      // of kCut and kJoin
  double amount = 0;  // of those that say so
};

// Both ways, between each of `one` and each of `other`, from `at` for `lasts`. Appends.
void cut_between(const std::vector<NodeId>& one, const std::vector<NodeId>& other, Time at,
                 Duration lasts, std::vector<Fault>& faults);

// Which machines and lines are out of order now.
class FaultState {
 public:
  struct Machine {
    bool down = false;
    bool asleep = false;
    bool full_disk = false;
    double slow = 1;
    double skew = 1;
    double loses = 0;
    double doubles = 0;
    double delays = 0;  // s
    double damages = 0;
  };

  explicit FaultState(uint32_t nodes) : machines_(nodes) {}

  // kGoBack brings all machines up.
  void apply(const Fault& fault);

  const Machine& of(NodeId node) const { return machines_[index_of(node)]; }
  bool down(NodeId node) const { return of(node).down; }
  bool any_down() const { return std::ranges::any_of(machines_, &Machine::down); }
  bool asleep(NodeId node) const { return of(node).asleep; }
  bool cut(NodeId from, NodeId to) const;

 private:
  std::vector<Machine> machines_;
  std::vector<std::pair<NodeId, NodeId>> cuts_;  // from, to
};

}  // namespace kith
