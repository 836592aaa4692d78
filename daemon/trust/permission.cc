#include "daemon/trust/permission.h"

#include <type_traits>

namespace kith {

namespace {

// A request that is new here is an operator's until it is listed as reading.
template <typename T>
constexpr bool kReads =
    std::is_same_v<T, control::HelloRequest> || std::is_same_v<T, control::ProgressRequest> ||
    std::is_same_v<T, control::SnapshotRequest> || std::is_same_v<T, control::StatusRequest> ||
    std::is_same_v<T, control::NodesRequest> || std::is_same_v<T, control::ModelRequest>;

}  // namespace

bool may_ask(Role role, const control::Request& request) {
  if (std::holds_alternative<control::GossipRequest>(request)) return role == Role::kPeer;
  if (role == Role::kOperator) return true;
  const bool reads = std::visit([]<typename T>(const T&) { return kReads<T>; }, request);
  return role == Role::kViewer && reads;
}

}  // namespace kith
