// K-batch-async SGD (Dutta et al. 2018; ALGORITHMS 2A): any K arrivals make an update; whoever
// sends a gradient gets the model of that moment at once and starts again.
//
//   x+ = x - (eta/K) sum_{k=1..K} C(g_{i_k}(x_k))
//
// Keeps: x; the hub K payloads. Sends: one gradient up, one model down for each batch. Waits: a
// node for its answer alone. Needs: a star.
// Invariants: K = 1 is async; mean staleness (N - 1)/K in the long run for any law of the delays;
// K = N is not synchronous (staleness (N - 1)/N remains).
#include "protocol/coordinator/gradients.h"

namespace kith {

extern const AlgorithmInfo k_batch_async_algorithm;
const AlgorithmInfo k_batch_async_algorithm = {
    .name = "k-batch-async",
    .help = "any K gradients make a step; every sender gets the current model at once",
    .needs = {.star = true},
    .options = {option_k(), option_adasync(), option_adapt_every(), option_staleness_aware()},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return make_gradient_coordinator(
          state, with_k({.name = "k-batch-async",
                         .pull = Pull::kAtArrival,
                         .scale_by_staleness = options.flag("staleness_aware")},
                        options, AdaptiveK::kBatch));
    },
    .batches_per_round = batches_of_k,
    .synchronous = false,
    .central = true,
    .check = check_k,
    .run_time =
        [](const Options& options, const ClusterTiming& cluster) {
          return run_time_of_k(options, cluster, k_batch_async_time);
        },
};

}  // namespace kith
