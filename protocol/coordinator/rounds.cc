#include "protocol/coordinator/rounds.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "protocol/checkpoint.h"
#include "protocol/compressor.h"
#include "protocol/coordinator/accumulation.h"
#include "protocol/coordinator/control_variate.h"
#include "protocol/coordinator/levels.h"
#include "protocol/coordinator/round_hub.h"
#include "protocol/describe.h"
#include "protocol/kernels.h"
#include "protocol/limits.h"
#include "topology/assert.h"

namespace kith {

namespace {

// The half that every node has; the hub has the other one too.
class Rounds final : public Algorithm {
 public:
  Rounds(const NodeState& state, const RoundRule& rule)
      : rule_(rule),
        period_(rule.period),
        compressor_(*state.codec, state.memory),
        downlink_(state) {
    if (state.self == kHub) hub_.emplace(state, rule);
    if (rule.adapt_levels) levels_.emplace(*state.codec);
    measures_.local_steps = period_.steps(state, state.self, state.rows, 0);
  }

  Status step(NodeState& state, Event&& event, std::vector<Effect>& out) override {
    if (over_) return {};
    if (std::holds_alternative<Start>(event)) start(state, out);
    if (std::holds_alternative<Resume>(event)) resume(state, out);
    if (auto* computed = std::get_if<Computed>(&event)) finished(state, std::move(*computed), out);
    if (auto* received = std::get_if<Received>(&event)) {
      Message& message = received->message;
      return hub_ ? collect(state, std::move(message), out) : adopt(state, std::move(message), out);
    }
    return {};
  }

  void persist(Archive& archive) override {
    archive.number("next_batch", next_batch_);
    archive.number("contributed", contributed_);
    archive.part("compressor", compressor_);
    archive.part("downlink", downlink_);
    archive.part("measures", measures_);
    if (rule_.control_variates) archive.part("variate", variate_);
    if (hub_) archive.part("hub", *hub_);
    if (!overlaps()) return;
    archive.vector("x", x_);
    archive.vector("y", y_);
    archive.number("loss", loss_);
    if (!x_ || !y_) archive.refuse();
  }

  void describe(const NodeState& state, std::string& out) const override {
    out += std::string(rule_.name) + " round=" + std::to_string(state.round);
    out += over_ ? " over" : computing_ ? " computing" : " waiting";
    if (hub_) out += " gathered=" + std::to_string(hub_->gathered());
    describe_vector("z", state.parameters, out);
    if (overlaps()) describe_vector("x", x_, out);
    describe_vector("e", compressor_.memory(), out);
    if (rule_.control_variates) describe_vector("c_i", variate_.own(), out);
  }

  const Measures* measures() const override { return &measures_; }

  void waiting_for(const NodeState&, std::vector<NodeId>& out) const override {
    if (over_) return;
    if (hub_) {
      hub_->missing(out);
      std::erase(out, kHub);
    } else if (!computing_) {
      out.push_back(kHub);
    }
  }

 private:
  bool overlaps() const { return rule_.joining != Joining::kReplace; }

  // z as all nodes have it.
  const SharedBuffer& shared(const NodeState& state) const {
    return hub_ && downlink_.on() ? downlink_.copy() : state.parameters;
  }

  void start(NodeState& state, std::vector<Effect>& out) {
    if (needs_rows(rule_) && !hub_) {
      out.push_back(Send{.to = kHub,
                         .kind = kRows,
                         .round = 0,
                         .scalar = static_cast<double>(state.rows),
                         .payload = {}});
    }
    if (next_round(state, 0, 1) == 0) {
      begin_local(state, shared(state), 0, own_period(state), out);
    } else if (!hub_) {
      keep(state, 1, out);
    }
  }

  // See next_round_of().
  Round next_round(const NodeState& state, Round round, Round end) const {
    return next_round_of(state.self, state.seed, round, end, state.nodes, rule_.participants);
  }

