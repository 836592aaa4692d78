// CoCoD-SGD (Shen et al. 2019; ALGORITHMS 2B): local SGD whose averaging goes on behind the local
// steps: each node adds its own steps of a round to the average of where the round began. On
// `coordinator/rounds.h`.
//
//   y_i = tau local steps from x_i       wait for z, the mean of all x_i
//   x_i+ = z + (y_i - x_i)               meanwhile: z+ = mean x_i+ = z + mean (y_i - x_i)
//
// Keeps: z and x_i. Sends: one displacement up and one model down for each node and round. Waits:
// at the end of a round for the z that was sent out while it computed. Needs: a star.
// Invariants: z moves by the mean of all local displacements, one round late: the learning rate is
// eta.
#include "protocol/coordinator/round_options.h"

namespace kith {

extern const AlgorithmInfo cocod_sgd_algorithm;
const AlgorithmInfo cocod_sgd_algorithm = {
    .name = "cocod-sgd",
    .help = "local steps added to the average of a round ago, made while they went on",
    .needs = {.star = true},
    .options = {option_local_steps(4)},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      RoundRule rule = fixed_rule("cocod-sgd", options);
      rule.joining = Joining::kOwnSteps;
      return make_rounds(state, rule);
    },
    .batches_per_round = fixed_batches,
    .synchronous = true,
    .central = true,
    .codes_down = true,
    .cancels = false,
    .run_time = overlapped_run_time,
};

}  // namespace kith
