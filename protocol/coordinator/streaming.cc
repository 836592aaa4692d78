#include "protocol/coordinator/streaming.h"

#include <optional>
#include <utility>

#include "protocol/checkpoint.h"
#include "protocol/compressor.h"
#include "protocol/coordinator/streaming_hub.h"
#include "protocol/describe.h"
#include "protocol/kernels.h"
#include "topology/assert.h"

namespace kith {

namespace {

// The half that every node has; the hub has the other one too.
class Streaming final : public Algorithm {
 public:
  Streaming(const NodeState& state, const StreamingRule& rule)
      : rule_(rule),
        fragments_(state.dimension, rule.fragments),
        compressors_(rule.fragments,
                     Compressor(*state.codec, state.memory, static_cast<float>(rule.alpha))) {
    if (state.self == kHub) hub_.emplace(state, rule, fragments_);
    measures_.local_steps = rule.steps;
  }

  Status step(NodeState& state, Event&& event, std::vector<Effect>& out) override {
    if (over_) return {};
    if (std::holds_alternative<Start>(event)) {
      x_ = state.parameters;
      compute(rule_.steps, out);
    }
    if (std::holds_alternative<Resume>(event)) resume(state, out);
    if (auto* computed = std::get_if<Computed>(&event)) finished(state, std::move(*computed), out);
    if (auto* received = std::get_if<Received>(&event)) {
      return hub_ ? collect(state, std::move(received->message), out)
                  : adopt(state, received->message, out);
    }
    return {};
  }

  // At the cut of state.round, before this node has added its part.
  void persist(Archive& archive) override {
    archive.vector("x", x_);
    archive.number("loss", loss_);
    archive.number("next_batch", next_batch_);
    archive.part("measures", measures_);
    for (uint32_t f = 0; f < fragments_.count(); ++f) {
      archive.part("compressor" + std::to_string(f), compressors_[f], fragments_.size(f));
    }
    if (hub_) archive.part("hub", *hub_);
    if (!x_) archive.refuse();
  }

