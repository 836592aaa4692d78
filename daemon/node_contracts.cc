// Node's side of the contracts: when a neighbour is left, what is said to take it up again, and how
// a node that was away comes back.
#include <algorithm>

#include "daemon/node.h"
#include "daemon/node_kinds.h"
#include "protocol/kernels.h"
#include "topology/assert.h"

namespace kith {

namespace {

constexpr Duration kOfferPause = std::chrono::milliseconds(500);

// A neighbour so many rounds ahead is not waiting to be caught up with: neighbours in lockstep are
// a round apart, and a round or two more while an answer is on its way.
constexpr Round kRoundsApart = 8;

// Messages in a row that break the rules, after which a neighbour is heard no more.
constexpr uint32_t kMostBroken = 3;

// Beyond both nothing honest is.
constexpr uint64_t kMostContracts = uint64_t{1} << (63 - Contracts::kNumberBits);
constexpr double kMostRounds = 1e15;

uint64_t base_of(uint64_t number) { return number << Contracts::kNumberBits; }
uint64_t number_of(const Message& message) { return message.sequence >> Contracts::kNumberBits; }

}  // namespace

std::vector<NodeId> Node::contract_peers() const {
  std::vector<NodeId> peers;
  const Graph& graph = state_.meets != nullptr ? *state_.meets : state_.mixing->graph();
  all_neighbors(graph, state_.self, peers);
  return peers;
}

void Node::begin_contracts(uint64_t number) {
  if (!contracts_ || number == 0) return;
  contracts_->begin_with(number);
  renew_edges();
}

void Node::renew_edges() {
  for (const NodeId peer : contracts_->peers()) {
    edges_.renew(peer, base_of(contracts_->terms(peer).number), state_.now);
  }
}

// A message of the algorithm. One of a contract that this node has proposed shows that it has been
// accepted.
bool Node::fits_contract(const Message& message) {
  const NodeId peer = message.from;
  if (!contracts_->knows(peer)) return true;  // the algorithm knows what to make of it
  if (!contracts_->in_force(peer) && contracts_->awaits(peer, number_of(message))) {
    accepted(peer, number_of(message), message.round);
  }
  return contracts_->in_force(peer);
}

// True where nothing more is to be done about a message between nodes.
bool Node::heard_of_contract(const Message& message) {
  const NodeId peer = message.from;
  if (!contracts_->knows(peer)) return false;
  if (contracts_->banned(peer)) return true;
  const bool malformed =
      message.sequence >= kMostContracts || !(message.scalar >= 0) || message.scalar > kMostRounds;
  if (message.kind >= kOffer && malformed) {
    refuse(Reason::kMalformed);
    return true;
  }
  switch (message.kind) {
    case kOffer: offered(message); return true;
    case kProposal: proposed(message); return true;
    case kAccept: accepted(peer, message.sequence, message.round); return true;
    default: break;
  }
  // On losses: of which contract?
  if (!contracts_->in_force(peer) && contracts_->awaits(peer, number_of(message))) {
    accepted(peer, number_of(message), message.round);
  }
  if (contracts_->in_force(peer) && contracts_->terms(peer).number == number_of(message)) {
    return false;
  }
  if (message.kind == kQuestion) offer(peer);
  return true;
}

void Node::offered(const Message& message) {
  const NodeId peer = message.from;
  if (away_) return;  // has nothing to go on with itself
  if (contracts_->in_force(peer)) leave(peer);
  const Contracts::Terms terms =
      contracts_->propose(peer, message.sequence, message.round, own_round(), state_.rounds);
  const bool with_model = message.scalar == kWithModel;
  const Round round = lockstep_ ? own_round() : state_.round;
  say(peer, kProposal, terms, static_cast<double>(round),
      with_model ? Payload(state_.parameters) : Payload());
}

void Node::proposed(const Message& message) {
  const NodeId peer = message.from;
  const Contracts::Terms terms{message.sequence, message.round};
  if (finished_) return;
  if (away_) return go_on_from(message);
  // Nothing is done together any more: who has work left does it with those who have as well.
  if (terms.from >= state_.rounds) return;
  // First: a round that waited for this peer alone ends with the old contract, and what is proposed
  // may be too late for the next.
  if (contracts_->in_force(peer) && terms.number > contracts_->terms(peer).number) leave(peer);
  switch (contracts_->accept(peer, terms, own_round())) {
    case Contracts::Outcome::kInForce:
      begin_contract(peer, static_cast<Round>(message.scalar));
      [[fallthrough]];
    case Contracts::Outcome::kKnown: return say(peer, kAccept, {terms.number, own_round()}, 0);
    case Contracts::Outcome::kTooLate: return offer(peer);
    case Contracts::Outcome::kNoMatter: return;
  }
}

// Of a node that was away: x and the round are the neighbour's.
void Node::go_on_from(const Message& message) {
  const NodeId peer = message.from;
  const Contracts::Terms terms{message.sequence, message.round};
  if (message.payload.size() != state_.dimension * sizeof(float)) return refuse(Reason::kTruncated);
  SharedBuffer x = floats_of(message.payload, *state_.pool);
  if (!kernels::all_finite(x.floats())) return refuse(Reason::kNotFinite);
  if (contracts_->accept(peer, terms, 0) != Contracts::Outcome::kInForce) return;
  away_ = false;
  state_.parameters = std::move(x);
  // In lockstep with the first that is agreed, else with the neighbour's.
  const Round round = lockstep_ ? terms.from : static_cast<Round>(message.scalar);
  state_.round = std::min(round, state_.rounds);
  begin_contract(peer, state_.round);
  say(peer, kAccept, {terms.number, own_round()}, 0);
  if (const Status status = step(Start{}); !status.ok()) refuse(status);
}

// What was proposed from here is accepted by a peer that is in round `theirs`.
void Node::accepted(NodeId peer, uint64_t number, Round theirs) {
  const Contracts::Outcome outcome = contracts_->accepted(peer, number, own_round());
  if (outcome == Contracts::Outcome::kInForce) begin_contract(peer, theirs);
  if (outcome == Contracts::Outcome::kTooLate) offer(peer);
}

void Node::begin_contract(NodeId peer, Round theirs) {
  const Contracts::Terms terms = contracts_->terms(peer);
  edges_.renew(peer, base_of(terms.number), state_.now);
  body_.edge_changed(state_.self, peer, true, terms.from);
  // To a round that another is in, never to one that is only agreed upon: else nodes would send
  // each other ahead for ever, with no work done.
  const bool skips = lockstep_ && theirs > own_round() + kRoundsApart;
  // Nor beyond the first in common, where the peer counts on this node's messages.
  if (skips) skips_to_ = std::min({theirs, terms.from, state_.rounds});
  (void)step(PeerJoined{peer, terms.from, skips ? skips_to_ : 0});
  if (!skips) return;
  // None of the others can count on this node's messages of the rounds between.
  for (const NodeId other : contracts_->peers()) {
    if (other == peer || !contracts_->in_force(other)) continue;
    leave(other);
    offer(other);
  }
}

// Whatever is asked for again would be as broken, and the round would never end.
void Node::mistrust(NodeId peer) {
  const bool known = star_ ? leads() : contracts_->knows(peer);
  if (!known || edges_.broken(peer) < kMostBroken) return;
  if (star_) return ban(peer);
  leave(peer);
  contracts_->ban(peer);
}

void Node::leave(NodeId peer) {
  contracts_->leave(peer);
  body_.edge_changed(state_.self, peer, false, state_.round);
  if (const Status status = step(PeerLeft{peer}); !status.ok()) refuse(status);
}

void Node::offer(NodeId peer) {
  say(peer, kOffer, {contracts_->known(peer), own_round()}, away_ ? kWithModel : 0);
}

// To all that this node goes on without, now and then; how long until the next time.
Duration Node::offer_again() {
  if (contracts_->all_in_force()) return kOfferPause;
  const Duration since = state_.now - offered_;
  if (since < kOfferPause) return kOfferPause - since;
  offered_ = state_.now;
  for (const NodeId peer : contracts_->peers()) {
    if (!contracts_->in_force(peer) && !contracts_->banned(peer)) offer(peer);
  }
  return kOfferPause;
}

// A node that was away knows nothing of the run but its job. It asks all neighbours, and takes x
// and the round from the first that answers.
void Node::come_back() {
  KITH_ASSERT(contracts_);
  away_ = true;
  offered_ = state_.now;
  for (const NodeId peer : contracts_->peers()) {
    leave(peer);
    offer(peer);
  }
}

void Node::say(NodeId peer, uint16_t kind, const Contracts::Terms& terms, double scalar,
               Payload payload) {
  transmit({.from = self_,
            .to = peer,
            .kind = kind,
            .round = terms.from,
            .scalar = scalar,
            .sequence = terms.number,
            .payload = std::move(payload)});
}

}  // namespace kith
