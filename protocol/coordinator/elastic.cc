#include "protocol/coordinator/elastic.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <utility>

#include "protocol/checkpoint.h"
#include "protocol/compressor.h"
#include "protocol/describe.h"
#include "protocol/kernels.h"
#include "protocol/weighted_sum.h"
#include "topology/assert.h"

namespace kith {

namespace {

std::string short_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

constexpr uint16_t kDisplacement = 1;  // to the hub; round = that of the centre it is against
// From the hub; round = exchanges that it has seen. The centre before the answered exchange, or,
// when all rounds are over, at the end.
constexpr uint16_t kCentre = 2;

class Elastic final : public Algorithm {
 public:
  Elastic(const NodeState& state, const ElasticRule& rule)
      : rule_(rule),
        alpha_(static_cast<float>(rule.alpha)),
        compressor_(*state.codec, {}),
        last_(state.parameters) {
    if (state.self == kHub) peers_.resize(state.nodes, {0, state.parameters});
    measures_.local_steps = rule.local_steps;
  }

  Status step(NodeState& state, Event&& event, std::vector<Effect>& out) override {
    if (over_) return {};
    if (std::holds_alternative<Start>(event)) compute(state.parameters, out);
    if (std::holds_alternative<Resume>(event)) resume(state, out);
    if (auto* computed = std::get_if<Computed>(&event)) finished(state, std::move(*computed), out);
    if (auto* received = std::get_if<Received>(&event)) {
      return state.self == kHub ? collect(state, received->message, out)
                                : adopt(state, received->message, out);
    }
    return {};
  }

  void persist(Archive& archive) override {
    archive.number("next_batch", next_batch_);
    archive.number("contributed", contributed_);
    archive.part("measures", measures_);
  }

  void describe(const NodeState& state, std::string& out) const override {
    out += std::string(rule_.name) + " round=" + std::to_string(state.round);
    out += over_ ? " over" : computing_ ? " computing" : " waiting";
    describe_vector("z", state.parameters, out);
    describe_vector("x", x_, out);
  }

  const Measures* measures() const override { return &measures_; }

  void waiting_for(const NodeState& state, std::vector<NodeId>& out) const override {
    if (over_) return;
    if (state.self != kHub) {
      if (!computing_) out.push_back(kHub);
      return;
    }
    for (uint32_t i = 1; i < peers_.size(); ++i) out.push_back(NodeId{i});
  }

 private:
  // What the hub knows of a node: the last centre that it was given.
  struct Peer {
    Round holds = 0;
    SharedBuffer centre;
  };

  // All begin at the centre: how far each node was from it when the run broke off is lost.
  void resume(NodeState& state, std::vector<Effect>& out) {
    if (state.self != kHub) {
      state.round = 0;
      awaits_centre_ = true;
      return;
    }
    last_ = state.parameters;
    for (uint32_t i = 0; i < peers_.size(); ++i) {
      peers_[i] = {state.round, state.parameters};
      if (i > 0) send_centre(state, NodeId{i}, state.parameters, out);
    }
    compute(state.parameters, out);
  }

  void compute(SharedBuffer x, std::vector<Effect>& out) {
    computing_ = true;
    x_ = std::move(x);
    out.push_back(Compute{.ticket = ++ticket_,
                          .first_batch = next_batch_,
                          .steps = rule_.local_steps,
                          .at = x_,
                          .rule = LocalRule::local_steps()});
    next_batch_ += rule_.local_steps;
  }

  void finished(NodeState& state, Computed&& computed, std::vector<Effect>& out) {
    if (!computing_ || computed.ticket != ticket_) return;
    computing_ = false;
    Buffer d = state.pool->acquire_floats(state.dimension);
    kernels::subtract(last_.floats(), computed.result.floats(), d.floats());
    Rng rng(state.seed, state.self, Purpose::kCodec, next_batch_);
    SharedBuffer wire;
    if (!computed.finite ||
        !compressor_.encode(std::move(d).freeze(), 1.0f, rng, *state.pool, wire).ok()) {
      return end(state, Finish::Why::kDiverged, out);
    }
    x_ = std::move(computed.result);
    sent_ = wire;
    if (state.self == kHub) {
      const SharedBuffer centre = state.parameters;
      exchange(state, kHub, computed.loss, sent_, out);
      if (!over_) spring(state, centre, out);
    } else {
      out.push_back(Send{.to = kHub,
                         .kind = kDisplacement,
                         .round = state.round,
                         .scalar = computed.loss,
                         .payload = std::move(wire)});
      const Round done = state.round + 1;
      checkpoint(*this, state, std::exchange(contributed_, done), {done, Restart::kAnyLater}, out);
    }
  }

  // x+ = y - alpha (last - q - z), and on from there; z is the last centre from now on.
  void spring(const NodeState& state, const SharedBuffer& centre, std::vector<Effect>& out) {
    const Payload sent = sent_;
    const Term terms[] = {{1.0f, x_.floats(), nullptr},
                          {-alpha_, last_.floats(), nullptr},
                          {alpha_, {}, &sent},
                          {alpha_, centre.floats(), nullptr}};
    Buffer x = state.pool->acquire_floats(state.dimension);
    weighted_sum(*state.codec, terms, x.floats(), *state.pool);
    last_ = centre;
    compute(std::move(x).freeze(), out);
  }

