#include "protocol/gossip/pairwise.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "protocol/checkpoint.h"
#include "protocol/compressor.h"
#include "protocol/describe.h"
#include "protocol/limits.h"
#include "protocol/weighted_sum.h"
#include "topology/assert.h"

namespace kith {

namespace {

constexpr uint16_t kOffer = 1;   // x; round = number of the offer; scalar = offers answered
constexpr uint16_t kAnswer = 2;  // d; round = that of the offer; scalar = 1: the rounds are done
constexpr uint16_t kDone = 3;    // nothing: the rounds are done

class Pairwise final : public Algorithm {
 public:
  Pairwise(const NodeState& state, const PairwiseRule& rule)
      : rule_(rule), compressor_(*state.codec, {}) {
    std::vector<NodeId> neighbors;
    state.mixing->graph().out(state.self, 0, neighbors);
    for (const NodeId neighbor : neighbors) peers_.push_back({.id = neighbor});
    measures_.local_steps = rule.local_steps;
  }

  Status step(NodeState& state, Event&& event, std::vector<Effect>& out) override {
    if (const auto* left = std::get_if<PeerLeft>(&event)) leave(state, left->peer, out);
    if (const auto* joined = std::get_if<PeerJoined>(&event)) join(state, joined->peer, out);
    if (over_) return {};
    if (std::holds_alternative<Start>(event)) next_batch_ = state.round * rule_.local_steps;
    const bool begins =
        std::holds_alternative<Start>(event) || std::holds_alternative<Resume>(event);
    if (begins) begin_round(state, out);
    if (auto* computed = std::get_if<Computed>(&event)) finished(state, std::move(*computed), out);
    if (auto* received = std::get_if<Received>(&event)) {
      if (const Status status = receive(state, std::move(received->message), out); !status.ok()) {
        return status;
      }
    }
    if (!over_ && done(state) && std::ranges::all_of(peers_, &Peer::wants_nothing)) {
      end(state, Finish::Why::kDone, out);
    }
    return {};
  }

  // Exchanges under way are lost with a crash, and with them what they would have kept of the sum.
  void persist(Archive& archive) override {
    archive.number("next_batch", next_batch_);
    archive.part("measures", measures_);
    for (Peer& peer : peers_) {
      archive.number("absent." + std::to_string(index_of(peer.id)), peer.absent);
    }
  }

  void describe(const NodeState& state, std::string& out) const override {
    out += std::string(rule_.name) + " round=" + std::to_string(state.round);
    out += over_ ? " over" : computing_ ? " computing" : "";
    if (bound()) out += " bound to " + std::to_string(index_of(peers_[*partner_].id));
    describe_vector("x", state.parameters, out);
    describe_vector("u", offered_, out);
  }

  const Measures* measures() const override { return &measures_; }

  void waiting_for(const NodeState& state, std::vector<NodeId>& out) const override {
    if (over_) return;
    for (size_t i = 0; i < peers_.size(); ++i) {
      if (partner_ == i || (done(state) && !peers_[i].wants_nothing())) {
        out.push_back(peers_[i].id);
      }
    }
  }

 private:
  struct Peer {
    NodeId id{};
    uint64_t answered = 0;           // offers of it that this node has answered
    uint64_t answers = 0;            // that it has given to this node's offers
    bool crossed = false;            // one of its offers was answered since ours went out to it
    bool done = false;               // it has told so
    bool absent = false;             // the node goes on without it
    std::optional<Message> early{};  // an offer that waits for its answer to ours

    bool wants_nothing() const { return done || absent; }
  };

  bool bound() const { return partner_.has_value(); }
  bool done(const NodeState& state) const { return state.round == state.rounds && !bound(); }

  // ---- who is there ----

  // What is between the two is forgotten by both. An offer that it had is as good as one that was
  // never made: if it has moved towards it that is a move of its own.
  void leave(NodeState& state, NodeId id, std::vector<Effect>& out) {
    Peer* peer = find(id);
    if (peer == nullptr) return;
    const bool was_bound = bound() && peers_[*partner_].id == id;
    *peer = {.id = id, .absent = true};
    if (!was_bound) return;
    release();
    go_on(state, out);
  }

  void join(NodeState& state, NodeId id, std::vector<Effect>& out) {
    leave(state, id, out);  // it may have gone unseen
    Peer* peer = find(id);
    if (peer == nullptr) return;
    *peer = {.id = id};
    if (over_ || done(state)) out.push_back(Send{.to = id, .kind = kDone, .payload = {}});
  }

  Peer* find(NodeId id) {
    const auto peer = std::ranges::lower_bound(peers_, id, {}, &Peer::id);
    return peer != peers_.end() && peer->id == id ? &*peer : nullptr;
  }