  void describe(const NodeState& state, std::string& out) const override {
    out += std::string(rule_.name) + " round=" + std::to_string(state.round);
    out += " cuts=" + std::to_string(cuts_) + " merges=" + std::to_string(merges_);
    out += over_ ? " over" : computing_ ? " computing" : " waiting";
    if (hub_) out += " gathered=" + std::to_string(hub_->gathered());
    describe_vector("z", state.parameters, out);
    describe_vector("x", x_, out);
    for (const Compressor& compressor : compressors_) {
      describe_vector("e", compressor.memory(), out);
    }
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
  // ---- the local steps ----

  void compute(uint32_t steps, std::vector<Effect>& out) {
    computing_ = true;
    doing_ = steps;
    out.push_back(Compute{.ticket = ++ticket_,
                          .first_batch = next_batch_,
                          .steps = steps,
                          .at = std::move(x_),
                          .rule = LocalRule::local_steps()});
    next_batch_ += steps;
  }

  void finished(NodeState& state, Computed&& computed, std::vector<Effect>& out) {
    if (!computing_ || computed.ticket != ticket_) return;
    computing_ = false;
    if (!computed.finite) return end(state, Finish::Why::kDiverged, out);
    x_ = std::move(computed.result);
    loss_ += computed.loss * doing_ / rule_.steps;
    if (merges_ == cuts_) return cut(state, out);
    if (state.round == cuts_) merge(state, out);
  }

  uint32_t fragment(Round cut) const { return static_cast<uint32_t>(cut % fragments_.count()); }

  void resume(NodeState& state, std::vector<Effect>& out) {
    cuts_ = merges_ = state.round;
    if (hub_) hub_->resume(state);
    cut(state, out);
  }

  // The displacement of the fragment whose turn it is, and on behind it. All nodes hold z of the
  // same round here, so this is where their checkpoints fit together.
  void cut(NodeState& state, std::vector<Effect>& out) {
    if (cuts_ > 0) checkpoint(*this, state, cuts_ - 1, cuts_, out);
    const uint32_t f = fragment(cuts_);
    Buffer displacement = state.pool->acquire_floats(fragments_.size(f));
    kernels::subtract(fragments_.of(f, state.parameters.floats()), fragments_.of(f, x_.floats()),
                      displacement.floats());
    Rng rng(state.seed, state.self, Purpose::kCodec, cuts_);
    SharedBuffer wire;
    if (!compressors_[f]
             .encode(std::move(displacement).freeze(), 1.0f, rng, *state.pool, wire)
             .ok()) {
      return end(state, Finish::Why::kDiverged, out);
    }
    const double loss = std::exchange(loss_, 0);
    if (!hub_) {
      out.push_back(Send{.to = kHub,
                         .kind = kFragmentUp,
                         .round = cuts_,
                         .scalar = loss,
                         .payload = std::move(wire),
                         .values = fragments_.size(f)});
    }
    ++cuts_;
    if (rule_.overlap > 0 && cuts_ < state.rounds) compute(rule_.overlap, out);
    if (hub_) {
      hub_->add({kHub, loss, std::move(wire)});
      advance(state, out);
    }
  }

  // What came of the last cut is in z and the steps behind that cut are done: x takes it up.
  void merge(NodeState& state, std::vector<Effect>& out) {
    const uint32_t f = fragment(merges_);
    const std::span<const float> news = fragments_.of(f, state.parameters.floats());
    Buffer x = writable(std::move(x_), *state.pool);
    const std::span<float> own = fragments_.of(f, x.floats());
    if (rule_.alpha == 0) {
      std::ranges::copy(news, own.begin());  // the same bits, a zero's sign included
    } else {
      // As z + alpha (x - z), which leaves x = z where it is: 1 - alpha and alpha, rounded, do not
      // add up to 1.
      kernels::subtract(own, news, own);
      kernels::add_scaled(news, static_cast<float>(rule_.alpha), own, own);
    }
    x_ = std::move(x).freeze();
    ++merges_;
    if (rule_.overlap == rule_.steps) return cut(state, out);
    compute(rule_.steps - rule_.overlap, out);
  }

  // z holds what came of one cut more.
  void go_on(NodeState& state, std::vector<Effect>& out) {
    if (state.round == state.rounds) {
      end(state, Finish::Why::kDone, out);
    } else if (!computing_) {
      merge(state, out);
    }
  }

  void end(const NodeState& state, Finish::Why why, std::vector<Effect>& out) {
    over_ = true;
    out.push_back(Finish{why, state.round});
  }

  // ---- from the hub ----

  Status adopt(NodeState& state, const Message& message, std::vector<Effect>& out) {
    if (message.from != kHub) return Reason::kUnknownPeer;
    if (message.kind != kFragmentDown || message.round > state.rounds) return Reason::kMalformed;
    if (message.round <= state.round) return Reason::kStale;
    // The hub cannot have it before this node has added its part.
    if (message.round != cuts_) return Reason::kMalformed;
    const uint32_t f = fragment(message.round - 1);
    if (message.payload.size() != fragments_.size(f) * sizeof(float)) return Reason::kMalformed;
    put_fragment(state, fragments_, f, floats_of(message.payload, *state.pool).floats());
    state.round = message.round;
    go_on(state, out);
    return {};
  }

  // ---- the hub ----

  Status collect(NodeState& state, Message&& message, std::vector<Effect>& out) {
    if (const Status status = hub_->receive(state, std::move(message)); !status.ok()) return status;
    advance(state, out);
    return {};
  }

  // Takes the hub's step where all is there.
  void advance(NodeState& state, std::vector<Effect>& out) {
    if (!hub_->complete()) return;
    // All steps before this cut were taken before what came of the last one was there.
    const bool late = rule_.overlap == rule_.steps && state.round > 0;
    for (size_t k = 0; k < hub_->gathered(); ++k) measures_.apply(late ? 1 : 0);
    if (!hub_->step(state, out)) return end(state, Finish::Why::kDiverged, out);
    go_on(state, out);
  }

  const StreamingRule rule_;
  const Fragments fragments_;
  std::vector<Compressor> compressors_;  // by fragment
  std::optional<StreamingHub> hub_;      // on node 0
  Measures measures_;

  // merges_ <= state.round <= cuts_ <= merges_ + 1: a node owes at most one merge.
  SharedBuffer x_;           // this node's model; empty while it computes
  Round cuts_ = 0;           // made by this node
  Round merges_ = 0;         // of what came of these
  double loss_ = 0;          // mean over the steps since the last cut, as far as they are done
  uint32_t doing_ = 0;       // steps in the Compute under way
  uint64_t ticket_ = 0;      // of the last Compute
  uint64_t next_batch_ = 0;  // of this node
  bool computing_ = false;
  bool over_ = false;
};

}  // namespace

std::unique_ptr<Algorithm> make_streaming(const NodeState& state, const StreamingRule& rule) {
  KITH_ASSERT(rule.steps >= 1 && rule.overlap <= rule.steps);
  KITH_ASSERT(rule.alpha >= 0 && rule.alpha < 1);
  return std::make_unique<Streaming>(state, rule);
}

}  // namespace kith