  Status adopt(NodeState& state, const Message& message, std::vector<Effect>& out) {
    if (message.from != kHub) return Reason::kUnknownPeer;
    if (message.kind != kCentre || message.round > state.rounds ||
        message.payload.size() != state.dimension * sizeof(float)) {
      return Reason::kMalformed;
    }
    if (message.round <= state.round) return Reason::kStale;
    const bool last = message.round == state.rounds;
    if (computing_ && !last) return Reason::kMalformed;  // an answer to nothing
    state.round = message.round;
    state.parameters = floats_of(message.payload, *state.pool);
    if (last) {
      end(state, Finish::Why::kDone, out);
    } else if (std::exchange(awaits_centre_, false)) {
      last_ = state.parameters;
      compute(last_, out);
    } else {
      spring(state, state.parameters, out);
    }
    return {};
  }

  void end(const NodeState& state, Finish::Why why, std::vector<Effect>& out) {
    over_ = true;
    out.push_back(Finish{why, state.round});
  }

  // ---- the hub ----

  Status collect(NodeState& state, const Message& message, std::vector<Effect>& out) {
    if (message.kind != kDisplacement) return Reason::kMalformed;
    if (!std::isfinite(message.scalar)) return Reason::kNotFinite;
    const Round holds = peers_[index_of(message.from)].holds;
    if (message.round < holds) return Reason::kStale;
    if (message.round > holds) return Reason::kTooEarly;
    if (const Status status = check(*state.codec, message.payload, state.dimension, *state.pool);
        !status.ok()) {
      return status;
    }
    exchange(state, message.from, message.scalar, message.payload, out);
    return {};
  }

  // z+ = z + alpha (last - q - z), and z to the node.
  void exchange(NodeState& state, NodeId from, double loss, const Payload& payload,
                std::vector<Effect>& out) {
    Peer& peer = peers_[index_of(from)];
    measures_.apply(state.round - peer.holds);
    const SharedBuffer centre = state.parameters;
    const Term terms[] = {{-alpha_, {}, &payload},
                          {alpha_, peer.centre.floats(), nullptr},
                          {1 - alpha_, centre.floats(), nullptr}};
    Buffer next = state.pool->acquire_floats(state.dimension);
    weighted_sum(*state.codec, terms, next.floats(), *state.pool);
    if (!kernels::all_finite(next.floats())) return end(state, Finish::Why::kDiverged, out);
    state.parameters = std::move(next).freeze();
    out.push_back(Report{.round = state.round, .loss = loss, .parameters = state.parameters});
    ++state.round;
    peer = {state.round, centre};
    checkpoint(*this, state, state.round - 1, {state.round, Restart::kAnyLater}, out);
    if (state.round == state.rounds) {
      for (uint32_t i = 1; i < peers_.size(); ++i) {
        send_centre(state, NodeId{i}, state.parameters, out);
      }
      end(state, Finish::Why::kDone, out);
    } else if (from != kHub) {
      send_centre(state, from, centre, out);
    }
  }

  static void send_centre(const NodeState& state, NodeId to, const SharedBuffer& centre,
                          std::vector<Effect>& out) {
    out.push_back(Send{.to = to, .kind = kCentre, .round = state.round, .payload = centre});
  }

  const ElasticRule rule_;
  const float alpha_;
  Compressor compressor_;
  SharedBuffer x_;     // where the local steps began, or ended while the answer is awaited
  SharedBuffer last_;  // the centre that this node had last
  SharedBuffer sent_;  // q of the exchange under way
  bool computing_ = false;
  bool awaits_centre_ = false;  // after Resume, until the hub has told it
  bool over_ = false;
  uint64_t ticket_ = 0;      // of the last Compute
  uint64_t next_batch_ = 0;  // of this node
  Round contributed_ = 0;    // one beyond the centre that the last displacement was against
  Measures measures_;
  std::vector<Peer> peers_;  // of the hub, by NodeId, itself included
};

}  // namespace

std::unique_ptr<Algorithm> make_elastic(const NodeState& state, const ElasticRule& rule) {
  return std::make_unique<Elastic>(state, rule);
}

OptionSpec option_alpha() {
  return {"alpha",
          OptionSpec::Type::kNumber,
          0.0,
          "moving rate: strength of the spring to the centre; 0 stands for 0.9 / (N (1 + w)), "
          "where a codec's messages vary by w of their square",
          0,
          1};
}

double alpha_of(const Options& options, uint32_t nodes, double codec_variance) {
  const double alpha = options.number("alpha");
  return alpha > 0 ? alpha : 0.9 / (nodes * (1 + codec_variance));
}

void check_alpha(const Setting& setting, double limit) {
  const double alpha = alpha_of(setting.options, setting.nodes, setting.codec_variance);
  if (alpha < limit) return;
  std::vector<std::string> known;
  if (setting.step_times_curvature > 0) {
    known.push_back("c = learning rate x curvature = " + short_text(setting.step_times_curvature));
  }
  if (setting.codec_variance > 0) {
    known.push_back("messages of codec.kind = \"" + setting.codec + "\" that vary by w = " +
                    short_text(setting.codec_variance) + " of their square");
  }
  std::string with;
  for (const std::string& each : known) with += (with.empty() ? " (with " : " and ") + each;
  throw OperatorError("algorithm.alpha is " + short_text(alpha) + ", but elastic averaging of " +
                      std::to_string(setting.nodes) + " nodes is stable only for alpha below " +
                      short_text(limit) + with + (with.empty() ? "" : ")") +
                      ": choose one between 0 and that, or 0 for 0.9 / (N (1 + w))");
}

}  // namespace kith
