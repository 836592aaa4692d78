// EASGD, asynchronous (Zhang, Choromanska, LeCun 2015; ALGORITHMS 2B): each node exchanges with the
// centre on its own, every tau local steps. On `coordinator/elastic.h`.
//
//   y_i = tau local steps      delta = alpha (y_i - z)      x_i+ = y_i - delta      z+ = z + delta
// with the z of that moment. A round is one exchange, of any node. The model is z.
//
// Keeps: z and x_i; the hub the last z of each node. Sends: one displacement up and one model down
// for each exchange. Waits: a node for the answer to its own exchange. Needs: a star; no error
// feedback, since what a message leaves out stays in x_i.
// Invariants: each exchange keeps x_i + z, whatever the codec loses.
#include "protocol/coordinator/elastic.h"
#include "protocol/coordinator/round_options.h"
#include "protocol/theory/elastic_laboratory.h"

namespace kith {

namespace {

void check(const Setting& setting) {
  check_no_error_feedback(setting, "async-easgd");
  check_alpha(setting, elastic_pair_alpha_limit(setting.codec_variance));
}

}  // namespace

extern const AlgorithmInfo async_easgd_algorithm;
const AlgorithmInfo async_easgd_algorithm = {
    .name = "async-easgd",
    .help = "elastic averaging: each node exchanges with the centre as it comes",
    .needs = {.star = true},
    .options = {option_local_steps(10), option_alpha()},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return make_elastic(
          state,
          {.name = "async-easgd",
           .alpha = alpha_of(options, state.nodes, state.codec->variance_bound(state.dimension)),
           .local_steps = static_cast<uint32_t>(options.integer("local_steps"))});
    },
    .batches_per_round = [](const Options& options,
                            uint32_t nodes) { return fixed_batches(options, nodes) / nodes; },
    .synchronous = false,
    .central = true,
    .cancels = false,
    .check = check,
    .run_time =
        [](const Options& options, const ClusterTiming& cluster) {
          return std::optional(
              elastic_async_time(cluster, static_cast<uint32_t>(options.integer("local_steps"))));
        },
};

}  // namespace kith
