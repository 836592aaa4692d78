// Synchronous SGD with a coordinator (ALGORITHMS 2A).
//
//   x+ = x - eta opt((1/N) sum_i C(g_i(x)))
//
// Keeps: x; the hub N payloads, and the optimiser's state. Sends: one gradient up, one model down
// for each node and round. Waits: for all. Needs: a star.
// Invariants: replicas bit-equal; one step equals one node with a batch N times as large.
#include "protocol/coordinator/gradients.h"

namespace kith {

extern const AlgorithmInfo sync_algorithm;
const AlgorithmInfo sync_algorithm = {
    .name = "sync",
    .help = "synchronous SGD: the hub of a star averages every node's gradient, each round",
    .needs = {.star = true},
    .options = {},
    .make = [](const NodeState& state, const Options&) -> std::unique_ptr<Algorithm> {
      return make_gradient_coordinator(state, {.name = "sync", .k = state.nodes});
    },
    .batches_per_round = [](const Options&, uint32_t) { return 1.0; },
    .synchronous = true,
    .central = true,
    .all_contribute = true,
    .codes_down = true,
    .run_time = [](const Options&,
                   const ClusterTiming& cluster) { return std::optional(sync_time(cluster)); },
    .aggregates = Aggregates::kUpdates,
};

}  // namespace kith
