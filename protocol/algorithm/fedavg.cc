// Federated averaging (McMahan et al. 2017; ALGORITHMS 2B): local SGD by a few nodes at a time,
// that differ in data and in the number of steps. On `coordinator/rounds.h`.
//
//   y_i = tau_i local steps from x, for i in a sample S      x+ = x - sum_S p_i C(x - y_i)
//   p_i = n_i / sum_S n, n_i the rows of node i; or 1/|S|
//
// S is drawn from (seed, round). tau_i is given by node, or as passes over the node's own rows. The
// hub, node 0, is drawn like the others.
//
// Keeps: x. Sends: one displacement up and one model down for each participant and round; at the
// start the number of its rows from each node. Waits: for S. Needs: a star.
// Invariants: all nodes and equal tau is local SGD, bit for bit.
#include "protocol/coordinator/round_options.h"

namespace kith {

extern const AlgorithmInfo fedavg_algorithm;
const AlgorithmInfo fedavg_algorithm = {
    .name = "fedavg",
    .help = "federated averaging: a sample of the nodes, weighted by rows, unequal local steps",
    .needs = {.star = true},
    .options = federated_options(),
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return make_rounds(state, federated_rule("fedavg", options));
    },
    .batches_per_round = federated_batches,
    .synchronous = true,
    .central = true,
    .codes_down = true,
    .cancels = false,
    .check = check_rounds,
    .passes_per_round = federated_passes,
    .aggregates = Aggregates::kUpdates,
};

}  // namespace kith
