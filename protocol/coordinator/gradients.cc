#include "protocol/coordinator/gradients.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "protocol/aggregator.h"
#include "protocol/checkpoint.h"
#include "protocol/compressor.h"
#include "protocol/coordinator/downlink.h"
#include "protocol/describe.h"
#include "protocol/limits.h"
#include "protocol/theory/error.h"
#include "protocol/weighted_sum.h"
#include "topology/assert.h"

namespace kith {

namespace {

constexpr uint16_t kGradient = 1;  // to the hub; round = that of the model it was taken at
constexpr uint16_t kModel = 2 | kSupersedes;  // from the hub; round = updates that it has seen
constexpr uint16_t kDifference = 3;           // from the hub instead of kModel: see downlink.h

// A gradient on its way into an update.
struct Contribution {
  NodeId from{};
  Round at = 0;
  double loss = 0;
  Payload payload;
};

// What the hub knows of a node.
struct Peer {
  bool working = true;  // has a model whose gradient has not come
  Round holds = 0;      // the last model that it was given
  uint64_t given = 0;   // gradients that came from it
};

class GradientCoordinator final : public Algorithm {
 public:
  GradientCoordinator(const NodeState& state, const GradientRule& rule)
      : rule_(rule),
        compressor_(*state.codec, state.memory),
        downlink_(state),
        optimizer_(*state.optimizer),
        aggregator_(state) {
    if (state.self == kHub) peers_.resize(state.nodes);
    k_ = rule_.k;
    measures_.waits_for = k_;
    next_review_ = Time{} + rule_.review_every;
  }

  Status step(NodeState& state, Event&& event, std::vector<Effect>& out) override {
    if (over_) return {};
    if (std::holds_alternative<Start>(event)) begin_work(state, out);
    if (std::holds_alternative<Resume>(event)) resume(state, out);
    if (auto* computed = std::get_if<Computed>(&event)) finished(state, std::move(*computed), out);
    if (auto* received = std::get_if<Received>(&event)) {
      Message& message = received->message;
      return state.self == kHub ? collect(state, std::move(message), out)
                                : adopt(state, message, out);
    }
    return {};
  }

  void persist(Archive& archive) override {
    archive.number("next_batch", next_batch_);
    archive.number("contributed", contributed_);
    archive.number("encoded_rate", encoded_rate_);
    archive.part("compressor", compressor_);
    archive.part("downlink", downlink_);
    if (peers_.empty()) return;
    archive.part("measures", measures_);
    archive.part("optimizer", optimizer_);
    archive.vector("estimate", estimate_);
    if (aggregator_.on()) archive.part("aggregator", aggregator_);
    archive.number("k", k_);
    archive.number("loss", loss_);
    archive.number("first_loss", first_loss_);
    archive.number("next_review", next_review_);
    std::vector<uint64_t> given;
    for (const Peer& peer : peers_) given.push_back(peer.given);
    archive.numbers("given", given);
    for (size_t i = 0; i < peers_.size(); ++i) peers_[i].given = given[i];
    if (k_ < 1 || k_ > std::max<size_t>(rule_.k, peers_.size())) archive.refuse();
  }

  void describe(const NodeState& state, std::string& out) const override {
    out += std::string(rule_.name) + " round=" + std::to_string(state.round);
    out += over_ ? " over" : computing_ ? " computing" : " waiting";
    if (state.self == kHub) out += " gathered=" + std::to_string(gathered_.size());
    describe_vector("x", state.parameters, out);
    describe_vector("e", compressor_.memory(), out);
  }

  const Measures* measures() const override { return &measures_; }

  void waiting_for(const NodeState& state, std::vector<NodeId>& out) const override {
    if (over_) return;
    if (state.self != kHub) {
      // A node that always computes would never ask for a model that got lost.
      if (!computing_ || rule_.keep_drawing) out.push_back(kHub);
      return;
    }
    for (uint32_t i = 1; i < peers_.size(); ++i) {
      if (peers_[i].working) out.push_back(NodeId{i});
    }
  }

 private:
  // ---- every node: gradients ----

  // The hub tells its model again; the others wait for it.
  void resume(const NodeState& state, std::vector<Effect>& out) {
    if (state.self != kHub) return;
    if (downlink_.on()) return hand_out_coded(state, out);
    for (uint32_t i = 0; i < peers_.size(); ++i) give(state, NodeId{i}, out);
  }

  float rate(const NodeState& state, Round round) const {
    return state.optimizer->rate_at(round, state.rounds);
  }

