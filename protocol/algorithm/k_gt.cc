// K-GT (Liu, Lin, Koloskova, Stich 2023): gradient tracking with tau local steps between two
// exchanges, corrected by what the other nodes' gradients say.
//
//   v_i = x_i after tau steps  x <- x - eta (g_i(x) + c_i)
//   z_i = (x_i - v_i) / (tau eta)                     the mean of what they went along
//   x_i+ = sum_j w_ij (x_j - eta_s (x_j - v_j))       c_i+ = c_i + sum_j w_ij (z_j - z_i)
// With a schedule tau eta is the sum of the rates of the steps. c_i = 0 at first, which the paper
// allows: what it needs is that the mean of all c is 0. When a neighbour leaves, what its edge has
// put into c is taken back (gossip/edge_flows.h).
//
// Keeps: x, v, z, c, one more with eta_s other than 1, and one for each neighbour that may leave.
// Sends: x - eta_s (x - v) and z to every neighbour, once a round: 2 p floats in two messages.
// Waits: for its neighbours. Needs: W doubly stochastic (it may change from round to round); plain
// SGD for the local steps; a codec that loses nothing, since c would add up all that was lost.
// Invariants: the mean of all c is 0; the average of x is moved by steps alone; without noise it
// rests at the optimum of the mean of all f_i for every tau; tau = 1, eta_s = 1 is gradient
// tracking with y_i = g_i + c_i, to rounding: z is read off x, so an error of half a unit in the
// last place of x weighs 1 / (tau eta).
#include "protocol/describe.h"
#include "protocol/gossip/edge_flows.h"
#include "protocol/gossip/lockstep.h"
#include "protocol/kernels.h"
#include "topology/error.h"

namespace kith {

namespace {

class KGt final : public LockstepGossip {
 public:
  explicit KGt(const Options& options)
      : LockstepGossip({.name = "k-gt",
                        .local_steps = static_cast<uint32_t>(options.integer("local_steps")),
                        .vectors = 2}),
        local_steps_(static_cast<uint64_t>(options.integer("local_steps"))),
        global_rate_(static_cast<float>(options.number("global_learning_rate"))) {}

  void persist(Archive& archive) override {
    archive.vector("correction", correction_);
    archive.part("flows", flows_);
    persist_absent(archive);
  }

 private:
  LocalRule rule() const override {
    LocalRule rule = LocalRule::local_steps();
    rule.correction = correction_;
    return rule;
  }

  bool encode(NodeState& state, const SharedBuffer& v, Wires wires) override {
    const std::span<const float> x = state.parameters.floats();
    Buffer direction = state.pool->acquire_floats(state.dimension);
    kernels::subtract(x, v.floats(), direction.floats());
    adapted_ = v;
    if (global_rate_ != 1.0f) {
      Buffer next = state.pool->acquire_floats(state.dimension);
      kernels::add_scaled(x, -global_rate_, direction.floats(), next.floats());
      adapted_ = std::move(next).freeze();
    }
    // Steps of length 0 tell nothing.
    const double rates = sum_of_rates(state);
    const float scale = rates > 0 ? static_cast<float>(1 / rates) : 0.0f;
    kernels::scale(scale, direction.floats(), direction.floats());
    direction_ = std::move(direction).freeze();
    return encode_vector(state, adapted_, wires[0]) && encode_vector(state, direction_, wires[1]);
  }

  SharedBuffer combine(NodeState& state, const Exchange& exchange) override {
    SharedBuffer next = mixed(state, adapted_, exchange, 0);
    Buffer correction = pulled(state, direction_, exchange, 1);
    flows_.add(state, direction_, exchange.row, exchange.vectors[1].messages);
    if (correction_) kernels::axpy(1.0f, correction_.floats(), correction.floats());
    correction_ = std::move(correction).freeze();
    adapted_.reset();
    direction_.reset();
    return next;
  }

  double sum_of_rates(const NodeState& state) const {
    double sum = 0;
    for (uint64_t k = 0; k < local_steps_; ++k) {
      const uint64_t batch = state.round * local_steps_ + k;
      sum += static_cast<double>(state.optimizer->rate_at(batch, state.total_batches));
    }
    return sum;
  }

  void forget(const NodeState& state, NodeId peer) override {
    flows_.take_back(state, peer, correction_);
  }

  void describe_memory(std::string& out) const override {
    describe_vector("z", direction_, out);
    describe_vector("c", correction_, out);
  }

  const uint64_t local_steps_;
  const float global_rate_;  // eta_s
  SharedBuffer adapted_;     // x - eta_s (x - v), while it is exchanged
  SharedBuffer direction_;   // z, while it is exchanged
  SharedBuffer correction_;  // c; empty = 0
  EdgeFlows flows_;          // that c is made of
};

}  // namespace

extern const AlgorithmInfo k_gt_algorithm;
const AlgorithmInfo k_gt_algorithm = {
    .name = "k-gt",
    .help = "gradient tracking with local steps between two exchanges, each corrected",
    .needs = {.doubly_stochastic = true, .lossless = true},
    .options = {option_gossip_steps(),
                {"global_learning_rate", OptionSpec::Type::kNumber, 1.0,
                 "eta_s: how far of the way of its local steps a node goes", 0, 1e6}},
    .make = [](const NodeState&, const Options& options) -> std::unique_ptr<Algorithm> {
      return std::make_unique<KGt>(options);
    },
    .batches_per_round = batches_of_gossip,
    .goes_on = GoesOn::kUndirected,
    .cancels = false,
    .messages_per_round = 2,
    .check =
        [](const Setting& setting) {
          if (setting.optimizer.kind == OptimizerSpec::Kind::kSgd &&
              setting.optimizer.momentum == 0) {
            return;
          }
          throw OperatorError(
              "algorithm.kind = \"k-gt\" reads gradients off plain steps: set train.optimizer = "
              "\"sgd\" and train.momentum = 0, or algorithm.kind = \"gradient-tracking\", which "
              "takes any optimiser");
        },
};

}  // namespace kith
