// Gossip by itself: every node has a vector of its own, and they average them (Xiao, Boyd 2004).
//
//   x_i(0) = x_0 + spread * standard normal, drawn by (seed, node); or, with local_steps > 0, where
//            so many steps on the node's own data lead from there: models trained apart, averaged
//   x_i(t+1) = sum_j w_ij x_j(t)
//
// Where a neighbour leaves, those who are left have the average of what they hold then; one that
// comes back begins with what a neighbour holds, and not with a vector of its own.
//
// Keeps: x. Sends: x as floats to every neighbour, once a round. Waits: for its neighbours. Needs:
// W doubly stochastic. Invariant: the average of x. For every start and fixed W
//   sum_i |x_i(t) - mean|^2 <= zeta^(2 t) sum_i |x_i(0) - mean|^2
// and with weights that are drawn in every round the mean square falls by rho = |E W^T W - J|.
#include "protocol/gossip/lockstep.h"
#include "protocol/limits.h"
#include "topology/error.h"

namespace kith {

namespace {

class Consensus final : public LockstepGossip {
 public:
  explicit Consensus(const Options& options)
      : LockstepGossip({.name = "consensus",
                        .local_steps = static_cast<uint32_t>(options.integer("local_steps")),
                        .trains_once = true}),
        draws_(options.integer("local_steps") == 0),
        spread_(static_cast<float>(options.number("spread"))) {}

  void persist(Archive& archive) override { persist_absent(archive); }

 private:
  void start(NodeState& state) override {
    if (!draws_ || state.round > 0) return;
    Buffer x = state.pool->acquire_floats(state.dimension);
    Rng rng(state.seed, state.self, Purpose::kInitialise, 1);
    rng.fill_normal(x.floats());
    const std::span<const float> origin = state.parameters.floats();
    for (size_t i = 0; i < origin.size(); ++i) {
      x.floats()[i] = origin[i] + spread_ * x.floats()[i];
    }
    state.parameters = std::move(x).freeze();
  }

  bool encode(NodeState& state, const SharedBuffer& x, Wires wires) override {
    return encode_vector(state, x, wires[0]);
  }

  SharedBuffer combine(NodeState& state, const Exchange& exchange) override {
    terms_.clear();
    terms_.push_back({exchange.row.self, exchange.computed.floats()});
    append_heard(exchange.row, exchange.vectors[0].messages, 1.0f, terms_);
    Buffer next = state.pool->acquire_floats(state.dimension);
    weighted_sum(*state.codec, terms_, next.floats(), *state.pool);
    return std::move(next).freeze();
  }

  void describe_memory(std::string&) const override {}

  const bool draws_;
  const float spread_;
  std::vector<Term> terms_;  // scratch, kept for its capacity
};

}  // namespace

extern const AlgorithmInfo consensus_algorithm;
const AlgorithmInfo consensus_algorithm = {
    .name = "consensus",
    .help = "gossip by itself: nodes average vectors of their own, or models trained apart",
    .needs = {.doubly_stochastic = true},
    .options = {{"local_steps", OptionSpec::Type::kInteger, int64_t{0},
                 "steps of each node by itself before; 0 = vectors that are drawn", 0,
                 limits::kLocalSteps},
                {"spread", OptionSpec::Type::kNumber, 1.0,
                 "standard deviation of what is drawn, with local_steps = 0", 0, 1e9}},
    .make = [](const NodeState&, const Options& options) -> std::unique_ptr<Algorithm> {
      return std::make_unique<Consensus>(options);
    },
    // There are local_steps in all; stop.epochs counts rounds as if each had one.
    .batches_per_round = [](const Options&, uint32_t) { return 1.0; },
    .goes_on = GoesOn::kAnyGraph,
    .cancels = false,
    .check =
        [](const Setting& setting) {
          if (!setting.coded) return;
          throw OperatorError(
              "algorithm.kind = \"consensus\" sends floats: leave [codec] out, or take "
              "algorithm.kind = \"choco-sgd\" with train.learning_rate = 0");
        },
};

}  // namespace kith