  // A worker's state, which stays as it is from `round` to the beginning of its next one.
  void keep(NodeState& state, Round round, std::vector<Effect>& out) {
    if (keeps_checkpoints(state)) {
      checkpoint(*this, state, round - 1, {round, next_round(state, round, state.rounds)}, out);
    }
  }

  // Where averaging overlaps every node has its own part of the round at hand. Else the hub tells
  // its news again, and the others wait for it.
  void resume(NodeState& state, std::vector<Effect>& out) {
    if (hub_) hub_->resume(state);
    if (overlaps()) {
      local_round_ = state.round;
      contribute(state, out);
    } else if (hub_) {
      begin_round(state, out);
    }
  }

  uint32_t own_period(const NodeState& state) const {
    return period_.steps(state, state.self, state.rows, next_batch_);
  }

  // ---- the local steps ----

  void begin_local(const NodeState& state, SharedBuffer x, Round round, uint32_t steps,
                   std::vector<Effect>& out) {
    local_round_ = round;
    measures_.local_steps = steps;
    x_ = std::move(x);
    to_do_ = steps;
    loss_ = 0;
    if (levels_) {
      compressor_.use(levels_->codec());
      measures_.levels = levels_->now();
    }
    LocalRule rule = LocalRule::local_steps();
    rule.fresh = rule_.fresh_optimizer;
    if (rule_.control_variates) rule.correction = variate_.correction();
    if (rule_.proximal != 0) {
      rule.mu = rule_.proximal;
      rule.anchor = shared(state);
    }
    compute(x_, pull_ ? 1 : steps, std::move(rule), out);
  }

  void compute(SharedBuffer at, uint32_t steps, LocalRule rule, std::vector<Effect>& out) {
    computing_ = true;
    out.push_back(Compute{.ticket = ++ticket_,
                          .first_batch = next_batch_,
                          .steps = steps,
                          .at = std::move(at),
                          .rule = std::move(rule)});
    next_batch_ += steps;
    doing_ = steps;
  }

  void finished(NodeState& state, Computed&& computed, std::vector<Effect>& out) {
    if (!computing_ || computed.ticket != ticket_) return;
    computing_ = false;
    if (!computed.finite) return diverge(state, out);
    loss_ += computed.loss * doing_ / measures_.local_steps;
    to_do_ -= doing_;
    SharedBuffer y = pull_ ? pulled(state, computed.result) : std::move(computed.result);
    if (to_do_ > 0) return compute(std::move(y), to_do_, LocalRule::local_steps(), out);
    y_ = std::move(y);
    if (local_round_ == state.round) contribute(state, out);
  }

  // The elastic term of the first step: at the x before it and the z of then.
  SharedBuffer pulled(const NodeState& state, const SharedBuffer& y) {
    const Payload own = std::exchange(pull_, {});
    const Term terms[] = {{1.0f, y.floats(), nullptr}, {static_cast<float>(rule_.alpha), {}, &own}};
    Buffer x = state.pool->acquire_floats(state.dimension);
    weighted_sum(*state.codec, terms, x.floats(), *state.pool);
    return std::move(x).freeze();
  }

  // y and z of the same round are there: what this node adds to the round, and how it goes on.
  void contribute(NodeState& state, std::vector<Effect>& out) {
    if (overlaps() && state.round > 0) {
      checkpoint(*this, state, state.round - 1, state.round, out);
    }
    const SharedBuffer displacement = displace(state);
    SharedBuffer next = own_next(state, displacement);
    Rng rng(state.seed, state.self, Purpose::kCodec, state.round);
    SharedBuffer wire;
    if (!compressor_.encode(displacement, 1.0f, rng, *state.pool, wire).ok()) {
      return diverge(state, out);
    }
    if (rule_.joining == Joining::kElastic) pull_ = wire;
    if (rule_.control_variates) variate_.end(state, wire, rates_of_round(state));
    y_.reset();
    contributed_ = state.round + 1;
    if (hub_) {
      hub_->add({kHub, loss_, std::move(wire)});
      if (!advance(state, out)) return;
    } else {
      out.push_back(Send{.to = kHub,
                         .kind = kDisplacement,
                         .round = state.round,
                         .scalar = loss_,
                         .payload = std::move(wire)});
      if (!overlaps()) keep(state, contributed_, out);
    }
    if (overlaps() && contributed_ < state.rounds) {
      begin_local(state, std::move(next), contributed_, own_period(state), out);
    }
  }

