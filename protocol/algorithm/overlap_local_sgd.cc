// Overlap-Local-SGD (Wang, Liang, Joshi 2020; ALGORITHMS 2B): local SGD whose averaging goes on
// behind the local steps. Each node is pulled towards an anchor z, the average of a round ago. On
// `coordinator/rounds.h`.
//
//   y_i = tau local steps from x_i       wait for z        x_i+ = (1 - alpha) y_i + alpha z
//   meanwhile, from the x_i+ of all:     v+ = beta v + (z - mean x_i+) / eta     z+ = z - eta v+
// eta is the learning rate that the round begins with.
//
// Keeps: z and x_i; the hub v. Sends: one displacement up and one model down for each node and
// round. Waits: at the end of a round for the z that was sent out while it computed. Needs: a star;
// no error feedback, since what a message leaves out stays in x_i.
// Invariants (beta = 0): the mean of all x_i moves by (1 - alpha) times the mean of their local
// displacements, as with the learning rate (1 - alpha) eta; (1 - alpha) / (1 - beta) eta with
// momentum.
#include "protocol/coordinator/round_options.h"

namespace kith {

namespace {

void check(const Setting& setting) { check_no_error_feedback(setting, "overlap-local-sgd"); }

}  // namespace

extern const AlgorithmInfo overlap_local_sgd_algorithm;
const AlgorithmInfo overlap_local_sgd_algorithm = {
    .name = "overlap-local-sgd",
    .help = "local steps with a pull to an anchor that is averaged while they go on",
    .needs = {.star = true},
    .options = {option_local_steps(4),
                {"alpha", OptionSpec::Type::kNumber, 0.6, "pull to the anchor, each round", 0, 1},
                {"beta", OptionSpec::Type::kNumber, 0.7, "momentum of the anchor", 0, 0.9999}},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      RoundRule rule = fixed_rule("overlap-local-sgd", options);
      rule.joining = Joining::kPull;
      rule.alpha = options.number("alpha");
      rule.outer.momentum = static_cast<float>(options.number("beta"));
      rule.per_rate = true;
      return make_rounds(state, rule);
    },
    .batches_per_round = fixed_batches,
    .synchronous = true,
    .central = true,
    .cancels = false,
    .check = check,
    .run_time = overlapped_run_time,
};

}  // namespace kith
