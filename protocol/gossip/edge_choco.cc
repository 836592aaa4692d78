#include "protocol/gossip/edge_choco.h"

#include "protocol/describe.h"
#include "protocol/gossip/differences.h"
#include "protocol/kernels.h"

namespace kith {

EdgeChoco::EdgeChoco(const NodeState& state, const char* name, uint32_t local_steps, float gamma)
    : LockstepGossip({.name = name, .local_steps = local_steps, .each_edge = true}),
      gamma_(gamma),
      start_(state.parameters) {}

void EdgeChoco::persist(Archive& archive) {
  size_t count = edges_.size();
  archive.number("edges", count);
  auto edge = edges_.begin();
  for (size_t i = 0; i < count && archive.ok(); ++i) {
    const std::string name = "edge." + std::to_string(i);
    uint32_t peer = archive.reading() ? 0 : index_of(edge->first);
    archive.number(name, peer);
    archive.part(name, archive.reading() ? edges_[NodeId{peer}] : edge++->second);
  }
  if (edges_.size() != count) archive.refuse();
  persist_absent(archive);
}

void EdgeChoco::Copies::persist(Archive& archive) {
  archive.vector("own", own);
  archive.vector("theirs", theirs);
  archive.part("last_sent", last_sent);
  if (!own || !theirs) archive.refuse();
}

EdgeChoco::Copies& EdgeChoco::copies_with(NodeId peer) {
  return edges_.try_emplace(peer, Copies{.own = start_, .theirs = start_, .last_sent = {}})
      .first->second;
}

bool EdgeChoco::encode_for(NodeState& state, const SharedBuffer& v, NodeId peer,
                           SharedBuffer& wire) {
  Copies& copies = copies_with(peer);
  // A stream for each edge: its number stands above those of rounds.
  Rng rng(state.seed, state.self, Purpose::kCodec,
          state.round + (uint64_t{index_of(peer) + 1} << 32));
  if (!encode_difference(state, v, copies.own, copies.last_sent, rng, wire)) return false;
  add_difference(state, state.self, wire, copies.own);
  return true;
}

SharedBuffer EdgeChoco::combine(NodeState& state, const Exchange& exchange) {
  const std::span<const Message> messages = exchange.vectors[0].messages;
  if (messages.empty()) return exchange.computed;
  Buffer next = state.pool->acquire_floats(state.dimension);
  Buffer pull = state.pool->acquire_floats(state.dimension);
  kernels::scale(1.0f, exchange.computed.floats(), next.floats());
  for (size_t i = 0; i < messages.size(); ++i) {
    Copies& copies = copies_with(messages[i].from);
    add_difference(state, messages[i].from, messages[i].payload, copies.theirs);
    kernels::subtract(copies.theirs.floats(), copies.own.floats(), pull.floats());
    kernels::axpy(gamma_ * exchange.row.neighbors[i].weight, pull.floats(), next.floats());
  }
  return std::move(next).freeze();
}

void EdgeChoco::describe_memory(std::string& out) const {
  for (const auto& [peer, copies] : edges_) {
    const std::string with = std::to_string(index_of(peer));
    describe_vector(("own." + with).c_str(), copies.own, out);
    describe_vector(("theirs." + with).c_str(), copies.theirs, out);
  }
}

}  // namespace kith
