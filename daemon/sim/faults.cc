#include "daemon/sim/faults.h"

#include <algorithm>

namespace kith {

void cut_between(const std::vector<NodeId>& one, const std::vector<NodeId>& other, Time at,
                 Duration lasts, std::vector<Fault>& faults) {
  for (const NodeId a : one) {
    for (const NodeId b : other) {
      for (const auto& [from, to] : {std::pair{a, b}, std::pair{b, a}}) {
        faults.push_back({at, Fault::Kind::kCut, from, to});
        faults.push_back({at + lasts, Fault::Kind::kJoin, from, to});
      }
    }
  }
}

void FaultState::apply(const Fault& fault) {
  switch (fault.kind) {
    case Fault::Kind::kCrash: down_[index_of(fault.node)] = true; break;
    case Fault::Kind::kRestart:
      down_[index_of(fault.node)] = false;
      asleep_[index_of(fault.node)] = false;
      break;
    case Fault::Kind::kSleep: asleep_[index_of(fault.node)] = true; break;
    case Fault::Kind::kWake: asleep_[index_of(fault.node)] = false; break;
    case Fault::Kind::kCut: cuts_.emplace_back(fault.node, fault.peer); break;
    case Fault::Kind::kJoin: std::erase(cuts_, std::pair{fault.node, fault.peer}); break;
  }
}

bool FaultState::cut(NodeId from, NodeId to) const {
  return std::ranges::find(cuts_, std::pair{from, to}) != cuts_.end();
}

}  // namespace kith
