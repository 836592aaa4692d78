#include "protocol/gossip/push_sum.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

#include "protocol/compressor.h"
#include "protocol/describe.h"
#include "protocol/gossip/lockstep.h"
#include "protocol/kernels.h"
#include "protocol/weighted_sum.h"

namespace kith {

namespace {

// Of a node that misses a neighbour; a power of 2, and its inverse the most.
constexpr double kLeastWeight = 0.25;

class PushSum final : public LockstepGossip {
 public:
  PushSum(const NodeState& state, const PushSumRule& rule)
      : LockstepGossip({.name = rule.name, .local_steps = rule.local_steps, .lag = rule.overlap}),
        overlap_(rule.overlap),
        compressor_(*state.codec, {}),
        x_(state.parameters) {}

  // Between checkpoints all is in x, w and what has been sent.
  void persist(Archive& archive) override {
    archive.vector("x", x_);
    archive.number("w", w_);
    archive.vector("first", first_);
    archive.number("unsettled", unsettled_);
    persist_sent(archive);
    persist_absent(archive);
    if (!x_ || !(w_ > 0)) archive.refuse();
    // What x of w = 1 must be: one block, which z shares.
    x_is_z_ = w_ == 1.0;
  }

 private:
  bool encode(NodeState& state, const SharedBuffer& reached, Wires wires) override {
    const size_t count = hearers(state).size();
    const auto degree = static_cast<double>(count);
    const float share = 1.0f / static_cast<float>(1 + count);
    // What is left of the column, so that it sums to 1 without rounding.
    own_share_ = static_cast<float>(1 - degree * static_cast<double>(share));
    sent_weight_ = static_cast<double>(share) * w_;
    moved_ = moved(state, reached);
    if (count == 0) return kernels::all_finite(moved_.floats());
    Buffer part = state.pool->acquire_floats(state.dimension);
    kernels::scale(share, moved_.floats(), part.floats());
    Rng rng(state.seed, state.self, Purpose::kCodec, state.round);
    return compressor_.encode(std::move(part).freeze(), 1.0f, rng, *state.pool, wires[0]).ok();
  }

  double scalar() const override { return sent_weight_; }

  Status check_message(const NodeState& state, Message& message) const override {
    if (!std::isfinite(message.scalar)) return Reason::kNotFinite;
    if (!(message.scalar > 0) || message.scalar > state.nodes) return Reason::kMalformed;
    return LockstepGossip::check_message(state, message);
  }

  void start(NodeState& state) override {
    const bool first = state.round == 0;
    weigh(state, first ? kept_of(outdegree(state, state.self)) : 1);
    first_ = first && overlap_ > 0 ? state.parameters : SharedBuffer();
  }

  SharedBuffer combine(NodeState& state, const Exchange& exchange) override {
    terms_.clear();
    terms_.push_back({own_share_, moved_.floats()});
    w_ *= static_cast<double>(own_share_);
    for (const Message& message : exchange.vectors[0].messages) {
      terms_.push_back({1.0f, {}, &message.payload, message.from});
      w_ += message.scalar;
    }
    if (state.round < overlap_) hear_the_first(state, exchange.row);
    Buffer next = state.pool->acquire_floats(state.dimension);
    weighted_sum(*state.codec, terms_, next.floats(), *state.pool);
    x_ = std::move(next).freeze();
    moved_.reset();
    if (state.round + 1 >= overlap_) first_.reset();
    // What somebody sends who is back arrives tau_o rounds later, and what it is sent leaves at
    // once.
    unsettled_ = misses_somebody() ? overlap_ + 1 : unsettled_ - std::min<Round>(unsettled_, 1);
    if (unsettled_ > 0) weigh_anew(state);
    x_is_z_ = w_ == 1.0;
    return x_is_z_ ? x_ : ratio(state);
  }

  void describe_memory(std::string& out) const override {
    describe_vector("biased", x_, out);
    char text[32];
    std::snprintf(text, sizeof text, " w=%.6g", w_);
    out += text;
  }

  // u = x + T(z) - z.
  SharedBuffer moved(const NodeState& state, const SharedBuffer& reached) const {
    if (x_is_z_) return reached;
    const Term terms[] = {
        {1.0f, x_.floats()}, {1.0f, reached.floats()}, {-1.0f, state.parameters.floats()}};
    Buffer u = state.pool->acquire_floats(state.dimension);
    weighted_sum(*state.codec, terms, u.floats(), *state.pool);
    return std::move(u).freeze();
  }

  // Of the weight 1 of a node that so many hear: the rest is on its way to them.
  double kept_of(double degree) const {
    return 1 / (1 + static_cast<double>(overlap_) * degree / (1 + degree));
  }

  double outdegree(const NodeState& state, NodeId node) {
    state.mixing->graph().out(node, 0, peers_);
    return static_cast<double>(peers_.size());
  }

  // In the rounds before messages arrive: from each neighbour x_0, as if it had been sent before
  // the first round.
  void hear_the_first(const NodeState& state, const MixingRow& row) {
    double heard = 0;
    for (const Neighbor& neighbor : row.neighbors) {
      const double degree = outdegree(state, neighbor.peer);
      heard += kept_of(degree) / (1 + degree);
    }
    if (heard == 0 || !first_) return;
    terms_.push_back({static_cast<float>(heard), first_.floats()});
    w_ += heard;
  }

  // x = w z.
  void weigh(const NodeState& state, double w) {
    w_ = w;
    x_is_z_ = w == 1.0;
    x_ = x_is_z_ ? state.parameters : scaled(state, w, state.parameters);
  }

  void weigh_anew(const NodeState& state) {
    if (w_ >= kLeastWeight && w_ <= 1 / kLeastWeight) return;
    x_ = ratio(state);
    w_ = 1;
  }

  SharedBuffer ratio(const NodeState& state) const { return scaled(state, 1 / w_, x_); }

  static SharedBuffer scaled(const NodeState& state, double by, const SharedBuffer& x) {
    Buffer product = state.pool->acquire_floats(state.dimension);
    kernels::scale(static_cast<float>(by), x.floats(), product.floats());
    return std::move(product).freeze();
  }

  const Round overlap_;
  Compressor compressor_;
  SharedBuffer x_;
  Round unsettled_ = 0;  // rounds in which w may be far from what it comes to
  double w_ = 1;
  SharedBuffer first_;  // x_0, until the first messages arrive
  bool x_is_z_ = true;
  SharedBuffer moved_;         // u of the round under way
  float own_share_ = 1;        // p_ii of the round under way
  double sent_weight_ = 0;     // p_ji w_i
  std::vector<Term> terms_;    // scratch, kept for its capacity
  std::vector<NodeId> peers_;  // the same
};

}  // namespace

std::unique_ptr<Algorithm> make_push_sum(const NodeState& state, const PushSumRule& rule) {
  return std::make_unique<PushSum>(state, rule);
}

}  // namespace kith
