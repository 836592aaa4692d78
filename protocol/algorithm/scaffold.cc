// SCAFFOLD (Karimireddy et al. 2020, option II; ALGORITHMS 2B): federated averaging whose local
// steps are corrected by what the other nodes' data say. On `coordinator/rounds.h`.
//
//   y <- y - eta (g_i(y) - c_i + c), tau_i times from x          q_i = C(x - y_i)
//   c_i+ = c_i - c + q_i / (tau_i eta)                           for i in the sample S
//   x+ = x - eta_g mean_S q_i        c+ = c + (1/N) sum_S (c_i+ - c_i)
// With a schedule tau_i eta is the sum of the rates of the steps. The paper sends c_i+ - c_i up
// beside the model; here the hub makes it from q_i, which holds all of it, so nothing more goes up,
// and the codec's loss is the same at both ends.
//
// Keeps: x; each node c_i and c - c_i; the hub c. Sends: for each participant and round one
// displacement up, x and c down. Waits: for S. Needs: a star; plain SGD for the local steps.
// Invariants: the mean of all c_i is c; it rests at the optimum of the mean of all f_i.
#include "protocol/coordinator/round_options.h"

namespace kith {

namespace {

OptionSpecs options() {
  OptionSpecs options = sampled_options();
  options.push_back({"global_learning_rate", OptionSpec::Type::kNumber, 1.0,
                     "eta_g: of the hub's step along the mean displacement", 0, 1e6});
  return options;
}

void check(const Setting& setting) {
  check_rounds(setting);
  if (setting.optimizer.kind == OptimizerSpec::Kind::kSgd && setting.optimizer.momentum == 0) {
    return;
  }
  throw OperatorError(
      "algorithm.kind = \"scaffold\" reads gradients off plain steps: set train.optimizer = "
      "\"sgd\" and train.momentum = 0");
}

}  // namespace

extern const AlgorithmInfo scaffold_algorithm;
const AlgorithmInfo scaffold_algorithm = {
    .name = "scaffold",
    .help = "federated averaging with control variates against the drift of unequal data",
    .needs = {.star = true},
    .options = options(),
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      RoundRule rule = federated_rule("scaffold", options);
      rule.control_variates = true;
      rule.outer.learning_rate = static_cast<float>(options.number("global_learning_rate"));
      return make_rounds(state, rule);
    },
    .batches_per_round = federated_batches,
    .synchronous = true,
    .central = true,
    .cancels = false,
    .check = check,
    .passes_per_round = federated_passes,
};

}  // namespace kith
