// DiLoCo (Douillard et al. 2023): hundreds of local steps, of AdamW in the paper, of whatever
// [train] says here, then a step of SGD with Nesterov momentum along the mean displacement.
// ALGORITHMS 2B. On `coordinator/rounds.h`.
//
//   y_i = H local steps from x           D = mean_i (x - y_i)
//   v+ = momentum v + D                  x+ = x - lr (D + momentum v+)
//
// The local optimiser's state stays with its node.
//
// Keeps: x; the hub v. Sends: one displacement up and one model down for each node and round.
// Waits: for all. Needs: a star. Invariants: lr = 1, momentum = 0 is FedAvg, bit for bit.
#include "protocol/coordinator/round_options.h"

namespace kith {

extern const AlgorithmInfo diloco_algorithm;
const AlgorithmInfo diloco_algorithm = {
    .name = "diloco",
    .help = "many local steps, then a Nesterov step along their mean displacement",
    .needs = {.star = true},
    .options = {option_local_steps(500), option_outer_learning_rate(), option_outer_momentum(),
                option_reset_optimizer(false)},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      RoundRule rule = fixed_rule("diloco", options);
      rule.outer = outer_nesterov(options);
      return make_rounds(state, rule);
    },
    .batches_per_round = fixed_batches,
    .synchronous = true,
    .central = true,
    .codes_down = true,
    .cancels = false,
    .run_time = barrier_run_time,
    .aggregates = Aggregates::kUpdates,
};

}  // namespace kith