  void release() {
    partner_.reset();
    offered_.reset();
  }

  // ---- rounds of its own ----

  void begin_round(NodeState& state, std::vector<Effect>& out) {
    if (state.round < state.rounds) return compute(state, out);
    tell_done(out);
  }

  // The one that was drawn, or the next one who is there; none where nobody is.
  std::optional<size_t> partner_of_round() const {
    for (size_t i = 0; i < peers_.size(); ++i) {
      const size_t candidate = (next_partner_ + i) % peers_.size();
      if (!peers_[candidate].absent) return candidate;
    }
    return std::nullopt;
  }

  void compute(NodeState& state, std::vector<Effect>& out) {
    Rng rng(state.seed, state.self, Purpose::kParticipants, state.round);
    next_partner_ = peers_.empty() ? 0 : rng.below(peers_.size());
    const uint32_t steps = draw_steps(rng);
    from_ = state.parameters;
    moves_ = 0;
    computing_ = true;
    out.push_back(Compute{.ticket = ++ticket_,
                          .first_batch = next_batch_,
                          .steps = steps,
                          .at = from_,
                          .rule = LocalRule::local_steps()});
    next_batch_ += steps;
  }

  // Geometric of mean tau: after each step it stops with probability 1 / tau.
  uint32_t draw_steps(Rng& rng) const {
    if (!rule_.random_steps) return rule_.local_steps;
    uint32_t steps = 1;
    while (steps < limits::kLocalSteps && rng.uniform() * rule_.local_steps >= 1) ++steps;
    return steps;
  }

  void finished(NodeState& state, Computed&& computed, std::vector<Effect>& out) {
    if (!computing_ || computed.ticket != ticket_) return;
    computing_ = false;
    if (!computed.finite) return end(state, Finish::Why::kDiverged, out);
    reached_ = std::move(computed.result);
    loss_ = computed.loss;
    if (!bound()) offer(state, out);
  }

  void offer(NodeState& state, std::vector<Effect>& out) {
    if (rule_.steps_first || rule_.overlap) apply_steps(state);
    if (const std::optional<size_t> partner = partner_of_round()) {
      SharedBuffer wire;
      if (!encode(state, state.parameters, wire)) return end(state, Finish::Why::kDiverged, out);
      partner_ = partner;
      offered_ = state.parameters;
      Peer& peer = peers_[*partner_];
      peer.crossed = false;
      out.push_back(Send{.to = peer.id,
                         .kind = kOffer,
                         .round = ++offers_,
                         .scalar = static_cast<double>(peer.answered),
                         .payload = std::move(wire)});
    }
    if (rule_.overlap || !bound()) end_round(state, out);
  }

  // x += T(from) - from.
  void apply_steps(NodeState& state) {
    measures_.apply(moves_);
    if (state.parameters.same_block(from_)) {
      state.parameters = std::move(reached_);
    } else {
      const Term terms[] = {
          {1.0f, state.parameters.floats()}, {1.0f, reached_.floats()}, {-1.0f, from_.floats()}};
      state.parameters = sum(state, terms);
    }
    reached_.reset();
    from_.reset();
  }

  void end_round(NodeState& state, std::vector<Effect>& out) {
    if (reached_) apply_steps(state);
    out.push_back(Report{.round = state.round, .loss = loss_, .parameters = state.parameters});
    ++state.round;
    checkpoint(*this, state, state.round - 1, {state.round, Restart::kAnyLater}, out);
    if (state.round < state.rounds || !bound()) begin_round(state, out);
  }

  void tell_done(std::vector<Effect>& out) const {
    for (const Peer& peer : peers_) {
      if (!peer.absent) out.push_back(Send{.to = peer.id, .kind = kDone, .payload = {}});
    }
  }

  void end(const NodeState& state, Finish::Why why, std::vector<Effect>& out) {
    over_ = true;
    out.push_back(Finish{why, state.round});
  }

  // ---- messages ----

  Status receive(NodeState& state, Message&& message, std::vector<Effect>& out) {
    Peer* peer = find(message.from);
    if (peer == nullptr) return Reason::kUnknownPeer;
    if (peer->absent) return Reason::kNoContract;
    if (message.kind == kDone) {
      if (message.payload) return Reason::kMalformed;
      peer->done = true;
      return {};
    }
    if (message.kind != kOffer && message.kind != kAnswer) return Reason::kMalformed;
    if (const Status status = check(*state.codec, message.payload, state.dimension, *state.pool);
        !status.ok()) {
      return status;
    }
    return message.kind == kOffer ? consider(state, *peer, std::move(message), out)
                                  : answered(state, *peer, message, out);
  }