  // Sum of the learning rates of the local steps just made.
  double rates_of_round(const NodeState& state) const {
    OptimizerSpec plain = *state.optimizer;
    plain.momentum = 0;
    const uint32_t steps = measures_.local_steps;
    return accumulated_rate(plain, 0, next_batch_ - steps, steps, state.total_batches);
  }

  SharedBuffer displace(const NodeState& state) const {
    const SharedBuffer& from = rule_.joining == Joining::kOwnSteps ? x_ : shared(state);
    Buffer d = state.pool->acquire_floats(state.dimension);
    kernels::subtract(from.floats(), y_.floats(), d.floats());
    if (rule_.joining == Joining::kPull) {
      kernels::scale(static_cast<float>(1 - rule_.alpha), d.floats(), d.floats());
    }
    return std::move(d).freeze();
  }

  // x of the next round where it is this node's own matter.
  SharedBuffer own_next(const NodeState& state, const SharedBuffer& displacement) const {
    if (rule_.joining == Joining::kReplace) return {};
    if (rule_.joining == Joining::kElastic) return y_;
    Buffer x = state.pool->acquire_floats(state.dimension);
    kernels::subtract(shared(state).floats(), displacement.floats(), x.floats());
    return std::move(x).freeze();
  }

  // ---- from the hub ----

  Status adopt(NodeState& state, Message&& message, std::vector<Effect>& out) {
    if (const Status status = check_news(state, message); !status.ok()) return status;
    const bool last = message.round == state.rounds;
    if (rule_.control_variates && !last) {
      Message& place = message.kind == kModel ? model_ : control_;
      if (place.payload) return Reason::kDuplicate;
      place = std::move(message);
      if (!model_.payload || !control_.payload) return {};
      if (model_.round != control_.round) {
        place = {};
        return Reason::kMalformed;
      }
      variate_.begin(state, floats_of(std::exchange(control_, {}).payload, *state.pool));
      message = std::exchange(model_, {});
    }
    if (downlink_.on() && !last) {
      if (const Status status = downlink_.receive(state, message.payload); !status.ok()) {
        return status;
      }
    } else {
      state.parameters = floats_of(message.payload, *state.pool);
    }
    state.round = message.round;
    if (last) {
      finish(state, out);
    } else if (!overlaps()) {
      if (levels_) levels_->set(levels_told(message.scalar));
      begin_local(state, state.parameters, state.round, steps_told(message.scalar), out);
    } else if (y_) {
      contribute(state, out);
    }
    return {};
  }

  Status check_news(const NodeState& state, const Message& message) const {
    if (message.from != kHub) return Reason::kUnknownPeer;
    const bool last = message.round == state.rounds;
    const bool control = message.kind == kControl && rule_.control_variates && !last;
    const uint16_t expected = downlink_.on() && !last ? kDifference : kModel;
    if ((message.kind != expected && !control) || message.round > state.rounds) {
      return Reason::kMalformed;
    }
    if (message.kind != kDifference && message.payload.size() != state.dimension * sizeof(float)) {
      return Reason::kMalformed;
    }
    if (message.round <= state.round) return Reason::kStale;
    if (message.kind == kDifference && message.round != state.round + 1) return Reason::kTooEarly;
    // The hub cannot have it before this node has added its part.
    if (overlaps() ? message.round != contributed_ : computing_) return Reason::kMalformed;
    const bool to_begin = !overlaps() && !last && !control;
    return to_begin && !is_period(message.scalar) ? Reason::kMalformed : Status();
  }

