// EASGD, synchronous (Zhang, Choromanska, LeCun 2015; ALGORITHMS 2B): elastic averaging with all
// nodes at once. On `coordinator/rounds.h`; see `coordinator/elastic.h`.
//
//   x_i+ = x_i - eta g_i(x_i) - alpha (x_i - z), then tau - 1 steps without the spring
//   z+ = z + alpha sum_i (x_i - z)              both from the old x_i and z
// With momentum or another optimiser the first step is of that.
//
// The first round has no spring: all begin at z. A node sends x_i - z before it takes the steps, so
// the hub's sum goes on behind them. The model is z.
//
// Keeps: z and x_i, and the coded x_i - z until it is felt. Sends: one displacement up and one
// model down for each node and round. Waits: at the end of a round for the z that was sent out
// while it computed. Needs: a star; no error feedback, since what a message leaves out stays in
// x_i. Invariants: an exchange keeps sum_i x_i + z; alpha must be below a bound of stability.
#include <algorithm>

#include "protocol/coordinator/elastic.h"
#include "protocol/coordinator/round_options.h"
#include "protocol/theory/elastic_laboratory.h"

namespace kith {

namespace {

void check(const Setting& setting) {
  check_no_error_feedback(setting, "easgd");
  const bool known = setting.optimizer.plain() && setting.step_times_curvature < 2;
  const double c = known ? setting.step_times_curvature : 0;
  const auto steps = static_cast<uint32_t>(setting.options.integer("local_steps"));
  check_alpha(
      setting,
      std::min(elastic_alpha_limit(
                   c, {.nodes = setting.nodes, .period = steps, .order = ElasticOrder::kFirstStep}),
               elastic_coded_alpha_limit(setting.nodes, setting.codec_variance)));
}

}  // namespace

extern const AlgorithmInfo easgd_algorithm;
const AlgorithmInfo easgd_algorithm = {
    .name = "easgd",
    .help = "elastic averaging: nodes tied to a centre by springs, all exchange at once",
    .needs = {.star = true},
    .options = {option_local_steps(10), option_alpha()},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      RoundRule rule = fixed_rule("easgd", options);
      rule.joining = Joining::kElastic;
      rule.alpha = alpha_of(options, state.nodes, state.codec->variance_bound(state.dimension));
      rule.total = rule.alpha * state.nodes;
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
