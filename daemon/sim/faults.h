// What goes wrong in a simulated cluster, and when: machines that die, sleep and start again
// without anything that they knew, lines that carry nothing for a while.
#pragma once

#include <vector>

#include "protocol/time.h"
#include "topology/types.h"

namespace kith {

struct Fault {
  enum class Kind : uint8_t {
    kCrash,    // `node` is gone, with all that it was doing
    kRestart,  // it is back, and knows the job alone
    kSleep,    // it does nothing; what comes meanwhile waits for it
    kWake,
    kCut,   // nothing goes from `node` to `peer`
    kJoin,  // it does again
  };

  Time at{};
  Kind kind{};
  NodeId node{};
  NodeId peer{};  // of kCut and kJoin
};

// Both ways, between each of `one` and each of `other`, from `at` for `lasts`. Appends.
void cut_between(const std::vector<NodeId>& one, const std::vector<NodeId>& other, Time at,
                 Duration lasts, std::vector<Fault>& faults);

// Which machines and lines are out of order now.
class FaultState {
 public:
  explicit FaultState(uint32_t nodes) : down_(nodes), asleep_(nodes) {}

  void apply(const Fault& fault);

  bool down(NodeId node) const { return down_[index_of(node)]; }
  bool asleep(NodeId node) const { return asleep_[index_of(node)]; }
  bool cut(NodeId from, NodeId to) const;

 private:
  std::vector<bool> down_;
  std::vector<bool> asleep_;
  std::vector<std::pair<NodeId, NodeId>> cuts_;  // from, to
};

}  // namespace kith
