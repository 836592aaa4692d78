// Event-triggered SGD (EventGraD: Ghosh, Aquino, Gupta 2022): D-PSGD whose nodes send their model
// only when it has moved far enough from what they have sent last; till then a header alone.
//
//   a_i = the vector of this round, as in D-PSGD: T(x_i) (atc) or x_i (cta)
//   sent where |a_i - h_i| >= threshold:  h_i = a_i, which all its neighbours hold
//   models:       x_i+ = a_i + gamma (sum_{j != i} w_ij h_j - (1 - w_ii) a_i)         EventGraD
//   differences:  x_i+ = a_i + gamma  sum_{j != i} w_ij (h_j - h_i)                   SPARQ-SGD
// (cta: + T(x_i) - x_i), where all h begin as x_0. SPARQ-SGD is of Singh, Data, George, Diggavi
// 2021, here with codecs that lose nothing. The threshold is a constant, or follows how fast the
// model moves:
//   threshold <- horizon * threshold                                        every round
//   threshold <- mean of |a_i - h_i| / rounds since the last event          at an event, over two
// so that with a horizon below 1 whoever has been silent for long speaks up. In the first `warm_up`
// rounds all is sent. A horizon or threshold of 0, with gamma = 1, is D-PSGD, bit for bit.
//
// Models: an old h_j pulls back, which slows what all have in common. Differences: only steps move
// the average, and where data differ the pull that a node goes on feeling is what holds its own
// steps in balance; on two classes a node half the messages cost nothing (tests/bench/gossip). But
// it goes on in the same direction till it has moved by the threshold: one that grows with its pace
// lets nodes part for good, so that differences want a constant.
//
// The paper watches each tensor by itself, and the difference of norms in place of the norm of the
// difference, which lets a vector turn unseen.
//
// A neighbour that joins is told h_i as it is.
//
// Keeps: x, v, h_i, and the last message of each neighbour. Sends: one vector or one header to
// every neighbour, once a round. Waits: for its neighbours. Needs: W doubly stochastic, the same in
// every round; a codec that loses nothing. Invariants: |a_i - h_i| < threshold past the first
// rounds, so that with models neighbours move the average of x by less than
// sum_i (1 - w_ii) threshold_i / N a round, and with differences not at all; the rest is the
// steps'. Measures: messages sent and spared, and the bytes that those would have been.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "protocol/compressor.h"
#include "protocol/describe.h"
#include "protocol/gossip/lockstep.h"
#include "protocol/kernels.h"
#include "protocol/weighted_sum.h"

namespace kith {

namespace {

// When to send.
class Trigger {
 public:
  explicit Trigger(const Options& options)
      : constant_(options.number("threshold")),
        horizon_(options.number("horizon")),
        warm_up_(static_cast<Round>(options.integer("warm_up"))),
        threshold_(constant_) {}

  // Once a round. `moved`: |a - h|.
  bool fires(double moved, Round round) {
    if (constant_ == 0) threshold_ *= horizon_;
    return round < warm_up_ || moved >= threshold_;
  }

  void fired(double moved, Round round) {
    const double pace = moved / static_cast<double>(round + 1 - next_);
    if (constant_ == 0) threshold_ = (last_pace_ + pace) / 2;
    last_pace_ = pace;
    next_ = round + 1;
  }

  double threshold() const { return threshold_; }

  void persist(Archive& archive) {
    archive.number("threshold", threshold_);
    archive.number("last_pace", last_pace_);
    archive.number("next", next_);
  }

 private:
  const double constant_;  // 0 = adaptive
  const double horizon_;   // what is left of an adaptive threshold after a round
  const Round warm_up_;
  double threshold_;
  double last_pace_ = 0;  // of the event before
  Round next_ = 0;        // one beyond the round of the last event
};

class EventGrad final : public LockstepGossip {
 public:
  EventGrad(const NodeState& state, const Options& options)
      : LockstepGossip({.name = "eventgrad",
                        .sends = sends_of(options),
                        .local_steps = static_cast<uint32_t>(options.integer("local_steps")),
                        .introduces = 1}),
        differences_(options.text("mixes") == "differences"),
        gamma_(static_cast<float>(options.number("gamma"))),
        trigger_(options),
        compressor_(*state.codec, {}),
        initial_(state.parameters),
        own_(state.parameters),
        pool_(state.pool) {
    state.mixing->graph().in(state.self, 0, peers_);
    copies_.resize(peers_.size());
  }

  const Measures* measures() const override { return &measures_; }

  void persist(Archive& archive) override {
    archive.part("trigger", trigger_);
    archive.part("measures", measures_);
    archive.vector("initial", initial_);
    archive.vector("own", own_);
    archive.number("last_bytes", last_bytes_);
    for (size_t i = 0; i < copies_.size(); ++i) {
      SharedBuffer wire = copies_[i].sent.contiguous(*pool_);
      archive.bytes("copy." + std::to_string(i), wire);
      copies_[i].sent = wire;
      archive.vector("told." + std::to_string(i), copies_[i].told);
    }
    persist_absent(archive);
    if (!initial_ || !own_) archive.refuse();
  }

