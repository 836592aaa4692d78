// Overlap SGP (Assran, Loizou, Ballas, Rabbat 2019; ALGORITHMS 2D): stochastic gradient push whose
// messages travel behind the computing of the next tau_o rounds. On `gossip/push_sum.h`.
//
//   x_i+ = p_ii u_i + sum_{j != i} p_ij u_j(r - tau_o)      w likewise      z_i = x_i / w_i
// with u = x + T(z) - z. The paper takes messages in as they come, tau_o rounds late at the most;
// here each is taken in exactly tau_o rounds late, which costs no time where they arrive by then.
// tau_o = 0 is SGP.
//
// Keeps: x, z, w and the last tau_o messages of its own. Sends: as SGP. Waits: for the messages of
// tau_o rounds ago. Needs: as SGP. What is on its way when the run ends is in no node's model.
// Invariants: the sum of w over nodes and messages on their way is N; w > 0; that of x likewise is
// moved by steps alone.
#include "protocol/gossip/lockstep.h"
#include "protocol/gossip/push_sum.h"
#include "protocol/limits.h"

namespace kith {

namespace {

Round overlap_of(const Options& options) { return static_cast<Round>(options.integer("overlap")); }

}  // namespace

extern const AlgorithmInfo osgp_algorithm;
const AlgorithmInfo osgp_algorithm = {
    .name = "osgp",
    .help = "overlap SGP: stochastic gradient push with messages some rounds late",
    .needs = {.lossless = true},
    .options = {option_gossip_steps(),
                {"overlap", OptionSpec::Type::kInteger, int64_t{1},
                 "tau_o: rounds that messages may take behind the computing; 0 = sgp", 0,
                 limits::kOverlapRounds}},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return make_push_sum(state,
                           {.name = "osgp",
                            .local_steps = static_cast<uint32_t>(options.integer("local_steps")),
                            .overlap = overlap_of(options)});
    },
    .batches_per_round = batches_of_gossip,
    .goes_on = GoesOn::kAnyGraph,
    .cancels = false,
    .run_time =
        [](const Options& options, const ClusterTiming& cluster) {
          return gossip_time(cluster,
                             {.local_steps = static_cast<uint32_t>(options.integer("local_steps")),
                              .lag = overlap_of(options)});
        },
    .rounds_late = overlap_of,
};

}  // namespace kith
