// Asynchronous SGD (ALGORITHMS 2A): x+ = x - eta C(g_i(x_stale)) at each arrival; the sender gets
// x+ and starts again, nobody waits for anybody.
//
// Keeps: x. Sends: one gradient up, one model down for each batch. Waits: a node for its answer
// alone. Needs: a star.
// Invariants: mean staleness N - 1 in the long run, whatever the delays; the floor of the error is
// about 1 + N eta L times that of one gradient.
#include "protocol/coordinator/gradients.h"

namespace kith {

extern const AlgorithmInfo async_algorithm;
const AlgorithmInfo async_algorithm = {
    .name = "async",
    .help = "each gradient makes a step as it comes; its sender gets the new model",
    .needs = {.star = true},
    .options = {option_staleness_aware()},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return make_gradient_coordinator(state,
                                       {.name = "async",
                                        .pull = Pull::kAtArrival,
                                        .scale_by_staleness = options.flag("staleness_aware")});
    },
    .batches_per_round = batch_of_one,
    .synchronous = false,
    .central = true,
    .run_time = [](const Options&,
                   const ClusterTiming& cluster) { return std::optional(async_time(cluster)); },
};

}  // namespace kith
