// Quasi-global momentum (Lin, Karimireddy, Stich, Jaggi 2021: QG-DSGDm): momentum along the way
// that x goes once it is mixed, in place of that along the node's own gradients, which unequal data
// pull apart.
//
//   u_i = beta m_i + g_i(x_i)        v_i = x_i - eta u_i        x_i+ = sum_j w_ij v_j
//   m_i+ = mu m_i + (1 - mu) (x_i - x_i+) / eta
// The weight decay of [train] is part of g. A step of length 0, at the end of a schedule, tells
// nothing: m stays.
//
// Where nodes that were apart come together again m takes that for progress; over edges that go
// both ways it is over within a few rounds, over others it may go on for long, so that there nobody
// goes on without a neighbour.
//
// Keeps: x, v and m. Sends: v to every neighbour, once a round: no more than D-PSGD. Waits: for its
// neighbours. Needs: W doubly stochastic (it may change from round to round); a codec that loses
// nothing.
// Invariants: the average of m follows that of x; beta = 0 is D-PSGD in the order ATC, bit for bit;
// of a node alone m+ = (mu + (1 - mu) beta) m + (1 - mu) g, so that its steps come to
// eta / (1 - beta) g.
#include "protocol/describe.h"
#include "protocol/gossip/lockstep.h"
#include "protocol/gossip/momentum.h"
#include "protocol/kernels.h"

namespace kith {

namespace {

class QuasiGlobalMomentum final : public LockstepGossip {
 public:
  explicit QuasiGlobalMomentum(const Options& options)
      : LockstepGossip({.name = "quasi-global-momentum"}),
        beta_(static_cast<float>(options.number("beta"))),
        mu_(static_cast<float>(options.number("mu"))) {}

  void persist(Archive& archive) override {
    archive.vector("momentum", momentum_);
    persist_absent(archive);
  }

 private:
  LocalRule rule() const override { return {}; }

  bool encode(NodeState& state, const SharedBuffer& g, Wires wires) override {
    adapted_ = plain_step(state, momentum_direction(state, g, beta_, momentum_));
    return encode_vector(state, adapted_, wires[0]);
  }

  SharedBuffer combine(NodeState& state, const Exchange& exchange) override {
    SharedBuffer next = mixed(state, adapted_, exchange, 0);
    adapted_.reset();
    const float rate = state.optimizer->rate_at(state.round, state.total_batches);
    if (rate > 0) follow(state, next.floats(), rate);
    return next;
  }

  // m+ = mu m + (1 - mu) (x - next) / rate
  void follow(NodeState& state, std::span<const float> next, float rate) {
    Buffer way = state.pool->acquire_floats(state.dimension);
    kernels::subtract(state.parameters.floats(), next, way.floats());
    const float weight = (1.0f - mu_) / rate;
    if (momentum_) {
      kernels::scale_add(mu_, momentum_.floats(), weight, way.floats());
    } else {
      kernels::scale(weight, way.floats(), way.floats());
    }
    momentum_ = std::move(way).freeze();
  }

  void describe_memory(std::string& out) const override {
    describe_vector("v", adapted_, out);
    describe_vector("m", momentum_, out);
  }

  const float beta_;
  const float mu_;
  SharedBuffer adapted_;   // v, while it is exchanged
  SharedBuffer momentum_;  // m; empty = 0
};

}  // namespace

extern const AlgorithmInfo quasi_global_momentum_algorithm;
const AlgorithmInfo quasi_global_momentum_algorithm = {
    .name = "quasi-global-momentum",
    .help = "decentralised SGD with momentum along the way that the mixed models go",
    .needs = {.doubly_stochastic = true, .lossless = true},
    .options = {option_gossip_momentum("beta: of the momentum in a step"),
                {"mu", OptionSpec::Type::kNumber, 0.9,
                 "mu: how long the way that x went is remembered", 0, 0.999999}},
    .make = [](const NodeState&, const Options& options) -> std::unique_ptr<Algorithm> {
      return std::make_unique<QuasiGlobalMomentum>(options);
    },
    .batches_per_round = batches_of_gossip,
    .goes_on = GoesOn::kUndirected,
    .cancels = false,
    .check = [](const Setting& setting) { check_own_momentum("quasi-global-momentum", setting); },
};

}  // namespace kith
