// FedProx (Li et al. 2020; ALGORITHMS 2B): federated averaging whose local steps are pulled towards
// the model that the round began with. On `coordinator/rounds.h`.
//
//   local gradients g_i(y) + mu (y - x); otherwise FedAvg
//
// Keeps, sends, waits, needs: as FedAvg. Invariants: mu = 0 is FedAvg, bit for bit.
#include "protocol/coordinator/round_options.h"

namespace kith {

namespace {

OptionSpecs options_with_mu() {
  OptionSpecs options = federated_options();
  options.push_back({"mu", OptionSpec::Type::kNumber, 0.01,
                     "pull of the local steps towards the model of the round", 0, 1e6});
  return options;
}

}  // namespace

extern const AlgorithmInfo fedprox_algorithm;
const AlgorithmInfo fedprox_algorithm = {
    .name = "fedprox",
    .help = "federated averaging with local steps pulled towards the model of the round",
    .needs = {.star = true},
    .options = options_with_mu(),
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      RoundRule rule = federated_rule("fedprox", options);
      rule.proximal = static_cast<float>(options.number("mu"));
      return make_rounds(state, rule);
    },
    .batches_per_round = federated_batches,
    .synchronous = true,
    .central = true,
    .cancels = false,
    .check = check_rounds,
    .passes_per_round = federated_passes,
};

}  // namespace kith