  // What pack_steps_and_levels has packed, where it is a whole number below 2^53.
  static uint32_t steps_told(double scalar) {
    return static_cast<uint32_t>(static_cast<uint64_t>(scalar));
  }
  static uint32_t levels_told(double scalar) {
    return static_cast<uint32_t>(static_cast<uint64_t>(scalar) >> 32);
  }

  bool is_period(double scalar) const {
    if (!(scalar >= 1 && scalar < 0x1p53 && std::floor(scalar) == scalar)) return false;
    const uint32_t steps = steps_told(scalar);
    const uint32_t levels = levels_told(scalar);
    const bool of_levels = levels_ ? levels >= 1 && levels <= limits::kLevels : levels == 0;
    return steps >= 1 && steps <= limits::kLocalSteps && of_levels;
  }

  // ---- the hub ----

  Status collect(NodeState& state, Message&& message, std::vector<Effect>& out) {
    const Status status = hub_->receive(state, std::move(message));
    if (!status.ok() && status.reason() != Reason::kLeftOut) return status;
    advance(state, out);
    return status;
  }

  // Takes the hub's step where all is there. False when the run is over.
  bool advance(NodeState& state, std::vector<Effect>& out) {
    if (!hub_->complete()) return true;
    for (size_t k = 0; k < hub_->gathered(); ++k) {
      measures_.apply(overlaps() && state.round > 0 ? 1 : 0);
    }
    if (!hub_->step(state, out)) {
      diverge(state, out);
      return false;
    }
    if (!overlaps()) checkpoint(*this, state, state.round - 1, state.round, out);
    begin_round(state, out);
    return !over_;
  }

  // What follows the hub's step.
  void begin_round(NodeState& state, std::vector<Effect>& out) {
    if (!hub_->publish(state, downlink_, out)) return diverge(state, out);
    if (state.round == state.rounds) {
      finish(state, out);
    } else if (overlaps()) {
      if (y_) contribute(state, out);
    } else if (hub_->expects(kHub)) {
      if (rule_.control_variates) variate_.begin(state, hub_->control());
      if (levels_) levels_->set(hub_->levels());
      begin_local(state, shared(state), state.round, hub_->steps(state, kHub), out);
    }
  }

  void finish(const NodeState& state, std::vector<Effect>& out) {
    over_ = true;
    out.push_back(Finish{Finish::Why::kDone, state.round});
  }

  void diverge(const NodeState& state, std::vector<Effect>& out) {
    over_ = true;
    out.push_back(Finish{Finish::Why::kDiverged, state.round});
  }

  const RoundRule rule_;
  const Period period_;
  std::optional<Levels> levels_;  // where the hub decides them
  Compressor compressor_;
  Downlink downlink_;
  std::optional<RoundHub> hub_;  // on node 0
  Measures measures_;
  ControlVariate variate_;
  Message model_;    // with control variates: of the two messages that begin a round the one that
  Message control_;  // has come, while it waits for the other

  // The local steps of round `local_round_`, which may be one ahead of the model's.
  Round local_round_ = 0;
  SharedBuffer x_;      // where they began
  SharedBuffer y_;      // where they ended; empty before that, and once it is contributed
  SharedBuffer pull_;   // kElastic: what this node sent last, until its first step has felt it
  double loss_ = 0;     // mean over them
  uint32_t to_do_ = 0;  // steps of them that no Computed has come for
  uint32_t doing_ = 0;  // of these, in the Compute under way
  bool computing_ = false;
  bool over_ = false;
  uint64_t ticket_ = 0;      // of the last Compute
  uint64_t next_batch_ = 0;  // of this node
  Round contributed_ = 0;    // the round after the last that this node has been in
};

}  // namespace

std::unique_ptr<Algorithm> make_rounds(const NodeState& state, const RoundRule& rule) {
  KITH_ASSERT(rule.joining == Joining::kReplace ||
              (rule.participants == 0 && !rule.control_variates));
  return std::make_unique<Rounds>(state, rule);
}

}  // namespace kith
