// AdaComm (Wang, Joshi 2019; ALGORITHMS 5): local SGD whose period follows the training loss, long
// while the loss is far from its end, short when the noise that long periods bring is what is left.
// On `coordinator/rounds.h`.
//
//   every T_0 seconds, at the end of a round: tau = ceil(sqrt(eta_0 F / (eta F_0)) tau_0), or half
//   of the last one, rounded up, where that is not smaller; until it is 1
//
// F is the mean training loss of the last round, F_0 that of the first. The hub decides and tells
// tau with the model. A run is counted in rounds: stop.epochs and schedules take tau_0 for granted.
//
// Keeps, sends, waits, needs: as local SGD. Its result depends on the clock.
#include "protocol/coordinator/round_options.h"

namespace kith {

extern const AlgorithmInfo adacomm_algorithm;
const AlgorithmInfo adacomm_algorithm = {
    .name = "adacomm",
    .help = "local SGD whose period falls with the training loss",
    .needs = {.star = true},
    .options = {option_local_steps(20), option_adapt_every(), option_reset_optimizer(false)},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      RoundRule rule = fixed_rule("adacomm", options);
      rule.period.adapt_every = from_seconds(options.number("adapt_every"));
      return make_rounds(state, rule);
    },
    .batches_per_round = fixed_batches,
    .synchronous = false,
    .central = true,
    .codes_down = true,
    .cancels = false,
    .aggregates = Aggregates::kUpdates,
};

}  // namespace kith
