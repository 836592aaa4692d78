// Gossip by itself: every node has a vector of its own, and they average them (Xiao, Boyd 2004).
//
//   x_i(0) = x_0 + spread * standard normal, drawn by (seed, node); or, with local_steps > 0, where
//            so many steps on the node's own data lead from there: models trained apart, averaged
//   x_i(t+1) = sum_j w_ij x_j(t)
//
// Keeps: x. Sends: x as floats to every neighbour, once a round. Waits: for its neighbours. Needs:
// W doubly stochastic. Invariant: the average of x. For every start and fixed W
//   sum_i |x_i(t) - mean|^2 <= zeta^(2 t) sum_i |x_i(0) - mean|^2
// and with weights that are drawn in every round the mean square falls by rho = |E W^T W - J|.
#include "protocol/checkpoint.h"
#include "protocol/describe.h"
#include "protocol/gossip/averaging.h"
#include "protocol/limits.h"
#include "topology/error.h"

namespace kith {

namespace {

constexpr uint16_t kVector = 1;

class Consensus final : public Algorithm {
 public:
  Consensus(const NodeState& state, const Options& options)
      : averaging_({.rounds = state.rounds}, kVector),
        local_steps_(static_cast<uint32_t>(options.integer("local_steps"))),
        spread_(static_cast<float>(options.number("spread"))) {}

  Status step(NodeState& state, Event&& event, std::vector<Effect>& out) override {
    if (std::holds_alternative<Start>(event)) start(state, out);
    if (std::holds_alternative<Resume>(event)) averaging_.begin(state, out);
    if (auto* computed = std::get_if<Computed>(&event)) trained(state, std::move(*computed), out);
    if (auto* received = std::get_if<Received>(&event)) {
      if (received->message.kind != kVector) return Reason::kMalformed;
      if (const Status status = averaging_.receive(state, std::move(received->message));
          !status.ok()) {
        return status;
      }
    }
    go_on(state, out);
    return {};
  }

  void persist(Archive& archive) override { averaging_.persist(archive); }

  void describe(const NodeState& state, std::string& out) const override {
    out += "consensus round=" + std::to_string(state.round);
    out += over_ ? " over" : " averaging";
    describe_vector("x", state.parameters, out);
    averaging_.describe(out);
  }

  void waiting_for(const NodeState&, std::vector<NodeId>& out) const override {
    averaging_.waiting_for(out);
  }

 private:
  void start(NodeState& state, std::vector<Effect>& out) {
    if (local_steps_ > 0) {
      out.push_back(Compute{.ticket = 1,
                            .first_batch = 0,
                            .steps = local_steps_,
                            .at = state.parameters,
                            .rule = LocalRule::local_steps()});
      return;
    }
    Buffer x = state.pool->acquire_floats(state.dimension);
    Rng rng(state.seed, state.self, Purpose::kInitialise, 1);
    rng.fill_normal(x.floats());
    const std::span<const float> origin = state.parameters.floats();
    for (size_t i = 0; i < origin.size(); ++i) {
      x.floats()[i] = origin[i] + spread_ * x.floats()[i];
    }
    state.parameters = std::move(x).freeze();
    averaging_.begin(state, out);
  }

  void trained(NodeState& state, Computed&& computed, std::vector<Effect>& out) {
    if (!computed.finite) return finish(state, Finish::Why::kDiverged, out);
    state.parameters = std::move(computed.result);
    loss_ = computed.loss;
    averaging_.begin(state, out);
  }

  void go_on(NodeState& state, std::vector<Effect>& out) {
    if (over_) return;
    const auto told = [&] {
      out.push_back(Report{.round = state.round, .loss = loss_, .parameters = state.parameters});
      ++state.round;
      checkpoint(*this, state, state.round - 1, state.round, out);
    };
    while (averaging_.done() == state.round && averaging_.advance(state, out)) told();
    if (!averaging_.finite()) return finish(state, Finish::Why::kDiverged, out);
    if (averaging_.over()) finish(state, Finish::Why::kDone, out);
  }

  void finish(const NodeState& state, Finish::Why why, std::vector<Effect>& out) {
    over_ = true;
    out.push_back(Finish{why, state.round});
  }

  GossipAveraging averaging_;
  const uint32_t local_steps_;
  const float spread_;
  double loss_ = 0;
  bool over_ = false;
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
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return std::make_unique<Consensus>(state, options);
    },
    // There are local_steps in all; stop.epochs counts rounds as if each had one.
    .batches_per_round = [](const Options&, uint32_t) { return 1.0; },
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
