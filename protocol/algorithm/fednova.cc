// FedNova (Wang, Liu, Liang, Joshi, Poor 2020; ALGORITHMS 2B): federated averaging in which a node
// that takes more local steps does not count for more. On `coordinator/rounds.h`.
//
//   d_i = (x - y_i) / n_i       x+ = x - n sum_S p_i C(d_i n_i) / n_i        n = sum_S p_i n_i
// with n_i = eta ||a_i||_1, how far the steps of node i go where all gradients are 1: tau_i eta for
// plain SGD; with momentum, which begins at 0 in each round, and with the pull mu of FedProx by
// their own recursion (coordinator/accumulation.h). The reference code takes the plain number of
// steps in n when mu is not 0; here n is of the same n_i.
//
// Keeps, sends, waits, needs: as FedAvg; SGD for the local steps.
// Invariants: equal n_i is FedAvg, bit for bit.
#include "protocol/coordinator/round_options.h"

namespace kith {

namespace {

void check(const Setting& setting) {
  check_rounds(setting);
  if (setting.optimizer.kind != OptimizerSpec::Kind::kSgd) {
    throw OperatorError(
        "algorithm.kind = \"fednova\" knows how far steps of SGD go, not of other optimisers: set "
        "train.optimizer = \"sgd\"");
  }
  if (setting.optimizer.momentum != 0 && !setting.options.flag("reset_optimizer")) {
    throw OperatorError(
        "algorithm.kind = \"fednova\" with train.momentum needs momentum that begins at 0 in each "
        "round: set algorithm.reset_optimizer = true");
  }
}

}  // namespace

extern const AlgorithmInfo fednova_algorithm;
const AlgorithmInfo fednova_algorithm = {
    .name = "fednova",
    .help = "federated averaging, normalised: more local steps do not count for more",
    .needs = {.star = true},
    .options = proximal_options(0.0),
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      RoundRule rule = federated_rule("fednova", options);
      rule.normalise = true;
      return make_rounds(state, rule);
    },
    .batches_per_round = federated_batches,
    .synchronous = true,
    .central = true,
    .codes_down = true,
    .cancels = false,
    .check = check,
    .passes_per_round = federated_passes,
};

}  // namespace kith
