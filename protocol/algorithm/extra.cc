// EXTRA (Shi, Ling, Wu, Yin 2015): decentralised SGD without bias from unequal data, in the order
// combine, then adapt, so that a message travels while the step is computed.
//
//   x_1 = W x_0 - eta g_0
//   x_{t+2} = (I + W) x_{t+1} - (I + W)/2 x_t - eta (g_{t+1} - g_t)
// With v_i = T(x_i), one step of the node's own optimiser (plain: x - eta g), and the sum of all
// differences so far, d_0 = 0:
//   m_i = sum_j w_ij (x_j - x_i)        x_i+ = v_i + d_i + m_i        d_i+ = d_i + m_i / 2
// where d_i comes to rest at what the steps of node i alone differ by from the mean of all.
// When a neighbour leaves, what its edge has put into d is taken back (gossip/edge_flows.h).
//
// Keeps: x, v and d; a vector for each neighbour that may leave. Sends: x to every neighbour, once
// a round. Waits: for its neighbours. Needs: W symmetric and the same in every round, eta L < (5 +
// 3 lambda_min(W)) / 4; a codec that loses nothing, since d would add up all that was lost.
// Invariants: the mean of all d is 0, so the average of x is moved by steps alone; without noise it
// rests where all x are equal and the mean of all steps is 0.
#include "protocol/describe.h"
#include "protocol/gossip/edge_flows.h"
#include "protocol/gossip/lockstep.h"
#include "protocol/kernels.h"

namespace kith {

namespace {

class Extra final : public LockstepGossip {
 public:
  Extra() : LockstepGossip({.name = "extra", .sends = Sends::kCurrent}) {}

  void persist(Archive& archive) override {
    archive.vector("differences", differences_);
    archive.part("flows", flows_);
    persist_absent(archive);
  }

 private:
  bool encode(NodeState& state, const SharedBuffer& x, Wires wires) override {
    return encode_vector(state, x, wires[0]);
  }

  SharedBuffer combine(NodeState& state, const Exchange& exchange) override {
    Buffer m = pulled(state, state.parameters, exchange, 0);
    flows_.add(state, state.parameters, exchange.row, exchange.vectors[0].messages, 0.5f);
    Buffer next = state.pool->acquire_floats(state.dimension);
    kernels::add_scaled(exchange.computed.floats(), 1.0f, m.floats(), next.floats());
    if (differences_) {
      kernels::axpy(1.0f, differences_.floats(), next.floats());
      kernels::scale_add(1.0f, differences_.floats(), 0.5f, m.floats());
    } else {
      kernels::scale(0.5f, m.floats(), m.floats());
    }
    differences_ = std::move(m).freeze();
    return std::move(next).freeze();
  }

  void forget(const NodeState& state, NodeId peer) override {
    flows_.take_back(state, peer, differences_);
  }

  void describe_memory(std::string& out) const override { describe_vector("d", differences_, out); }

  SharedBuffer differences_;  // d; empty = 0
  EdgeFlows flows_;           // that d is made of
};

}  // namespace

extern const AlgorithmInfo extra_algorithm;
const AlgorithmInfo extra_algorithm = {
    .name = "extra",
    .help = "EXTRA: no bias from unequal data; the message travels while the step is computed",
    .needs = {.undirected = true, .doubly_stochastic = true, .fixed = true, .lossless = true},
    .options = {},
    .make = [](const NodeState&, const Options&) -> std::unique_ptr<Algorithm> {
      return std::make_unique<Extra>();
    },
    .batches_per_round = batches_of_gossip,
    .goes_on = GoesOn::kUndirected,
    .cancels = false,
};

}  // namespace kith
