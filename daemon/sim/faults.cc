#include "daemon/sim/faults.h"

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
  Machine& machine = machines_[index_of(fault.node)];
  switch (fault.kind) {
    case Fault::Kind::kCrash: machine.down = true; break;
    case Fault::Kind::kRestart: machine.down = machine.asleep = false; break;
    case Fault::Kind::kGoBack:
      for (Machine& each : machines_) each.down = each.asleep = false;
      break;
    case Fault::Kind::kSleep: machine.asleep = true; break;
    case Fault::Kind::kWake: machine.asleep = false; break;
    case Fault::Kind::kSlow: machine.slow = fault.amount; break;
    case Fault::Kind::kSkew: machine.skew = fault.amount; break;
    case Fault::Kind::kCut: cuts_.emplace_back(fault.node, fault.peer); break;
    case Fault::Kind::kJoin: std::erase(cuts_, std::pair{fault.node, fault.peer}); break;
    case Fault::Kind::kLose: machine.loses = fault.amount; break;
    case Fault::Kind::kDouble: machine.doubles = fault.amount; break;
    case Fault::Kind::kDelay: machine.delays = fault.amount; break;
    case Fault::Kind::kDamage: machine.damages = fault.amount; break;
    case Fault::Kind::kFullDisk: machine.full_disk = true; break;
    case Fault::Kind::kFreeDisk: machine.full_disk = false; break;
  }
}

bool FaultState::cut(NodeId from, NodeId to) const {
  return std::ranges::find(cuts_, std::pair{from, to}) != cuts_.end();
}

}  // namespace kith
