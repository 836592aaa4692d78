// SlowMo (Wang, Tantia, Ballas, Rabbat 2020): local SGD whose average takes a step with momentum of
// its own. With this base it is BMUF (Chen, Huo 2016). ALGORITHMS 2B. On `coordinator/rounds.h`.
//
//   y_i = tau local steps from x         u+ = beta u + (x - mean y_i) / eta
//   x+ = x - alpha eta u+
// eta is the learning rate that the round begins with, so that u survives a change of it.
//
// Keeps: x; the hub u. Sends: one displacement up and one model down for each node and round.
// Waits: for all. Needs: a star. Invariants: beta = 0, alpha = 1 is local SGD, bit for bit; tau =
// 1, alpha = 1 is SGD with momentum beta, to rounding.
#include "protocol/coordinator/round_options.h"

namespace kith {

extern const AlgorithmInfo slowmo_algorithm;
const AlgorithmInfo slowmo_algorithm = {
    .name = "slowmo",
    .help = "local steps, then the average takes a step with slow momentum (BMUF)",
    .needs = {.star = true},
    .options = {option_local_steps(12),
                {"beta", OptionSpec::Type::kNumber, 0.7, "slow momentum", 0, 0.9999},
                {"alpha", OptionSpec::Type::kNumber, 1.0,
                 "slow learning rate, in units of train.learning_rate", 0, 1e6},
                option_reset_optimizer(false)},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      RoundRule rule = fixed_rule("slowmo", options);
      rule.outer.learning_rate = static_cast<float>(options.number("alpha"));
      rule.outer.momentum = static_cast<float>(options.number("beta"));
      rule.per_rate = true;
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
