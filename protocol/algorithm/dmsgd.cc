// DmSGD, momentum that is averaged as well (Yu, Jin, Yang 2019): decentralised SGD
// whose nodes mix both x and their momentum.
//
//   u_i = beta m_i + g_i(x_i)        v_i = x_i - eta u_i
//   x_i+ = sum_j w_ij v_j            m_i+ = sum_j w_ij u_j
// (Momentum that stays on its node, the other algorithm of this name, is "dpsgd" with
// train.momentum.) The weight decay of [train] is part of g.
//
// Keeps: x, v, u and m. Sends: v and u to every neighbour, once a round: 2 p floats in two
// messages. Waits: for its neighbours. Needs: W doubly stochastic (it may change from round to
// round); a codec that loses nothing.
// Invariants: the averages of x and m go as SGD with momentum along the mean gradient; beta = 0 is
// D-PSGD in the order ATC, bit for bit; W = J is synchronous SGD with momentum, W = I that of a
// node alone.
#include "protocol/describe.h"
#include "protocol/gossip/lockstep.h"
#include "protocol/gossip/momentum.h"
#include "protocol/kernels.h"

namespace kith {

namespace {

class Dmsgd final : public LockstepGossip {
 public:
  explicit Dmsgd(const Options& options)
      : LockstepGossip({.name = "dmsgd", .vectors = 2}),
        beta_(static_cast<float>(options.number("beta"))) {}

  void persist(Archive& archive) override {
    archive.vector("momentum", momentum_);
    persist_absent(archive);
  }

 private:
  LocalRule rule() const override { return {}; }

  bool encode(NodeState& state, const SharedBuffer& g, Wires wires) override {
    direction_ = momentum_direction(state, g, beta_, momentum_);
    adapted_ = plain_step(state, direction_);
    return encode_vector(state, adapted_, wires[0]) && encode_vector(state, direction_, wires[1]);
  }

  SharedBuffer combine(NodeState& state, const Exchange& exchange) override {
    SharedBuffer next = mixed(state, adapted_, exchange, 0);
    momentum_ = mixed(state, direction_, exchange, 1);
    adapted_.reset();
    direction_.reset();
    return next;
  }

  void describe_memory(std::string& out) const override {
    describe_vector("v", adapted_, out);
    describe_vector("u", direction_, out);
    describe_vector("m", momentum_, out);
  }

  const float beta_;
  SharedBuffer adapted_;    // v, while it is exchanged
  SharedBuffer direction_;  // u, while it is exchanged
  SharedBuffer momentum_;   // m; empty = 0
};

}  // namespace

extern const AlgorithmInfo dmsgd_algorithm;
const AlgorithmInfo dmsgd_algorithm = {
    .name = "dmsgd",
    .help = "decentralised SGD with momentum that is mixed along with the models",
    .needs = {.doubly_stochastic = true, .lossless = true},
    .options = {option_gossip_momentum("beta: of the momentum that nodes mix")},
    .make = [](const NodeState&, const Options& options) -> std::unique_ptr<Algorithm> {
      return std::make_unique<Dmsgd>(options);
    },
    .batches_per_round = batches_of_gossip,
    .goes_on = GoesOn::kAnyGraph,
    .cancels = false,
    .messages_per_round = 2,
    .check = [](const Setting& setting) { check_own_momentum("dmsgd", setting); },
};

}  // namespace kith