  // Answers an offer now, or after the peer's answer to the offer of this node.
  Status consider(NodeState& state, Peer& peer, Message&& message, std::vector<Effect>& out) {
    if (peer.early) return Reason::kMalformed;  // one at a time
    const bool bound_to_it = bound() && peers_[*partner_].id == peer.id;
    // How many of its answers are on their way; -1: one has overtaken this offer.
    const double missing = message.scalar - static_cast<double>(peer.answers);
    if (missing != 0 && missing != -1 && !(missing == 1 && bound_to_it)) return Reason::kMalformed;
    if (bound_to_it && (missing == 1 || peer.crossed)) {
      peer.early = std::move(message);
      return {};
    }
    peer.crossed = bound_to_it;
    answer(state, peer, message, out);
    return {};
  }

  void answer(NodeState& state, Peer& peer, const Message& message, std::vector<Effect>& out) {
    const SharedBuffer d = move_towards(state, message.payload);
    SharedBuffer wire;
    if (!encode(state, d, wire)) return end(state, Finish::Why::kDiverged, out);
    ++peer.answered;
    add(state, 1.0f, d);
    out.push_back(Send{.to = peer.id,
                       .kind = kAnswer,
                       .round = message.round,
                       .scalar = done(state) ? 1.0 : 0.0,
                       .payload = std::move(wire)});
  }

  // d: see the head of pairwise.h.
  SharedBuffer move_towards(const NodeState& state, const Payload& u) const {
    if (!bound()) {
      const Term terms[] = {{0.5f, {}, &u}, {-0.5f, state.parameters.floats()}};
      return sum(state, terms);
    }
    const Term terms[] = {
        {0.25f, {}, &u}, {-0.5f, state.parameters.floats()}, {0.25f, offered_.floats()}};
    return sum(state, terms);
  }

  Status answered(NodeState& state, Peer& peer, const Message& message, std::vector<Effect>& out) {
    if (!bound() || peers_[*partner_].id != peer.id || message.round != offers_) {
      return Reason::kStale;
    }
    ++peer.answers;
    if (message.scalar == 1.0) peer.done = true;
    release();
    add(state, -1.0f, floats_of_answer(state, message.payload));
    if (std::optional<Message> early = std::exchange(peer.early, std::nullopt)) {
      answer(state, peer, *early, out);
      if (over_) return {};
    }
    go_on(state, out);
    return {};
  }

  // After the answer.
  void go_on(NodeState& state, std::vector<Effect>& out) {
    if (state.round == state.rounds) {
      tell_done(out);
    } else if (!rule_.overlap) {
      end_round(state, out);
    } else if (reached_) {
      offer(state, out);
    }
  }

  SharedBuffer floats_of_answer(const NodeState& state, const Payload& d) const {
    const Term terms[] = {{1.0f, {}, &d}};
    return sum(state, terms);
  }

  void add(NodeState& state, float sign, const SharedBuffer& d) {
    const Term terms[] = {{1.0f, state.parameters.floats()}, {sign, d.floats()}};
    state.parameters = sum(state, terms);
    ++moves_;
  }

  bool encode(const NodeState& state, const SharedBuffer& x, SharedBuffer& wire) {
    Rng rng(state.seed, state.self, Purpose::kCodec, coded_++);
    return compressor_.encode(x, 1.0f, rng, *state.pool, wire).ok();
  }

  static SharedBuffer sum(const NodeState& state, std::span<const Term> terms) {
    Buffer y = state.pool->acquire_floats(state.dimension);
    weighted_sum(*state.codec, terms, y.floats(), *state.pool);
    return std::move(y).freeze();
  }

  const PairwiseRule rule_;
  Compressor compressor_;
  std::vector<Peer> peers_;        // neighbours, sorted
  std::optional<size_t> partner_;  // to whose answer this node is bound
  size_t next_partner_ = 0;
  SharedBuffer offered_;  // u of the offer out
  SharedBuffer from_;     // where the steps of the round under way began
  SharedBuffer reached_;  // where they ended, until x has moved by them
  double loss_ = 0;       // of the last steps
  bool computing_ = false;
  bool over_ = false;
  uint64_t ticket_ = 0;      // of the last Compute
  uint64_t next_batch_ = 0;  // of this node
  uint64_t offers_ = 0;      // of this node
  uint64_t coded_ = 0;       // vectors
  uint64_t moves_ = 0;       // of x by exchanges since the steps began
  Measures measures_;
};

}  // namespace

std::unique_ptr<Algorithm> make_pairwise(const NodeState& state, const PairwiseRule& rule) {
  return std::make_unique<Pairwise>(state, rule);
}

OptionSpec option_overlap() {
  return {"overlap", OptionSpec::Type::kFlag, false,
          "begin the next steps when a model is offered, not when the answer is there"};
}

}  // namespace kith
