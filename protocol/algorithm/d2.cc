// D2 (Tang, Lian, Yan, Zhang, Liu 2018): decentralised SGD without bias from unequal data.
//
//   v_i = T(x_i), one step of the node's own optimiser (plain: x - eta g)
//   x_1 = W v_0        x_{t+1} = W (v_t + x_t - v_{t-1})
// which for a constant eta is x_{t+1} = W (2 x_t - x_{t-1} - eta g_t + eta g_{t-1}) as published.
// Between two rounds the node keeps what mixing has moved it by, d_t = x_t - v_{t-1}, d_0 = 0:
//   phi_i = v_i + d_i    m_i = sum_j w_ij (phi_j - phi_i)    x_i+ = phi_i + m_i    d_i+ = d_i + m_i
// where d_i comes to rest at eta (grad f_i - mean of all grad f) and takes it out of every step.
// Taken as x+ - v, d would add up the rounding of x as well, and the average would drift.
// When a neighbour leaves, what its edge has put into d is taken back (gossip/edge_flows.h).
//
// With lazy weights, (I + W) / 2 in the place of W, it is exact diffusion (Yuan, Ying, Zhao, Sayed
// 2018), and NIDS (Li, Shi, Yan 2019) with one step size for all nodes.
//
// Keeps: x, v, phi and d; a vector for each neighbour that may leave. Sends: phi to every
// neighbour, once a round. Waits: for its neighbours. Needs: W symmetric, the same in every round,
// with every eigenvalue above -1/3 (below it flat directions diverge: z^2 - 2 lambda z + lambda has
// a root outside the unit circle); a codec that loses nothing, since d would add up all that was
// lost. Invariants: the mean of all d is 0, so the average of x is moved by steps alone; without
// noise it rests where all x are equal and the mean of all steps is 0.
#include "protocol/describe.h"
#include "protocol/gossip/edge_flows.h"
#include "protocol/gossip/lockstep.h"
#include "protocol/kernels.h"

namespace kith {

namespace {

class D2 final : public LockstepGossip {
 public:
  D2() : LockstepGossip({.name = "d2"}) {}

  void persist(Archive& archive) override {
    archive.vector("moved", moved_);
    archive.part("flows", flows_);
    persist_absent(archive);
  }

 private:
  bool encode(NodeState& state, const SharedBuffer& v, Wires wires) override {
    corrected_ = sum_of(state, v, moved_);
    return encode_vector(state, corrected_, wires[0]);
  }

  SharedBuffer combine(NodeState& state, const Exchange& exchange) override {
    Buffer m = pulled(state, corrected_, exchange, 0);
    flows_.add(state, corrected_, exchange.row, exchange.vectors[0].messages);
    Buffer next = state.pool->acquire_floats(state.dimension);
    kernels::add_scaled(corrected_.floats(), 1.0f, m.floats(), next.floats());
    if (moved_) kernels::axpy(1.0f, moved_.floats(), m.floats());
    moved_ = std::move(m).freeze();
    corrected_.reset();
    return std::move(next).freeze();
  }

  void forget(const NodeState& state, NodeId peer) override {
    flows_.take_back(state, peer, moved_);
  }

  void describe_memory(std::string& out) const override { describe_vector("d", moved_, out); }

  SharedBuffer corrected_;  // phi, while it is exchanged
  SharedBuffer moved_;      // d; empty = 0
  EdgeFlows flows_;         // that d is made of
};

}  // namespace

extern const AlgorithmInfo d2_algorithm;
const AlgorithmInfo d2_algorithm = {
    .name = "d2",
    .help = "D2: decentralised SGD without bias from unequal data, a step, then mixing",
    .needs = {.undirected = true,
              .doubly_stochastic = true,
              .fixed = true,
              .lossless = true,
              .eigenvalues_above = -1.0 / 3},
    .options = {},
    .make = [](const NodeState&, const Options&) -> std::unique_ptr<Algorithm> {
      return std::make_unique<D2>();
    },
    .batches_per_round = batches_of_gossip,
    .goes_on = GoesOn::kUndirected,
    .cancels = false,
};

}  // namespace kith