  void begin_work(const NodeState& state, std::vector<Effect>& out) {
    computing_ = true;
    at_ = state.round;
    out.push_back(Compute{
        .ticket = ++ticket_, .first_batch = next_batch_++, .at = shared(state), .rule = {}});
  }

  void give_up_work(std::vector<Effect>& out) {
    if (!computing_) return;
    computing_ = false;
    out.push_back(Cancel{ticket_});
  }

  void finished(NodeState& state, Computed&& computed, std::vector<Effect>& out) {
    if (!computing_ || computed.ticket != ticket_) return;
    computing_ = false;
    SharedBuffer wire;
    if (!computed.finite || !encode(state, computed.result, wire)) {
      over_ = true;
      out.push_back(Finish{Finish::Why::kDiverged, state.round});
      return;
    }
    if (state.self == kHub) {
      gather(state, {kHub, at_, computed.loss, std::move(wire)}, out);
    } else {
      out.push_back(Send{.to = kHub,
                         .kind = kGradient,
                         .round = at_,
                         .scalar = computed.loss,
                         .payload = std::move(wire)});
      const Round done = at_ + 1;
      checkpoint(*this, state, std::exchange(contributed_, done), restart(state, done), out);
    }
    if (rule_.keep_drawing && !computing_ && !over_) begin_work(state, out);
  }

  // So that every node has contributed to every round, and its state belongs to just one.
  bool waits_for_all(const NodeState& state) const {
    return rule_.pull == Pull::kAllAtUpdate && !rule_.keep_drawing && rule_.k == state.nodes;
  }

  Restart restart(const NodeState& state, Round round) const {
    return {round, waits_for_all(state) ? round : Restart::kAnyLater};
  }

  bool encode(const NodeState& state, const SharedBuffer& gradient, SharedBuffer& wire) {
    const float now = rate(state, at_);
    const float memory_scale = now > 0 && encoded_rate_ > 0 ? encoded_rate_ / now : 1.0f;
    encoded_rate_ = now;
    Rng rng(state.seed, state.self, Purpose::kCodec, next_batch_ - 1);
    compressor_.use(codec_of(state, at_));
    return compressor_.encode(gradient, memory_scale, rng, *state.pool, wire).ok();
  }

  Status adopt(NodeState& state, const Message& message, std::vector<Effect>& out) {
    if (message.from != kHub) return Reason::kUnknownPeer;
    if (message.round > state.rounds) return Reason::kMalformed;
    if (downlink_.on() && message.round < state.rounds) return follow(state, message, out);
    if (message.kind != kModel || message.payload.size() != state.dimension * sizeof(float)) {
      return Reason::kMalformed;
    }
    // K-batch-async gives the same model again where no update has come between.
    if (message.round < state.round) return Reason::kStale;
    if (message.round == state.round && computing_) return Reason::kDuplicate;
    give_up_work(out);
    state.round = message.round;
    state.parameters = floats_of(message.payload, *state.pool);
    state.round == state.rounds ? finish(state, out) : begin_work(state, out);
    return {};
  }

  Status follow(NodeState& state, const Message& message, std::vector<Effect>& out) {
    if (message.kind != kDifference) return Reason::kMalformed;
    if (message.round <= state.round) return Reason::kStale;
    if (message.round > state.round + 1 || computing_) return Reason::kMalformed;
    if (const Status status = downlink_.receive(state, message.payload); !status.ok())
      return status;
    state.round = message.round;
    begin_work(state, out);
    return {};
  }

  void finish(const NodeState& state, std::vector<Effect>& out) {
    over_ = true;
    out.push_back(Finish{Finish::Why::kDone, state.round});
  }

  // The model as all nodes have it.
  const SharedBuffer& shared(const NodeState& state) const {
    return state.self == kHub && downlink_.on() ? downlink_.copy() : state.parameters;
  }

  // ---- the hub ----

  Status collect(NodeState& state, Message&& message, std::vector<Effect>& out) {
    if (message.kind != kGradient) return Reason::kMalformed;
    if (!std::isfinite(message.scalar)) return Reason::kNotFinite;
    const Status status = aggregator_.admit(codec_of(state, message.round), state, message);
    if (!status.ok() && status.reason() != Reason::kLeftOut) return status;
    const Peer& peer = peers_[index_of(message.from)];
    if (message.round < peer.holds) {
      // Sent before the model that cancelled it had come; one that idles has nothing of the kind.
      if (rule_.pull != Pull::kAllAtUpdate) return Reason::kMalformed;
      ++measures_.late;
      return {};
    }
    if (message.round > peer.holds) return Reason::kMalformed;
    if (!peer.working) return Reason::kDuplicate;
    gather(state, {message.from, message.round, message.scalar, std::move(message.payload)}, out);
    return status;
  }

