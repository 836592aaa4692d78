// K-batch-sync SGD (Dutta et al. 2018; ALGORITHMS 2A): nodes go on with new batches at the same
// model until K gradients have come in all; the rest is cancelled and all start again.
//
//   x+ = x - (eta/K) sum_{k=1..K} C(g_{i_k}(x)),  a node may count more than once
//
// Keeps: x; the hub K payloads. Sends: a gradient for every batch, a model to all per update.
// Waits: the hub for K gradients. Needs: a star.
// Invariants: all gradients at the same x; for K <= N an update never takes longer than K-sync's.
#include "protocol/coordinator/gradients.h"

namespace kith {

extern const AlgorithmInfo k_batch_sync_algorithm;
const AlgorithmInfo k_batch_sync_algorithm = {
    .name = "k-batch-sync",
    .help = "the first K gradients by whomever make the step; nobody idles",
    .needs = {.star = true},
    .options = {option_k(), option_adasync(), option_adapt_every()},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return make_gradient_coordinator(state, with_k({.name = "k-batch-sync", .keep_drawing = true},
                                                     options, AdaptiveK::kBatch));
    },
    .batches_per_round = batches_of_k,
    .synchronous = false,
    .central = true,
    .check = check_k,
    .run_time =
        [](const Options& options, const ClusterTiming& cluster) {
          return run_time_of_k(options, cluster, k_batch_sync_time);
        },
};

}  // namespace kith