 private:
  bool encode(NodeState& state, const SharedBuffer& a, Wires wires) override {
    SharedBuffer& wire = wires[0];
    const size_t hearing = hearers(state).size();
    const double moved = std::sqrt(kernels::squared_distance(a.floats(), own_.floats()));
    if (!trigger_.fires(moved, state.round)) {
      wire.reset();
      measures_.spared += hearing;
      measures_.spared_bytes += hearing * last_bytes_;
      return std::isfinite(moved);
    }
    Rng rng(state.seed, state.self, Purpose::kCodec, state.round);
    if (!compressor_.encode(a, 1.0f, rng, *state.pool, wire).ok()) return false;
    trigger_.fired(moved, state.round);
    own_ = a;
    last_bytes_ = wire.size();
    measures_.sent += hearing;
    return true;
  }

  Status check_message(const NodeState& state, Message& message) const override {
    if (message.payload.size() == 0) return {};
    return LockstepGossip::check_message(state, message);
  }

  SharedBuffer combine(NodeState& state, const Exchange& exchange) override {
    const std::span<const Message> messages = exchange.vectors[0].messages;
    for (const Message& message : messages) {
      if (message.payload) copy_of(message.from) = {.sent = message.payload, .told = {}};
    }
    collect_terms(state, exchange);
    Buffer next = state.pool->acquire_floats(state.dimension);
    weighted_sum(*state.codec, terms_, next.floats(), *state.pool);
    return std::move(next).freeze();
  }

  void describe_memory(std::string& out) const override {
    describe_vector("h", own_, out);
    char text[40];
    std::snprintf(text, sizeof text, " threshold=%.6g", trigger_.threshold());
    out += text;
  }

  // As D-PSGD adds them. What has just been sent is h_i, its own block.
  void collect_terms(const NodeState& state, const Exchange& exchange) {
    terms_.clear();
    const float leaves = gamma_ * (1.0f - exchange.row.self);
    if (differences_ && !own_.same_block(exchange.computed)) {
      terms_.push_back({-leaves, own_.floats()});
      terms_.push_back({1.0f, exchange.computed.floats()});
    } else {
      append_own(state, exchange.computed, leaves, terms_);
    }
    for (const Neighbor& neighbor : exchange.row.neighbors) {
      const Copy& copy = copy_of(neighbor.peer);
      Term term{.scale = gamma_ * neighbor.weight, .from = neighbor.peer};
      if (copy.sent) {
        term.payload = &copy.sent;
      } else {
        term.values = copy.told ? copy.told.floats() : initial_.floats();
      }
      terms_.push_back(term);
    }
  }

  void start(NodeState& state) override { own_ = state.parameters; }

  void introduce(const NodeState&, Wires vectors) override { vectors[0] = own_; }

  void introduced(const NodeState&, NodeId peer, Wires vectors) override {
    copy_of(peer) = {.sent = {}, .told = std::move(vectors[0])};
  }

  // h_j, as it came; x_0 where nothing has come yet.
  struct Copy {
    Payload sent;
    SharedBuffer told;  // when it joined
  };

  Copy& copy_of(NodeId peer) {
    return copies_[static_cast<size_t>(std::ranges::lower_bound(peers_, peer) - peers_.begin())];
  }

  const bool differences_;
  const float gamma_;
  Trigger trigger_;
  Compressor compressor_;
  SharedBuffer initial_;       // x_0: h of those who have not sent yet
  SharedBuffer own_;           // h_i
  std::vector<NodeId> peers_;  // who is heard, sorted
  std::vector<Copy> copies_;   // of each of these
  uint64_t last_bytes_ = 0;    // of the last payload
  Pool* pool_;
  Measures measures_;
  std::vector<Term> terms_;  // scratch, kept for its capacity
};

}  // namespace

extern const AlgorithmInfo eventgrad_algorithm;
const AlgorithmInfo eventgrad_algorithm = {
    .name = "eventgrad",
    .help = "event-triggered SGD: D-PSGD that sends a model only when it has moved far enough",
    .needs = {.doubly_stochastic = true, .fixed = true, .lossless = true},
    .options =
        {option_gossip_order(),
         option_gossip_steps(),
         {"horizon", OptionSpec::Type::kNumber, 0.9,
          "adaptive threshold: the part of it that is left after each round; 0 = always send", 0,
          1},
         {"threshold", OptionSpec::Type::kNumber, 0.0,
          "constant threshold on the move since the last event; 0 = the adaptive one", 0},
         {"mixes",
          OptionSpec::Type::kText,
          std::string("models"),
          "models: the own one with those heard last; differences: what was sent last, on both "
          "sides, which keeps the average and wants a constant threshold",
          0,
          0,
          {"models", "differences"}},
         {"gamma", OptionSpec::Type::kNumber, 1.0, "how far to go towards the neighbours", 0, 1},
         {"warm_up", OptionSpec::Type::kInteger, int64_t{30},
          "first rounds in which everything is sent", 0}},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return std::make_unique<EventGrad>(state, options);
    },
    .batches_per_round = batches_of_gossip,
    .goes_on = GoesOn::kAnyGraph,
    .cancels = false,
    .messages_per_round = 2,  // with an introduction
    .run_time = gossip_run_time,
};

}  // namespace kith
