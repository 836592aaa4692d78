// Local SGD, periodic averaging (PASGD): every node steps on its own, every tau steps all take the
// average. Stich 2019; Wang, Joshi 2018 (ALGORITHMS 2B). On `coordinator/rounds.h`.
//
//   y_i = tau local steps from x      x+ = x - (1/N) sum_i C(x - y_i), which is mean y_i
//
// tau is local_steps; or it falls in stages, each for an equal share of the run's batches
// (decaying); or it is 1 up to a fraction of the run (post-local SGD, Lin et al. 2020). Momentum of
// the local steps stays with its node from round to round, or begins anew.
//
// Keeps: x. Sends: one displacement up and one model down for each node and round. Waits: for all.
// Needs: a star. Invariants: tau = 1 is synchronous SGD, to one rounding a step; replicas equal.
#include <algorithm>
#include <cmath>

#include "protocol/coordinator/round_options.h"
#include "protocol/limits.h"

namespace kith {

namespace {

PeriodRule period_of(const Options& options) {
  PeriodRule rule{.steps = {static_cast<uint32_t>(options.integer("local_steps"))}};
  const std::vector<double>& stages = options.numbers("stages");
  rule.stages = {stages.begin(), stages.end()};
  rule.single_until = options.number("post_local");
  return rule;
}

// Where the period changes, the mean over all rounds of the run: of rounds with tau steps there are
// as many as their share of the batches over tau.
std::optional<RunTime> run_time(const Options& options, const ClusterTiming& cluster) {
  const PeriodRule rule = period_of(options);
  const std::vector<uint32_t>& periods = rule.stages.empty() ? rule.steps : rule.stages;
  const double share = (1 - rule.single_until) / static_cast<double>(periods.size());
  RunTime time;
  double rounds = 0;
  const auto add = [&](uint32_t steps, double of_batches) {
    if (of_batches == 0) return;
    const RunTime part = local_sgd_time(cluster, steps);
    const double weight = of_batches / steps;
    rounds += weight;
    time.seconds_per_round += weight * part.seconds_per_round;
    time.low += weight * part.low;
    time.high += weight * part.high;
    time.standard_error += weight * part.standard_error;
    time.method = std::max(time.method, part.method);
    time.formula = part.formula;
  };
  add(1, rule.single_until);
  for (const uint32_t steps : periods) add(steps, share);
  for (double* seconds : {&time.seconds_per_round, &time.low, &time.high, &time.standard_error}) {
    *seconds /= rounds;
  }
  if (periods.size() > 1 || rule.single_until > 0) time.formula += ", mean over the periods";
  time.local_steps = static_cast<uint32_t>(std::lround(mean_period(rule)));
  return time;
}

void check(const Setting& setting) {
  const std::vector<double>& stages = setting.options.numbers("stages");
  check_whole("stages", stages);
  if (!stages.empty() && setting.options.number("post_local") > 0) {
    throw OperatorError(
        "algorithm.stages and algorithm.post_local both say how the period changes: set one");
  }
}

}  // namespace

extern const AlgorithmInfo local_sgd_algorithm;
const AlgorithmInfo local_sgd_algorithm = {
    .name = "local-sgd",
    .help = "local steps, then the average of all; the period fixed, falling, or post-local",
    .needs = {.star = true},
    .options = {option_local_steps(8),
                {"stages", OptionSpec::Type::kNumbers, std::vector<double>{},
                 "instead of local_steps: one period after the other, each for an equal share of "
                 "the run",
                 1, static_cast<double>(limits::kLocalSteps)},
                {"post_local", OptionSpec::Type::kNumber, 0.0,
                 "post-local SGD: one step at a time up to this fraction of the run", 0, 1},
                option_reset_optimizer(false)},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return make_rounds(state, {.name = "local-sgd",
                                 .period = period_of(options),
                                 .fresh_optimizer = options.flag("reset_optimizer")});
    },
    .batches_per_round = [](const Options& options,
                            uint32_t) { return mean_period(period_of(options)); },
    .synchronous = true,
    .central = true,
    .codes_down = true,
    .cancels = false,
    .check = check,
    .run_time = run_time,
    .aggregates = Aggregates::kUpdates,
};

}  // namespace kith
