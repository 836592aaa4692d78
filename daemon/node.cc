#include "daemon/node.h"

#include <algorithm>

#include "daemon/node_kinds.h"
#include "protocol/adversary.h"
#include "protocol/checkpoint.h"
#include "protocol/wire.h"
#include "topology/assert.h"

namespace kith {

namespace {

NodeState without_parameters(NodeState state) {
  state.parameters = {};
  return state;
}

// As opposed to what comes at the wrong time.
bool breaks_rules(Reason reason) {
  return reason == Reason::kTruncated || reason == Reason::kOversized ||
         reason == Reason::kMalformed || reason == Reason::kNotFinite;
}

}  // namespace

Node::Node(NodeState state, const AlgorithmInfo& algorithm, const Options& options,
           RepairPolicy repair, Body& body)
    : state_(std::move(state)),
      self_(state_.self),
      algorithm_(make_algorithm(algorithm, state_, options)),
      body_(body),
      edges_(repair),
      cancels_(algorithm.cancels),
      lockstep_(algorithm.synchronous) {
  KITH_ASSERT(state_.parameters.size() == state_.dimension * sizeof(float));
  if (state_.adversary != nullptr) reported_ = state_.parameters;
  if (!repair.leaves) return;
  if (algorithm.needs.star) {
    star_ = std::make_unique<StarSide>(StarSide{.algorithm = algorithm,
                                                .options = options,
                                                .whole = without_parameters(state_),
                                                .view = first_view(state_.nodes)});
    for (uint32_t i = 1; self_ == NodeId{0} && i < state_.nodes; ++i) {
      star_->members.push_back({.node = NodeId{i}});
    }
    return;
  }
  KITH_ASSERT(algorithm.goes_on != GoesOn::kNever);
  state_.peers_leave = true;
  contracts_.emplace(state_.self, contract_peers());
}

void Node::handle(Event&& event, Time now) {
  KITH_ASSERT(now >= state_.now);
  state_.now = now;
  take(std::move(event));
  if (star_) end_event();
}

void Node::take(Event&& event) {
  const Time now = state_.now;
  if (auto* received = std::get_if<Received>(&event)) {
    if (const Status status = receive(received->message); !status.ok()) refuse(status);
    return;
  }
  if (const auto* timer = std::get_if<TimerFired>(&event); timer && timer->id == kWatchTimer) {
    return star_ ? watch_star() : watch();
  }
  if (const auto* timer = std::get_if<TimerFired>(&event); timer && timer->id == kPaceTimer) {
    if (!star_->result) return;  // of an earlier view
    event = *std::exchange(star_->result, {});
    if (const Status status = step(std::move(event)); !status.ok()) refuse(status);
    return;
  }
  if (const auto* left = std::get_if<PeerLeft>(&event)) {
    const NodeId peer = left->peer;
    if (contracts_ && contracts_->knows(peer) && contracts_->in_force(peer)) leave(peer);
    return;
  }
  const bool returns = std::holds_alternative<Return>(event);
  const bool begins = std::holds_alternative<Start>(event) || std::holds_alternative<Resume>(event);
  if ((begins || returns) && edges_.policy().depth > 0) {
    body_.set_timer(self_, kWatchTimer, edges_.policy().initial);
  }
  if (returns) return star_ ? return_to_star() : come_back();
  if (auto* computed = std::get_if<Computed>(&event)) {
    counters_.batches += computed->steps;
    edges_.computed_in(now - last_asked_to_compute_);
    last_computed_ = now;
    if (star_ && !to_view(*computed)) return;
  }
  if (const Status status = step(std::move(event)); !status.ok()) refuse(status);
}

void NodeCounters::persist(Archive& archive) {
  archive.number("messages_sent", messages_sent);
  archive.number("messages_received", messages_received);
  archive.number("bytes_sent", bytes_sent);
  archive.number("bytes_received", bytes_received);
  archive.number("payload_bytes_sent", payload_bytes_sent);
  archive.number("uncompressed_bytes_sent", uncompressed_bytes_sent);
  archive.number("batches", batches);
  archive.number("repairs_requested", repairs_requested);
  archive.number("messages_resent", messages_resent);
  archive.number("encoding", encoding);
  archive.number("decoding", decoding);
  archive.numbers("refused", refused);
}

Status Node::restore(Archive& archive) {
  archive.part("counters", counters_);
  if (contracts_) {
    archive.part("contracts", *contracts_);
    renew_edges();
  }
  const Status status = kith::restore(*algorithm_, state_, archive);
  if (state_.adversary != nullptr) reported_ = state_.parameters;
  return status;
}

void Node::decoded(NodeId from, Duration took) {
  counters_.decoding += took;
  if (!ledger_ || from == state_.self) return;
  ledger_->at(star_ ? star_->view.member_at(from) : from).decoding += took;
}

void Node::refuse(Status status) { ++counters_.refused[static_cast<size_t>(status.reason())]; }

Status Node::receive(Message& message) {
  const uint32_t nodes = star_ ? star_->whole.nodes : state_.nodes;
  if (message.to != self_ || message.from == self_ || index_of(message.from) >= nodes) {
    return Reason::kUnknownPeer;
  }
  ++counters_.messages_received;
  const size_t bytes = wire_size(message);
  counters_.bytes_received += bytes;
  if (ledger_) {
    EdgeCounters& edge = ledger_->at(message.from);
    ++edge.messages_received;
    edge.bytes_received += bytes;
  }
  if (message.kind >= kFirstNodeKind) {
    heard(message);
    return {};
  }
  if (contracts_ && !fits_contract(message)) return Reason::kNoContract;
  if (star_ && finished_) return {};  // of no use any more
  if (star_ && !fits_view(message)) return Reason::kNoContract;
  // Links that lose nothing double nothing either, and the edges of 10,000 nodes are far away.
  if (edges_.policy().depth == 0) return step(Received{std::move(message)});
  if (const Status status = edges_.check(message); !status.ok()) return status;
  const Message envelope{.from = message.from,
                         .to = message.to,
                         .kind = message.kind,
                         .round = message.round,
                         .scalar = 0,
                         .sequence = message.sequence,
                         .payload = {}};
  if (star_) to_view(message);
  const Status status = step(Received{std::move(message)});
  // Only what has served its purpose uses its number up: after a forged or early one the honest
  // message can still come, or be asked for again.
  const bool over = status.reason() == Reason::kStale || status.reason() == Reason::kDuplicate ||
                    status.reason() == Reason::kLeftOut;
  if (status.ok() || over) edges_.accept(envelope, state_.now);
  // A hub calls malformed what a node that lags behind has sent in good faith, too.
  const bool lags = star_ && status.reason() == Reason::kMalformed;
  if ((contracts_ || star_) && breaks_rules(status.reason()) && !lags) mistrust(envelope.from);
  return status;
}

Status Node::step(Event&& event) {
  effects_.clear();
  const Status status = algorithm_->step(state_, std::move(event), effects_);
  carry_out();
  return status;
}

void Node::carry_out() {
  for (Effect& effect : effects_) {
    if (star_ && !to_run(effect)) continue;
    if (auto* send_effect = std::get_if<Send>(&effect)) {
      send(std::move(*send_effect));
    } else if (auto* compute = std::get_if<Compute>(&effect)) {
      KITH_ASSERT(compute->steps > 0 && compute->steps <= limits::kLocalSteps);
      last_asked_to_compute_ = state_.now;
      body_.compute(self_, std::move(*compute));
    } else if (const auto* cancel = std::get_if<Cancel>(&effect)) {
      KITH_ASSERT(cancels_);
      body_.cancel(self_, cancel->ticket);
    } else if (const auto* timer = std::get_if<SetTimer>(&effect)) {
      KITH_ASSERT(timer->id != kWatchTimer && timer->id != kPaceTimer);
      body_.set_timer(self_, timer->id, timer->after);
    } else if (auto* report = std::get_if<Report>(&effect)) {
      if (state_.adversary != nullptr) reported_ = report->parameters;
      body_.report(self_, std::move(*report));
    } else if (auto* checkpoint = std::get_if<Checkpoint>(&effect)) {
      checkpoint->state->part("counters", counters_);
      if (contracts_) checkpoint->state->part("contracts", *contracts_);
      body_.checkpoint(self_, std::move(*checkpoint));
    } else if (const auto* finish = std::get_if<Finish>(&effect)) {
      KITH_ASSERT(!finished_);
      finished_ = true;
      body_.finish(self_, *finish);
    }
  }
}

void Node::send(Send&& effect) {
  KITH_ASSERT(effect.to != self_ && effect.kind < kFirstNodeKind);
  Message message{.from = self_,
                  .to = effect.to,
                  .kind = effect.kind,
                  .round = effect.round,
                  .scalar = effect.scalar,
                  .sequence = 0,
                  .payload = std::move(effect.payload)};
  if (state_.adversary != nullptr) state_.adversary->corrupt(state_, reported_, message);
  edges_.sent(message);
  if (message.payload || effect.values != 0) {
    const size_t values = effect.values != 0 ? effect.values : state_.dimension;
    counters_.uncompressed_bytes_sent += values * sizeof(float);
    if (ledger_) {
      EdgeCounters& edge = ledger_->at(message.to);
      edge.payload_bytes_sent += message.payload.size();
      edge.uncompressed_bytes_sent += values * sizeof(float);
    }
  }
  transmit(std::move(message));
}

void Node::transmit(Message&& message) {
  const size_t bytes = wire_size(message);
  ++counters_.messages_sent;
  counters_.bytes_sent += bytes;
  counters_.payload_bytes_sent += message.payload.size();
  if (ledger_) {
    EdgeCounters& edge = ledger_->at(message.to);
    ++edge.messages_sent;
    edge.bytes_sent += bytes;
  }
  body_.send(std::move(message));
}

void Node::heard(const Message& message) {
  const NodeId peer = message.from;
  if (star_ && heard_of_view(message)) return;
  edges_.heard(peer, state_.now);
  if (contracts_ && heard_of_contract(message)) return;
  switch (message.kind) {
    case kQuestion:
      tell(peer, kLast, edges_.last_sent(peer));
      if (edges_.behind(peer, message.sequence)) tell(peer, kResend, edges_.contiguous(peer));
      return;
    case kLast:
      if (edges_.lost(peer, message.sequence)) tell(peer, kResend, edges_.contiguous(peer));
      return;
    case kResend: edges_.asked_well(peer); return send_again(peer, message.sequence);
    case kGone:
      // A round that nobody can tell any more: the neighbour is too far ahead to be followed.
      if (contracts_ && lockstep_ && edges_.behind(peer, message.sequence)) {
        leave(peer);
        return offer(peer);
      }
      return edges_.skip(peer, message.sequence);
    default: return;
  }
}

void Node::send_again(NodeId peer, uint64_t after) {
  kept_.clear();
  edges_.kept_after(peer, after, kept_);
  counters_.messages_resent += kept_.size();
  const uint64_t gone = edges_.gone(peer);
  if (gone > after) tell(peer, kGone, gone);
  for (Message& message : kept_) transmit(std::move(message));
  kept_.clear();
}

void Node::tell(NodeId peer, uint16_t kind, uint64_t number) {
  transmit({.from = self_,
            .to = peer,
            .kind = kind,
            .round = state_.round,
            .scalar = 0,
            .sequence = number,
            .payload = {}});
}

void Node::watch() {
  if (finished_) return;
  waiting_.clear();
  if (!away_) waiting_for(waiting_);
  Duration again = ask(waiting_);
  if (contracts_ && !away_) again = std::min(again, probe(waiting_));
  if (contracts_) again = std::min(again, offer_again());
  body_.set_timer(self_, kWatchTimer, std::max(again, edges_.policy().floor));
}

void Node::waiting_for(std::vector<NodeId>& out) const {
  if (star_) return waiting_in_view(out);
  if (!away_) return algorithm_->waiting_for(state_, out);
  out.insert(out.end(), contracts_->peers().begin(), contracts_->peers().end());
}

// Asks those who owe a message for longer than their edge's history suggests; how long until the
// next question is due.
Duration Node::ask(std::span<const NodeId> waiting) {
  Duration again = edges_.patience();
  // Who computes while it waits, again and again, would never have waited long since it computed.
  const bool computing = last_asked_to_compute_ >= last_computed_;
  const Time since = computing ? Time{} : last_computed_;
  for (const NodeId peer : waiting) {
    const EdgeTable::Question question = edges_.question(peer, since, state_.now);
    if (question.ask) {
      ++counters_.repairs_requested;
      if (ledger_) ++ledger_->at(peer).repairs_requested;
      tell(peer, kQuestion, edges_.last_sent(peer));
    }
    if (question.silence > Duration::zero()) body_.peer_silent(self_, peer, question.silence);
    if (question.gone && contracts_ && contracts_->knows(peer)) leave(peer);
    again = std::min(again, question.again);
  }
  return again;
}

// Asks those who owe nothing now and then: who only hears this node keeps nobody waiting.
Duration Node::probe(std::span<const NodeId> waiting) {
  const bool held_up = !waiting.empty() && state_.now - last_computed_ > edges_.patience();
  Duration again = edges_.policy().ceiling;
  for (const NodeId peer : contracts_->peers()) {
    if (!contracts_->in_force(peer) || std::ranges::binary_search(waiting, peer)) continue;
    const EdgeTable::Question question = edges_.probe(peer, held_up, state_.now);
    if (question.ask) tell(peer, kQuestion, edges_.last_sent(peer));
    if (question.gone) leave(peer);
    again = std::min(again, question.again);
  }
  return again;
}

}  // namespace kith
