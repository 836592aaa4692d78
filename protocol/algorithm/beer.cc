// BEER (Zhao, Li, Li, Richtarik, Chi 2022): gradient tracking over compressed differences, so that
// neither unequal data nor the codec biases it.
//
//   x_i+ = x_i + gamma sum_j w_ij (h_j - h_i) - eta v_i     p_i = C(x_i+ - h_i)    h_i+ = h_i + p_i
//   v_i+ = v_i + gamma sum_j w_ij (k_j - k_i) + g_i+ - g_i  q_i = C(v_i+ - k_i)    k_i+ = k_i + q_i
// with g_i the gradient at x_i, v_i = g_i in round 0, and h and k (H and G of the paper) what all
// neighbours have of x and v; at first x_0, which every node knows, and 0.
//
// What C leaves out stays in the difference, so that it needs no error feedback. An unbiased codec
// is used as a contraction (protocol/compressor.h). The optimiser of [train] takes v for a
// gradient; plain SGD is the paper's step.
//
// Between two rounds a node keeps r_i, what gossip has pulled v_i away from g_i by:
//   v_i = g_i + r_i        r_i+ = r_i + gamma sum_j w_ij (k_j - k_i)        r_i = 0 at first
// and every h_j and k_j, not their sums. A sum of differences holds all roundings of its past,
// which r would add up anew in each round; the copies are equal to the last bit wherever they are
// kept, so that what two nodes add to their r is the same but for the sign.
//
// Keeps: x, g, v, r, the optimiser's state, and h and k of itself and of every neighbour:
// (6 + 2 degree) p floats. Sends: p and q to every neighbour, once a round: two messages. Waits:
// for its neighbours. Needs: W doubly stochastic and the same in every round; gamma below 1 for
// coarse codecs. Invariants: the mean of all r is 0, and that of all v that of all g; the average
// of x is moved by steps along v alone; with C = identity and gamma = 1 it is gradient tracking in
// the order combine, then adapt (DIGing): x_i+ = sum_j w_ij x_j - eta v_i, v_i+ = sum_j w_ij v_j +
// g_i+ - g_i.
#include <string>
#include <vector>

#include "protocol/describe.h"
#include "protocol/gossip/differences.h"
#include "protocol/gossip/lockstep.h"
#include "protocol/kernels.h"
#include "topology/assert.h"

namespace kith {

namespace {

// A vector of every node, which its neighbours follow by coded differences.
class Followed {
 public:
  // `known` is what all have of all before the first difference; empty = 0.
  Followed(const NodeState& state, const SharedBuffer& known) : own_(known) {
    MixingRow row;
    state.mixing->row(state.self, 0, row);
    copies_.assign(row.neighbors.size(), known);
  }

  // The wire of C(x - own copy). False where it is not finite.
  bool encode(const NodeState& state, const SharedBuffer& x, Rng& rng, SharedBuffer& wire) {
    return encode_difference(state, x, own_, last_sent_, rng, wire);
  }

  // Adds the differences of a round to all copies.
  void follow(const NodeState& state, const Payload& own, std::span<const Message> messages) {
    add_difference(state, state.self, own, own_);
    KITH_ASSERT(messages.size() == copies_.size());
    for (size_t i = 0; i < copies_.size(); ++i) {
      add_difference(state, messages[i].from, messages[i].payload, copies_[i]);
    }
  }

  // sum_j w_ij (copy_j - own copy), in NodeId order.
  Buffer pull(const NodeState& state, const MixingRow& row) const {
    Buffer sum = state.pool->acquire_floats(state.dimension);
    Buffer difference = state.pool->acquire_floats(state.dimension);
    std::ranges::fill(sum.floats(), 0.0f);
    for (size_t i = 0; i < copies_.size(); ++i) {
      kernels::subtract(copies_[i].floats(), own_.floats(), difference.floats());
      kernels::axpy(row.neighbors[i].weight, difference.floats(), sum.floats());
    }
    return sum;
  }

  void persist(Archive& archive) {
    archive.vector("own", own_);
    for (size_t i = 0; i < copies_.size(); ++i) {
      archive.vector("copy." + std::to_string(i), copies_[i]);
      if (own_ && !copies_[i]) archive.refuse();
    }
    archive.part("last_sent", last_sent_);
  }

  const SharedBuffer& own() const { return own_; }

 private:
  SharedBuffer own_;                  // empty = 0
  std::vector<SharedBuffer> copies_;  // of the neighbours, in NodeId order; empty = 0
  LastSent last_sent_;
};

class Beer final : public LockstepGossip {
 public:
  Beer(const NodeState& state, const Options& options)
      : LockstepGossip({.name = "beer", .vectors = 2}),
        gamma_(static_cast<float>(options.number("gamma"))),
        model_(state, state.parameters),
        estimate_(state, {}),
        optimizer_(*state.optimizer) {}

  void persist(Archive& archive) override {
    archive.part("model", model_);
    archive.part("estimate", estimate_);
    archive.vector("rest", rest_);
    archive.part("optimizer", optimizer_);
  }

 private:
  LocalRule rule() const override { return {}; }

  bool encode(NodeState& state, const SharedBuffer& g, Wires wires) override {
    tracker_ = sum_of(state, g, rest_);
    Rng rng(state.seed, state.self, Purpose::kCodec, state.round);
    return model_.encode(state, state.parameters, rng, wires[0]) &&
           estimate_.encode(state, tracker_, rng, wires[1]);
  }

  SharedBuffer combine(NodeState& state, const Exchange& exchange) override {
    model_.follow(state, exchange.vectors[0].own, exchange.vectors[0].messages);
    estimate_.follow(state, exchange.vectors[1].own, exchange.vectors[1].messages);
    Buffer next = state.pool->acquire_floats(state.dimension);
    optimizer_.step(optimizer_.spec().rate_at(state.round, state.total_batches),
                    state.parameters.floats(), tracker_.floats(), next.floats());
    kernels::axpy(gamma_, model_.pull(state, exchange.row).floats(), next.floats());
    Buffer rest = estimate_.pull(state, exchange.row);
    kernels::scale(gamma_, rest.floats(), rest.floats());
    if (rest_) kernels::axpy(1.0f, rest_.floats(), rest.floats());
    rest_ = std::move(rest).freeze();
    tracker_.reset();
    return std::move(next).freeze();
  }

  void describe_memory(std::string& out) const override {
    describe_vector("v", tracker_, out);
    describe_vector("r", rest_, out);
    describe_vector("h", model_.own(), out);
    describe_vector("k", estimate_.own(), out);
  }

  const float gamma_;
  Followed model_;        // h
  Followed estimate_;     // k
  SharedBuffer tracker_;  // v, while it is exchanged
  SharedBuffer rest_;     // r; empty = 0
  Optimizer optimizer_;
};

}  // namespace

extern const AlgorithmInfo beer_algorithm;
const AlgorithmInfo beer_algorithm = {
    .name = "beer",
    .help = "BEER: gradient tracking that sends compressed differences, no bias from unequal data",
    .needs = {.doubly_stochastic = true, .fixed = true},
    .options = {{"gamma", OptionSpec::Type::kNumber, 0.3,
                 "consensus step: how far to move towards the neighbours; the coarser the codec, "
                 "the smaller",
                 0, 1}},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return std::make_unique<Beer>(state, options);
    },
    .batches_per_round = batches_of_gossip,
    .keeps_differences = true,
    .cancels = false,
    .messages_per_round = 2,
};

}  // namespace kith
