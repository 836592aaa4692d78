// CHOCO-SGD (Koloskova, Stich, Jaggi 2019): decentralised SGD over compressed differences.
//
//   v_i = T(x_i)                        `local_steps` steps of the node's own optimiser
//   q_i = C(v_i - xhat_i)               sent to all neighbours
//   xhat_j+ = xhat_j + q_j              the public copy of node j, the same wherever it is kept
//   x_i+ = v_i + gamma sum_j w_ij (xhat_j+ - xhat_i+)
//
// All copies begin as x_0, which every node knows. Of its neighbours' copies a node keeps the sum
// alone, s_i = sum_j w_ij xhat_j, where the weights never change:
//   s_i+ = s_i + sum_j w_ij q_j         x_i+ = v_i + gamma (s_i+ - xhat_i+)
// Where they do each edge has copies of its own (protocol/gossip/edge_choco.h).
// What C leaves out stays in the difference, so that it needs no error feedback. An unbiased codec
// is used as a contraction (protocol/compressor.h).
//
// Keeps: x, v, xhat and s. Sends: q to every neighbour, once a round. Waits: for its neighbours.
// Needs: W doubly stochastic, and edges that go both ways where it changes; gamma below 1 for
// coarse codecs. Invariants: the average of x is moved by steps alone; with C = identity and gamma
// = 1 it is D-PSGD in the order ATC, to rounding.
#include "protocol/describe.h"
#include "protocol/gossip/differences.h"
#include "protocol/gossip/edge_choco.h"
#include "protocol/gossip/lockstep.h"

namespace kith {

namespace {

class ChocoSgd final : public LockstepGossip {
 public:
  ChocoSgd(const NodeState& state, const Options& options)
      : LockstepGossip({.name = "choco-sgd",
                        .local_steps = static_cast<uint32_t>(options.integer("local_steps"))}),
        gamma_(static_cast<float>(options.number("gamma"))),
        copy_(state.parameters),
        copies_(state.parameters) {}

  void persist(Archive& archive) override {
    archive.vector("copy", copy_);
    archive.vector("copies", copies_);
    archive.part("last_sent", last_sent_);
    if (!copy_ || !copies_) archive.refuse();
  }

 private:
  bool encode(NodeState& state, const SharedBuffer& v, Wires wires) override {
    Rng rng(state.seed, state.self, Purpose::kCodec, state.round);
    return encode_difference(state, v, copy_, last_sent_, rng, wires[0]);
  }

  SharedBuffer combine(NodeState& state, const Exchange& exchange) override {
    add_difference(state, state.self, exchange.vectors[0].own, copy_);
    add_all(state, exchange);
    terms_.clear();
    terms_.push_back({1.0f, exchange.computed.floats()});
    terms_.push_back({gamma_, copies_.floats()});
    terms_.push_back({-gamma_, copy_.floats()});
    Buffer next = state.pool->acquire_floats(state.dimension);
    weighted_sum(*state.codec, terms_, next.floats(), *state.pool);
    return std::move(next).freeze();
  }

  void describe_memory(std::string& out) const override {
    describe_vector("xhat", copy_, out);
    describe_vector("s", copies_, out);
  }

  void add_all(NodeState& state, const Exchange& exchange) {
    terms_.clear();
    terms_.push_back({1.0f, copies_.floats()});
    const Exchanged& heard = exchange.vectors[0];
    terms_.push_back({exchange.row.self, {}, &heard.own, state.self});
    append_heard(exchange.row, heard.messages, 1.0f, terms_);
    Buffer next = state.pool->acquire_floats(state.dimension);
    weighted_sum(*state.codec, terms_, next.floats(), *state.pool);
    copies_ = std::move(next).freeze();
  }

  const float gamma_;
  SharedBuffer copy_;    // xhat_i
  SharedBuffer copies_;  // s_i
  LastSent last_sent_;
  std::vector<Term> terms_;  // scratch, kept for its capacity
};

}  // namespace

extern const AlgorithmInfo choco_sgd_algorithm;
const AlgorithmInfo choco_sgd_algorithm = {
    .name = "choco-sgd",
    .help = "CHOCO-SGD: decentralised SGD that sends compressed differences to its neighbours",
    .needs = {.doubly_stochastic = true, .undirected_changes = true},
    .options =
        {option_gossip_steps(),
         {"gamma", OptionSpec::Type::kNumber, 0.3,
          "consensus step: how far to move towards the neighbours; the coarser the codec, the "
          "smaller",
          0, 1}},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      if (state.mixing->graph().period() == 1) return std::make_unique<ChocoSgd>(state, options);
      return std::make_unique<EdgeChoco>(state, "choco-sgd",
                                         static_cast<uint32_t>(options.integer("local_steps")),
                                         static_cast<float>(options.number("gamma")));
    },
    .batches_per_round = batches_of_gossip,
    .keeps_differences = true,
    .cancels = false,
    .run_time = gossip_run_time,
};

}  // namespace kith
