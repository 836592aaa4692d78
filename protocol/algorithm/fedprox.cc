// FedProx (Li et al. 2020; ALGORITHMS 2B): federated averaging whose local steps are pulled towards
// the model that the round began with. On `coordinator/rounds.h`.
//
//   local gradients g_i(y) + mu (y - x); otherwise FedAvg
//
// Keeps, sends, waits, needs: as FedAvg. Invariants: mu = 0 is FedAvg, bit for bit.
#include "protocol/coordinator/round_options.h"

namespace kith {

extern const AlgorithmInfo fedprox_algorithm;
const AlgorithmInfo fedprox_algorithm = {
    .name = "fedprox",
    .help = "federated averaging with local steps pulled towards the model of the round",
    .needs = {.star = true},
    .options = proximal_options(0.01),
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return make_rounds(state, federated_rule("fedprox", options));
    },
    .batches_per_round = federated_batches,
    .synchronous = true,
    .central = true,
    .codes_down = true,
    .cancels = false,
    .check = check_rounds,
    .passes_per_round = federated_passes,
    .aggregates = Aggregates::kUpdates,
};

}  // namespace kith
