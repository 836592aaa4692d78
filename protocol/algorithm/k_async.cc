// K-async SGD (Dutta et al. 2018; ALGORITHMS 2A): the hub waits for K distinct nodes. These idle
// until the update and then get the new model; the others go on with the model that they have.
//
//   x+ = x - (eta/K) sum_{k=1..K} C(g_{i_k}(x_k)),  x_k up to many updates old
//
// Keeps: x; the hub K payloads. Sends: one gradient up, one model down for each batch. Waits: the
// hub for K nodes, contributors for the update. Needs: a star.
// With `adasync` K follows the loss (AdaSync, Dutta et al. 2021).
// Invariants: K = N is synchronous SGD bit for bit, K = 1 is async; mean staleness N/K - 1 in the
// long run for any law of the delays.
#include "protocol/coordinator/gradients.h"

namespace kith {

extern const AlgorithmInfo k_async_algorithm;
const AlgorithmInfo k_async_algorithm = {
    .name = "k-async",
    .help = "K distinct nodes make a step and then go on; the others are not disturbed",
    .needs = {.star = true},
    .options = {option_k(), option_adasync(), option_adapt_every(), option_staleness_aware()},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return make_gradient_coordinator(
          state, with_k({.name = "k-async",
                         .pull = Pull::kSendersAtUpdate,
                         .scale_by_staleness = options.flag("staleness_aware")},
                        options, AdaptiveK::kHarmonic));
    },
    .batches_per_round = batches_of_k,
    .synchronous = false,
    .central = true,
    .check = check_k,
    .run_time =
        [](const Options& options, const ClusterTiming& cluster) {
          return run_time_of_k(options, cluster, k_async_time);
        },
};

}  // namespace kith