  void gather(NodeState& state, Contribution&& contribution, std::vector<Effect>& out) {
    const NodeId from = contribution.from;
    Peer& peer = peers_[index_of(from)];
    peer.working = rule_.keep_drawing;
    ++peer.given;
    const auto place = std::ranges::upper_bound(gathered_, from, {}, &Contribution::from);
    gathered_.insert(place, std::move(contribution));
    const bool complete = gathered_.size() >= k_;
    if (complete) {
      update(state, out);
      if (over_) return;
      checkpoint(*this, state, state.round - 1, restart(state, state.round), out);
      hand_out(state, out);
      gathered_.clear();
    }
    if (rule_.pull == Pull::kAtArrival) give(state, from, out);
  }

  // What nodes send is the difference to what they have sent before: the hub sums it up.
  static bool estimates(const NodeState& state) {
    return state.memory.kind == MemoryKind::kEf21 && !state.codec->lossless();
  }

  // x+ = x - eta opt(mean), in NodeId order.
  void update(NodeState& state, std::vector<Effect>& out) {
    const float share = 1.0f / static_cast<float>(gathered_.size());
    double loss = 0;
    terms_.clear();
    if (estimate_) terms_.push_back({1.0f, estimate_.floats()});
    for (const Contribution& contribution : gathered_) {
      const uint64_t staleness = state.round - contribution.at;
      measures_.apply(staleness);
      loss += contribution.loss / static_cast<double>(gathered_.size());
      smooth(contribution.loss);
      const float scale =
          rule_.scale_by_staleness ? share / static_cast<float>(1 + staleness) : share;
      terms_.push_back({scale, {}, &contribution.payload, contribution.from});
    }
    const SharedBuffer g = brought_together(state);
    if (estimates(state)) estimate_ = g;
    Buffer next = state.pool->acquire_floats(state.dimension);
    optimizer_.step(rate(state, state.round), state.parameters.floats(), g.floats(), next.floats());
    state.parameters = std::move(next).freeze();
    out.push_back(Report{.round = state.round, .loss = loss, .parameters = state.parameters});
    ++state.round;
    if (state.round == state.rounds) return end(state, out);
    if (rule_.adaptive != AdaptiveK::kFixed && state.now >= next_review_) review(state);
  }

  // The sum of terms_, or what a rule of [aggregate] makes of them.
  SharedBuffer brought_together(const NodeState& state) {
    const Codec& codec = codec_of(state, state.round);
    if (aggregator_.on()) return aggregator_.combine(codec, state, terms_, {});
    Buffer sum = state.pool->acquire_floats(state.dimension);
    weighted_sum(codec, terms_, sum.floats(), *state.pool);
    return std::move(sum).freeze();
  }

  // Mean of the first N gradients, then a moving average over about as many.
  void smooth(double loss) {
    const auto n = static_cast<double>(std::min<uint64_t>(measures_.applied, peers_.size()));
    loss_ += (loss - loss_) / n;
    if (measures_.applied <= peers_.size()) first_loss_ = loss_;
  }

  void review(const NodeState& state) {
    while (next_review_ <= state.now) next_review_ += rule_.review_every;
    const double ratio = first_loss_ > 0 ? loss_ / first_loss_ : 1;
    const uint32_t wanted = rule_.adaptive == AdaptiveK::kBatch
                                ? adasync_batch(rule_.k, state.nodes, ratio)
                                : adasync_harmonic(rule_.k, state.nodes, ratio);
    k_ = std::max(k_, wanted);
    measures_.waits_for = k_;
  }

  void end(const NodeState& state, std::vector<Effect>& out) {
    give_up_work(out);
    for (uint32_t i = 1; i < peers_.size(); ++i) send_model(state, NodeId{i}, out);
    finish(state, out);
  }

  // After an update: to whom the rule gives the new model.
  void hand_out(const NodeState& state, std::vector<Effect>& out) {
    if (downlink_.on()) return hand_out_coded(state, out);
    switch (rule_.pull) {
      case Pull::kAllAtUpdate:
        for (uint32_t i = 0; i < peers_.size(); ++i) give(state, NodeId{i}, out);
        return;
      case Pull::kSendersAtUpdate:
        for (const Contribution& contribution : gathered_) give(state, contribution.from, out);
        return;
      case Pull::kAtArrival: return;  // gather() does
      case Pull::kBounded: give_within_bound(state, out); return;
    }
  }

