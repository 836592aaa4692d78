#include "protocol/gossip/lockstep.h"

#include <algorithm>

#include "protocol/checkpoint.h"
#include "protocol/describe.h"
#include "topology/assert.h"

namespace kith {

namespace {
constexpr uint16_t kModel = 1;
}

Status LockstepGossip::step(NodeState& state, Event&& event, std::vector<Effect>& out) {
  const bool begins = std::holds_alternative<Start>(event) || std::holds_alternative<Resume>(event);
  if (std::holds_alternative<Resume>(event)) send_again(state, out);
  if (begins) begin_round(state, out);
  if (auto* received = std::get_if<Received>(&event)) {
    if (const Status status = receive(state, std::move(received->message)); !status.ok()) {
      return status;
    }
  }
  if (auto* computed = std::get_if<Computed>(&event)) adapted(state, std::move(*computed), out);
  while (!over_ && ready(state)) end_round(state, out);
  return {};
}

void LockstepGossip::describe(const NodeState& state, std::string& out) const {
  out += name_;
  out += " round=" + std::to_string(state.round);
  out += over_ ? " over" : adapted_ ? " waiting" : " computing";
  out += " inbox=" + std::to_string(inbox_.size());
  describe_vector("x", state.parameters, out);
  describe_vector("v", adapted_, out);
  describe_memory(out);
}

void LockstepGossip::waiting_for(const NodeState& state, std::vector<NodeId>& out) const {
  if (over_ || !adapted_ || !combines(state)) return;
  missing_senders(inbox_, combined(state), row_.neighbors, out);
}

void LockstepGossip::begin_round(NodeState& state, std::vector<Effect>& out) {
  if (state.round == state.rounds) return finish(state, Finish::Why::kDone, out);
  state.mixing->row(state.self, combined(state), row_);
  if (sends_ == Sends::kCurrent && !publish(state, state.parameters, out)) return;
  out.push_back(Compute{.ticket = state.round + 1,
                        .first_batch = state.round * local_steps_,
                        .steps = local_steps_,
                        .at = state.parameters,
                        .rule = LocalRule::local_steps()});
}

Status LockstepGossip::receive(const NodeState& state, Message&& message) {
  if (over_ && lag_ > 0) return {};  // what comes after the last round is of no use
  if (message.kind != kModel) return Reason::kMalformed;
  if (!hears(state, message)) return Reason::kUnknownPeer;
  if (const Status status = check_message(state, message); !status.ok()) return status;
  return inbox_.put(std::move(message), combined(state));
}

Status LockstepGossip::check_message(const NodeState& state, const Message& message) const {
  return check(*state.codec, message.payload, state.dimension, *state.pool);
}

// The row of W at hand serves for its own round, and for all of a graph that never changes.
bool LockstepGossip::hears(const NodeState& state, const Message& message) {
  const Graph& graph = state.mixing->graph();
  if (message.round == combined(state) || graph.period() == 1) {
    return std::ranges::binary_search(row_.neighbors, message.from, {}, &Neighbor::peer);
  }
  graph.in(state.self, message.round, peers_);
  return std::ranges::binary_search(peers_, message.from);
}

void LockstepGossip::adapted(NodeState& state, Computed&& computed, std::vector<Effect>& out) {
  if (over_ || computed.ticket != state.round + 1) return;
  if (!computed.finite) return finish(state, Finish::Why::kDiverged, out);
  adapted_ = std::move(computed.result);
  loss_ = computed.loss;
  if (sends_ == Sends::kAdapted) publish(state, adapted_, out);
}

// Encodes x once and sends the same block to every neighbour. False when x is not finite.
bool LockstepGossip::publish(NodeState& state, const SharedBuffer& x, std::vector<Effect>& out) {
  if (!encode(state, x, own_)) {
    finish(state, Finish::Why::kDiverged, out);
    return false;
  }
  const Sent sent{own_, scalar()};
  send(state, state.round, sent, out);
  if (lag_ > 0) {
    if (sent_.size() == lag_) sent_.pop_front();
    sent_.push_back(sent);
  }
  return true;
}

void LockstepGossip::send(const NodeState& state, Round round, const Sent& sent,
                          std::vector<Effect>& out) {
  state.mixing->graph().out(state.self, round, peers_);
  for (NodeId peer : peers_) {
    out.push_back(Send{.to = peer,
                       .kind = kModel,
                       .round = round,
                       .scalar = sent.scalar,
                       .payload = sent.wire,
                       .values = state.dimension});
  }
}

void LockstepGossip::send_again(const NodeState& state, std::vector<Effect>& out) {
  for (size_t i = 0; i < sent_.size(); ++i) {
    send(state, state.round - sent_.size() + i, sent_[i], out);
  }
}

void LockstepGossip::persist_sent(Archive& archive) {
  size_t kept = sent_.size();
  archive.number("sent", kept);
  if (kept > lag_) return archive.refuse();
  sent_.resize(kept);
  for (size_t i = 0; i < kept; ++i) {
    archive.bytes("wire." + std::to_string(i), sent_[i].wire);
    archive.number("scalar." + std::to_string(i), sent_[i].scalar);
  }
}

bool LockstepGossip::ready(const NodeState& state) const {
  if (!adapted_ || !combines(state)) return static_cast<bool>(adapted_);
  return inbox_.at(combined(state)).size() == row_.neighbors.size();
}

void LockstepGossip::end_round(NodeState& state, std::vector<Effect>& out) {
  const Payload own = own_;
  std::span<const Message> messages;
  if (combines(state)) messages = inbox_.at(combined(state));
  for (size_t i = 0; i < messages.size(); ++i) {
    KITH_ASSERT(messages[i].from == row_.neighbors[i].peer);
  }
  state.parameters = combine(state, {row_, adapted_, own, messages});
  if (combines(state)) inbox_.drop_through(combined(state));
  adapted_.reset();
  out.push_back(Report{.round = state.round, .loss = loss_, .parameters = state.parameters});
  ++state.round;
  checkpoint(*this, state, state.round - 1, state.round, true, out);
  begin_round(state, out);
}

void LockstepGossip::finish(const NodeState& state, Finish::Why why, std::vector<Effect>& out) {
  over_ = true;
  out.push_back(Finish{why, state.round});
}

OptionSpec option_gossip_steps() {
  return {
      "local_steps",      OptionSpec::Type::kInteger, int64_t{1}, "steps between two exchanges", 1,
      limits::kLocalSteps};
}

double batches_of_gossip(const Options& options, uint32_t) {
  return static_cast<double>(options.integer("local_steps"));
}

std::optional<RunTime> gossip_run_time(const Options& options, const ClusterTiming& cluster) {
  const bool ordered = options.values().contains("order");
  return gossip_time(cluster, {.local_steps = static_cast<uint32_t>(options.integer("local_steps")),
                               .combine_first = ordered && options.text("order") == "cta"});
}

}  // namespace kith
