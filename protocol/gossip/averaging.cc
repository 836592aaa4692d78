#include "protocol/gossip/averaging.h"

#include <algorithm>

#include "protocol/describe.h"
#include "topology/assert.h"

namespace kith {

GossipAveraging::GossipAveraging(const GossipRounds& how, uint16_t kind)
    : how_(how), kind_(kind), floats_(make_codec("identity")) {}

bool GossipAveraging::begin(NodeState& state, std::vector<Effect>& out) {
  begun_ = true;
  return over() || publish(state, out);
}

// Sends the same block to every neighbour.
bool GossipAveraging::publish(NodeState& state, std::vector<Effect>& out) {
  Rng unused(state.seed, state.self, Purpose::kCodec, done_);
  SharedBuffer wire;
  finite_ = floats_->encode(state.parameters, unused, *state.pool, wire).ok();
  if (!finite_) return false;
  state.mixing->row(state.self, done_, row_);
  absent_.reach(done_, [](NodeId) {});
  absent_.fold(row_, done_);
  state.mixing->graph().out(state.self, done_, peers_);
  for (const NodeId peer : peers_) {
    if (absent_.contains(peer, done_)) continue;
    out.push_back(Send{.to = peer, .kind = kind_, .round = done_, .payload = wire});
  }
  return true;
}

Status GossipAveraging::receive(const NodeState& state, Message&& message) {
  if (message.round >= how_.rounds) return Reason::kMalformed;
  state.mixing->graph().in(state.self, message.round, peers_);
  if (!std::ranges::binary_search(peers_, message.from)) return Reason::kUnknownPeer;
  if (absent_.contains(message.from, message.round)) return Reason::kNoContract;
  if (const Status status = check(*floats_, message.payload, state.dimension, *state.pool);
      !status.ok()) {
    return status;
  }
  const bool rare = state.mixing->graph().period() == kNeverRepeats;
  return inbox_.put(std::move(message), done_,
                    rare ? Inbox::Pace::kSomeRounds : Inbox::Pace::kEveryRound);
}

void GossipAveraging::leave(NodeId peer) {
  absent_.leave(peer);
  absent_.fold(row_, done_);
  inbox_.drop_from(peer);
}

void GossipAveraging::join(NodeId peer) {
  if (!begun_) absent_.join(peer, 0);
}

bool GossipAveraging::advance(NodeState& state, std::vector<Effect>& out) {
  if (!begun_ || over() || !finite_) return false;
  if (inbox_.at(done_).size() != row_.neighbors.size()) return false;
  combine(state);
  inbox_.drop_through(done_);
  ++done_;
  return over() || publish(state, out);
}

void GossipAveraging::combine(NodeState& state) {
  const double zeta2 = how_.zeta * how_.zeta;
  if (done_ == 1) omega_ = 1 / (1 - zeta2 / 2);
  if (done_ > 1) omega_ = 1 / (1 - zeta2 * omega_ / 4);
  const auto omega = static_cast<float>(omega_);
  terms_.clear();
  terms_.push_back({omega * row_.self, state.parameters.floats()});
  const std::span<const Message> messages = inbox_.at(done_);
  for (size_t i = 0; i < messages.size(); ++i) {
    KITH_ASSERT(messages[i].from == row_.neighbors[i].peer);
    terms_.push_back(
        {omega * row_.neighbors[i].weight, {}, &messages[i].payload, messages[i].from});
  }
  if (before_) terms_.push_back({1 - omega, before_.floats()});
  Buffer next = state.pool->acquire_floats(state.dimension);
  weighted_sum(*floats_, terms_, next.floats(), *state.pool);
  if (how_.zeta > 0) before_ = std::move(state.parameters);
  state.parameters = std::move(next).freeze();
}

void GossipAveraging::waiting_for(std::vector<NodeId>& out) const {
  if (begun_ && !over() && finite_) missing_senders(inbox_, done_, row_.neighbors, out);
}

void GossipAveraging::describe(std::string& out) const {
  out += " averaged=" + std::to_string(done_) + " of " + std::to_string(how_.rounds);
  describe_vector("before", before_, out);
}

void GossipAveraging::persist(Archive& archive) {
  archive.part("absent", absent_);
}

}  // namespace kith
