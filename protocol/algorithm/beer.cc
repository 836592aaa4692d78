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
// A neighbour that joins is told h and k as they are; when one leaves, what its edge has put into r
// is taken back (gossip/edge_flows.h).
//
// Keeps: x, g, v, r, the optimiser's state, and h and k of itself and of every neighbour:
// (6 + 2 degree) p floats, and one more for each neighbour that may leave. Sends: p and q to every
// neighbour, once a round: two messages. Waits: for its neighbours. Needs: W doubly stochastic and
// the same in every round; gamma below 1 for coarse codecs. Invariants: the mean of all r is 0, and
// that of all v that of all g; the average of x is moved by steps along v alone; with C = identity
// and gamma = 1 it is gradient tracking in the order combine, then adapt (DIGing): x_i+ = sum_j
// w_ij x_j - eta v_i, v_i+ = sum_j w_ij v_j + g_i+ - g_i.
#include "protocol/describe.h"
#include "protocol/gossip/edge_flows.h"
#include "protocol/gossip/followed.h"
#include "protocol/gossip/lockstep.h"
#include "protocol/kernels.h"

namespace kith {

namespace {

class Beer final : public LockstepGossip {
 public:
  Beer(const NodeState& state, const Options& options)
      : LockstepGossip({.name = "beer", .vectors = 2, .introduces = 2}),
        gamma_(static_cast<float>(options.number("gamma"))),
        model_(state.parameters),
        estimate_(SharedBuffer()),
        optimizer_(*state.optimizer) {}

  void persist(Archive& archive) override {
    archive.part("model", model_);
    archive.part("estimate", estimate_);
    archive.vector("rest", rest_);
    archive.part("flows", flows_);
    archive.part("optimizer", optimizer_);
    persist_absent(archive);
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
    model_.follow_own(state, exchange.vectors[0].own);
    model_.follow_others(state, exchange.vectors[0].messages);
    estimate_.follow_own(state, exchange.vectors[1].own);
    estimate_.follow_others(state, exchange.vectors[1].messages);
    Buffer next = state.pool->acquire_floats(state.dimension);
    optimizer_.step(optimizer_.spec().rate_at(state.round, state.total_batches),
                    state.parameters.floats(), tracker_.floats(), next.floats());
    kernels::axpy(gamma_, pull(state, exchange.row, model_, nullptr).floats(), next.floats());
    Buffer rest = pull(state, exchange.row, estimate_, &flows_);
    kernels::scale(gamma_, rest.floats(), rest.floats());
    if (rest_) kernels::axpy(1.0f, rest_.floats(), rest.floats());
    rest_ = std::move(rest).freeze();
    tracker_.reset();
    return std::move(next).freeze();
  }

  // sum_j w_ij (copy_j - own copy), in NodeId order; gamma times each is what its edge brings.
  Buffer pull(const NodeState& state, const MixingRow& row, Followed& vector, EdgeFlows* flows) {
    Buffer sum = state.pool->acquire_floats(state.dimension);
    Buffer difference = state.pool->acquire_floats(state.dimension);
    std::ranges::fill(sum.floats(), 0.0f);
    for (const Neighbor& neighbor : row.neighbors) {
      vector.subtract_own(neighbor.peer, difference.floats());
      kernels::axpy(neighbor.weight, difference.floats(), sum.floats());
      if (flows == nullptr) continue;
      flows->add(state, neighbor.peer, gamma_ * neighbor.weight, difference.floats());
    }
    return sum;
  }

  void start(NodeState& state) override { model_.begin_at(state.parameters); }

  void forget(const NodeState& state, NodeId peer) override {
    model_.forget(peer);
    estimate_.forget(peer);
    flows_.take_back(state, peer, rest_);
  }

  void introduce(const NodeState& state, Wires vectors) override {
    vectors[0] = model_.introduction(state);
    vectors[1] = estimate_.introduction(state);
  }

  void introduced(const NodeState&, NodeId peer, Wires vectors) override {
    model_.introduced(peer, std::move(vectors[0]));
    estimate_.introduced(peer, std::move(vectors[1]));
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
  EdgeFlows flows_;       // that r is made of
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
    .goes_on = GoesOn::kUndirected,
    .cancels = false,
    .messages_per_round = 4,  // with an introduction
};

}  // namespace kith
