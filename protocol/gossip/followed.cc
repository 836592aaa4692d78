#include "protocol/gossip/followed.h"

#include <algorithm>

#include "protocol/gossip/differences.h"
#include "protocol/kernels.h"

namespace kith {

bool Followed::encode(const NodeState& state, const SharedBuffer& x, Rng& rng, SharedBuffer& wire) {
  return encode_difference(state, x, own_, last_sent_, rng, wire);
}

void Followed::follow_own(const NodeState& state, const Payload& sent) {
  add_difference(state, state.self, sent, own_);
}

void Followed::follow_others(const NodeState& state, std::span<const Message> messages) {
  for (const Message& message : messages) {
    copy(message.from);
    add_difference(state, message.from, message.payload, copies_.at(message.from));
  }
}

const SharedBuffer& Followed::copy(NodeId peer) {
  if (copies_.find(peer) == nullptr) copies_.at(peer) = known_;
  return copies_.at(peer);
}

SharedBuffer Followed::introduction(const NodeState& state) const {
  if (own_) return own_;
  Buffer zero = state.pool->acquire_floats(state.dimension);
  std::ranges::fill(zero.floats(), 0.0f);
  return std::move(zero).freeze();
}

void Followed::subtract_own(NodeId peer, std::span<float> difference) {
  kernels::subtract(copy(peer).floats(), own_.floats(), difference);
}

void Followed::persist(Archive& archive) {
  archive.vector("own", own_);
  archive.part("copies", copies_);
  archive.part("last_sent", last_sent_);
}

}  // namespace kith
