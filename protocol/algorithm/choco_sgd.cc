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
// Where they do each edge has copies of its own (protocol/gossip/edge_choco.h). Where neighbours
// may leave it keeps their copies too, for s is another sum when one does; one that joins is told
// xhat_i as it is.
// What C leaves out stays in the difference, so that it needs no error feedback. An unbiased codec
// is used as a contraction (protocol/compressor.h).
//
// Keeps: x, v, xhat and s; xhat_j of each neighbour that may leave. Sends: q to every neighbour,
// once a round. Waits: for its neighbours. Needs: W doubly stochastic, and edges that go both ways
// where it changes; gamma below 1 for coarse codecs. Invariants: the average of x is moved by steps
// alone; with C = identity and gamma = 1 it is D-PSGD in the order ATC, to rounding.
#include "protocol/describe.h"
#include "protocol/gossip/differences.h"
#include "protocol/gossip/edge_choco.h"
#include "protocol/gossip/followed.h"
#include "protocol/gossip/lockstep.h"

namespace kith {

namespace {

class ChocoSgd final : public LockstepGossip {
 public:
  ChocoSgd(const NodeState& state, const Options& options)
      : LockstepGossip({.name = "choco-sgd",
                        .local_steps = static_cast<uint32_t>(options.integer("local_steps")),
                        .introduces = 1}),
        gamma_(static_cast<float>(options.number("gamma"))),
        public_(state.parameters),
        copies_(state.parameters) {}

  void persist(Archive& archive) override {
    archive.part("public", public_);
    archive.vector("copies", copies_);
    archive.number("others", others_);
    persist_absent(archive);
    if (!public_.own() || !copies_) archive.refuse();
  }

 private:
  bool encode(NodeState& state, const SharedBuffer& v, Wires wires) override {
    Rng rng(state.seed, state.self, Purpose::kCodec, state.round);
    return public_.encode(state, v, rng, wires[0]);
  }

  SharedBuffer combine(NodeState& state, const Exchange& exchange) override {
    const Exchanged& heard = exchange.vectors[0];
    public_.follow_own(state, heard.own);
    if (state.peers_leave) public_.follow_others(state, heard.messages);
    others_ ? add_anew(state, exchange.row) : add_all(state, exchange);
    terms_.clear();
    terms_.push_back({1.0f, exchange.computed.floats()});
    terms_.push_back({gamma_, copies_.floats()});
    terms_.push_back({-gamma_, public_.own().floats()});
    Buffer next = state.pool->acquire_floats(state.dimension);
    weighted_sum(*state.codec, terms_, next.floats(), *state.pool);
    return std::move(next).freeze();
  }

  void describe_memory(std::string& out) const override {
    describe_vector("xhat", public_.own(), out);
    describe_vector("s", copies_, out);
  }

  void start(NodeState& state) override {
    public_.begin_at(state.parameters);
    others_ = state.round > 0;
  }

  void forget(const NodeState&, NodeId peer) override {
    public_.forget(peer);
    others_ = true;
  }

  void introduce(const NodeState& state, Wires vectors) override {
    vectors[0] = public_.introduction(state);
  }

  void introduced(const NodeState&, NodeId peer, Wires vectors) override {
    public_.introduced(peer, std::move(vectors[0]));
    others_ = true;
  }

  // The sum of the copies themselves, when it is of others than before.
  void add_anew(NodeState& state, const MixingRow& row) {
    terms_.clear();
    terms_.push_back({row.self, public_.own().floats()});
    for (const Neighbor& neighbor : row.neighbors) {
      terms_.push_back({neighbor.weight, public_.copy(neighbor.peer).floats()});
    }
    Buffer sum = state.pool->acquire_floats(state.dimension);
    weighted_sum(*state.codec, terms_, sum.floats(), *state.pool);
    copies_ = std::move(sum).freeze();
    others_ = false;
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
  Followed public_;          // xhat_i, and where neighbours may leave xhat_j
  SharedBuffer copies_;      // s_i
  bool others_ = false;      // the neighbours are not those of the round before
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
    .goes_on = GoesOn::kAnyGraph,
    .cancels = false,
    .messages_per_round = 2,  // with an introduction
    .run_time = gossip_run_time,
};

}  // namespace kith
