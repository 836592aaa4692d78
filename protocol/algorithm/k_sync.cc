// K-sync SGD (Dutta et al. 2018; ALGORITHMS 2A): the hub waits for the first K of N nodes, cancels
// the other N - K, and all start again at the new model.
//
//   x+ = x - (eta/K) sum_{i in S} C(g_i(x)),  S the K fastest of this round
//
// Keeps: x; the hub K payloads. Sends: K gradients up (and those that were too late), N models
// down. Waits: the hub for K nodes. Needs: a star; data that do not depend on who is fast, or the
// step is biased towards the fast nodes' data.
// Invariants: K distinct nodes at staleness 0; K = N is synchronous SGD bit for bit; the floor of
// the error is that of K nodes.
#include "protocol/coordinator/gradients.h"

namespace kith {

extern const AlgorithmInfo k_sync_algorithm;
const AlgorithmInfo k_sync_algorithm = {
    .name = "k-sync",
    .help = "the first K of N gradients make the step, the others are cancelled",
    .needs = {.star = true},
    .options = {option_k(), option_adasync(), option_adapt_every()},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return make_gradient_coordinator(state,
                                       with_k({.name = "k-sync"}, options, AdaptiveK::kHarmonic));
    },
    .batches_per_round = batches_of_k,
    .synchronous = false,
    .central = true,
    .check = check_k,
    .run_time =
        [](const Options& options, const ClusterTiming& cluster) {
          return run_time_of_k(options, cluster, k_sync_time);
        },
};

}  // namespace kith