  void hand_out_coded(const NodeState& state, std::vector<Effect>& out) {
    SharedBuffer news;
    if (!downlink_.encode(state, news)) {
      over_ = true;
      out.push_back(Finish{Finish::Why::kDiverged, state.round});
      return;
    }
    for (uint32_t i = 0; i < peers_.size(); ++i) {
      peers_[i].working = true;
      peers_[i].holds = state.round;
      if (NodeId{i} == kHub) continue;
      out.push_back(
          Send{.to = NodeId{i}, .kind = kDifference, .round = state.round, .payload = news});
    }
    begin_work(state, out);
  }

  void give_within_bound(const NodeState& state, std::vector<Effect>& out) {
    const uint64_t slowest = std::ranges::min(peers_, {}, &Peer::given).given;
    for (uint32_t i = 0; i < peers_.size(); ++i) {
      if (!peers_[i].working && peers_[i].given <= slowest + rule_.lead) {
        give(state, NodeId{i}, out);
      }
    }
  }

  void give(const NodeState& state, NodeId to, std::vector<Effect>& out) {
    Peer& peer = peers_[index_of(to)];
    peer.working = true;
    peer.holds = state.round;
    if (to != kHub) return send_model(state, to, out);
    give_up_work(out);
    begin_work(state, out);
  }

  void send_model(const NodeState& state, NodeId to, std::vector<Effect>& out) {
    out.push_back(
        Send{.to = to, .kind = kModel, .round = state.round, .payload = state.parameters});
  }

  const GradientRule rule_;
  Compressor compressor_;
  Downlink downlink_;
  float encoded_rate_ = 0;   // that the memory of the compressor is scaled by; 0 = none yet
  uint64_t ticket_ = 0;      // of the last work
  uint64_t next_batch_ = 0;  // of this node
  Round at_ = 0;             // of the model that the work under way is at
  Round contributed_ = 0;    // one beyond the model that the last gradient sent was taken at
  bool computing_ = false;
  bool over_ = false;
  Measures measures_;

  // Of the hub.
  uint32_t k_ = 1;         // gradients of an update, now
  double loss_ = 0;        // smoothed
  double first_loss_ = 0;  // at the start
  Time next_review_{};
  Optimizer optimizer_;
  Aggregator aggregator_;
  SharedBuffer estimate_;    // of the mean gradient, where nodes send differences; else empty
  std::vector<Peer> peers_;  // by NodeId, itself included
  std::vector<Contribution> gathered_;  // by NodeId, then by arrival
  std::vector<Term> terms_;             // scratch, kept for its capacity
};

}  // namespace

std::unique_ptr<Algorithm> make_gradient_coordinator(const NodeState& state,
                                                     const GradientRule& rule) {
  return std::make_unique<GradientCoordinator>(state, rule);
}

OptionSpec option_k() {
  return {"k", OptionSpec::Type::kInteger,         int64_t{1}, "K: gradients of one update",
          1,   static_cast<double>(limits::kNodes)};
}

OptionSpec option_staleness_aware() {
  return {"staleness_aware", OptionSpec::Type::kFlag, false,
          "a gradient that is s updates old counts 1 / (1 + s)"};
}

OptionSpec option_adasync() {
  return {"adasync", OptionSpec::Type::kFlag, false,
          "let K rise from k to the number of nodes as the training loss falls"};
}

double batches_of_k(const Options& options, uint32_t nodes) {
  return static_cast<double>(options.integer("k")) / nodes;
}

double batch_of_one(const Options&, uint32_t nodes) { return 1.0 / nodes; }

std::optional<RunTime> run_time_of_k(const Options& options, const ClusterTiming& cluster,
                                     RunTime (*law)(const ClusterTiming&, uint32_t k)) {
  if (options.flag("adasync")) return std::nullopt;
  return law(cluster, static_cast<uint32_t>(options.integer("k")));
}

GradientRule with_k(GradientRule rule, const Options& options, AdaptiveK law) {
  rule.k = static_cast<uint32_t>(options.integer("k"));
  if (options.flag("adasync")) rule.adaptive = law;
  rule.review_every = from_seconds(options.number("adapt_every"));
  return rule;
}

void check_k(const Setting& setting) {
  const int64_t k = setting.options.integer("k");
  if (k <= setting.nodes) return;
  throw OperatorError("algorithm.k is " + std::to_string(k) + ", but there are " +
                      std::to_string(setting.nodes) + " nodes: it must be between 1 and " +
                      std::to_string(setting.nodes));
}

}  // namespace kith
