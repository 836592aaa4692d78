// Gradient tracking (Di Lorenzo, Scutari 2016: NEXT; Nedic, Olshevsky, Shi 2017: DIGing; here in
// the order adapt, then combine, of Xu, Zhu, Soh, Xie 2015): every node descends along its own
// estimate y_i of the mean gradient, so that unequal data do not bias it.
//
//   y_i = g_i(x_i) in round 0        v_i = x_i - eta opt(y_i)
//   x_i+ = sum_j w_ij v_j            y_i+ = sum_j w_ij y_j + g_i(x_i+) - g_i(x_i)
// Between two rounds the node keeps r_i, what its neighbours have pulled y_i away from g_i by:
//   y_i = g_i(x_i) + r_i        r_i+ = r_i + sum_j w_ij (y_j - y_i)        r_i = 0 at first
// When a neighbour leaves, what its edge has put into r is taken back (gossip/edge_flows.h).
// The optimiser of [train] takes y for a gradient; plain SGD is the papers' step.
//
// Keeps: x, v, y, r and the optimiser's state; a vector for each neighbour that may leave. Sends: v
// and y to every neighbour, once a round: 2 p floats in two messages. Waits: for its neighbours.
// Needs: W doubly stochastic (it may change from round to round); a codec that loses nothing, since
// r would add up all that was lost. Invariants: the mean of all r is 0, and that of all y that of
// all g; with W = J it is synchronous SGD.
#include "protocol/describe.h"
#include "protocol/gossip/edge_flows.h"
#include "protocol/gossip/lockstep.h"
#include "protocol/kernels.h"

namespace kith {

namespace {

class GradientTracking final : public LockstepGossip {
 public:
  explicit GradientTracking(const NodeState& state)
      : LockstepGossip({.name = "gradient-tracking", .vectors = 2}), optimizer_(*state.optimizer) {}

  void persist(Archive& archive) override {
    archive.vector("rest", rest_);
    archive.part("flows", flows_);
    archive.part("optimizer", optimizer_);
    persist_absent(archive);
  }

 private:
  LocalRule rule() const override { return {}; }

  bool encode(NodeState& state, const SharedBuffer& g, Wires wires) override {
    tracker_ = sum_of(state, g, rest_);
    Buffer v = state.pool->acquire_floats(state.dimension);
    optimizer_.step(optimizer_.spec().rate_at(state.round, state.total_batches),
                    state.parameters.floats(), tracker_.floats(), v.floats());
    adapted_ = std::move(v).freeze();
    return encode_vector(state, adapted_, wires[0]) && encode_vector(state, tracker_, wires[1]);
  }

  SharedBuffer combine(NodeState& state, const Exchange& exchange) override {
    SharedBuffer next = mixed(state, adapted_, exchange, 0);
    Buffer rest = pulled(state, tracker_, exchange, 1);
    flows_.add(state, tracker_, exchange.row, exchange.vectors[1].messages);
    if (rest_) kernels::axpy(1.0f, rest_.floats(), rest.floats());
    rest_ = std::move(rest).freeze();
    adapted_.reset();
    tracker_.reset();
    return next;
  }

  void forget(const NodeState& state, NodeId peer) override {
    flows_.take_back(state, peer, rest_);
  }

  void describe_memory(std::string& out) const override {
    describe_vector("v", adapted_, out);
    describe_vector("y", tracker_, out);
    describe_vector("r", rest_, out);
  }

  SharedBuffer adapted_;  // v, while it is exchanged
  SharedBuffer tracker_;  // y, while it is exchanged
  SharedBuffer rest_;     // r; empty = 0
  EdgeFlows flows_;       // that r is made of
  Optimizer optimizer_;
};

}  // namespace

extern const AlgorithmInfo gradient_tracking_algorithm;
const AlgorithmInfo gradient_tracking_algorithm = {
    .name = "gradient-tracking",
    .help = "every node tracks the mean gradient: no bias from unequal data, two vectors an edge",
    .needs = {.doubly_stochastic = true, .lossless = true},
    .options = {},
    .make = [](const NodeState& state, const Options&) -> std::unique_ptr<Algorithm> {
      return std::make_unique<GradientTracking>(state);
    },
    .batches_per_round = batches_of_gossip,
    .goes_on = GoesOn::kUndirected,
    .cancels = false,
    .messages_per_round = 2,
};

}  // namespace kith
