// Stale-synchronous parallel SGD (Ho et al. 2013): as async, but a node that is more than `lead`
// gradients ahead of the slowest one waits for it.
//
// Keeps: x. Sends: one gradient up, one model down for each batch. Waits: a node for its answer,
// which comes when it is within the bound. Needs: a star.
// Invariants: no two nodes are more than lead + 1 gradients apart, so a gradient is at most
// (2 lead + 1)(N - 1) updates old; without a bound it is async.
#include "protocol/coordinator/gradients.h"

namespace kith {

extern const AlgorithmInfo ssp_algorithm;
const AlgorithmInfo ssp_algorithm = {
    .name = "ssp",
    .help = "stale-synchronous: each gradient makes a step, but no node runs far ahead",
    .needs = {.star = true},
    .options = {{"lead", OptionSpec::Type::kInteger, int64_t{3},
                 "gradients that a node may be ahead of the slowest", 0, 1e9},
                option_staleness_aware()},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return make_gradient_coordinator(state,
                                       {.name = "ssp",
                                        .pull = Pull::kBounded,
                                        .lead = static_cast<uint64_t>(options.integer("lead")),
                                        .scale_by_staleness = options.flag("staleness_aware")});
    },
    .batches_per_round = batch_of_one,
    .synchronous = false,
    .central = true,
    .run_time =
        [](const Options& options, const ClusterTiming& cluster) {
          return std::optional(
              stale_synchronous_time(cluster, static_cast<uint32_t>(options.integer("lead"))));
        },
};

}  // namespace kith
