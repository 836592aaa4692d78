#include "protocol/gossip/edge_flows.h"

#include <algorithm>

#include "protocol/kernels.h"
#include "protocol/weighted_sum.h"

namespace kith {

void EdgeFlows::add(const NodeState& state, const SharedBuffer& own, const MixingRow& row,
                    std::span<const Message> messages, float scale) {
  if (!state.peers_leave) return;
  for (size_t i = 0; i < messages.size(); ++i) {
    const Term term{.scale = scale * row.neighbors[i].weight,
                    .payload = &messages[i].payload,
                    .from = messages[i].from};
    Buffer flow = writable_flow(state, messages[i].from);
    add_differences(*state.codec, own.floats(), {&term, 1}, flow.floats(), *state.pool);
    flows_.at(messages[i].from) = std::move(flow).freeze();
  }
}

void EdgeFlows::add(const NodeState& state, NodeId peer, float scale,
                    std::span<const float> difference) {
  if (!state.peers_leave) return;
  Buffer flow = writable_flow(state, peer);
  kernels::axpy(scale, difference, flow.floats());
  flows_.at(peer) = std::move(flow).freeze();
}

void EdgeFlows::take_back(const NodeState& state, NodeId peer, SharedBuffer& memory) {
  const SharedBuffer* flow = flows_.find(peer);
  if (flow == nullptr) return;
  Buffer rest = state.pool->acquire_floats(state.dimension);
  if (memory) {
    kernels::subtract(memory.floats(), flow->floats(), rest.floats());
  } else {
    kernels::scale(-1.0f, flow->floats(), rest.floats());
  }
  memory = std::move(rest).freeze();
  flows_.erase(peer);
}

Buffer EdgeFlows::writable_flow(const NodeState& state, NodeId peer) {
  SharedBuffer& flow = flows_.at(peer);
  if (flow) return writable(std::move(flow), *state.pool);
  Buffer zero = state.pool->acquire_floats(state.dimension);
  std::ranges::fill(zero.floats(), 0.0f);
  return zero;
}

}  // namespace kith
