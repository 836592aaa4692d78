// Stochastic gradient push (Assran, Loizou, Ballas, Rabbat 2019; ALGORITHMS 2D): decentralised SGD
// over graphs whose edges need not go both ways nor balance. On `gossip/push_sum.h`.
//
//   x_i+ = sum_j p_ij (x_j + T(z_j) - z_j)      w_i+ = sum_j p_ij w_j      z_i = x_i / w_i
// where T is `local_steps` steps of the node's own optimiser (one: T(z) = z - eta g(z)), and the
// columns of P sum to 1. Gradients are taken at z, which is the model. (With more than one step the
// steps go from z at the rate eta, and x moves by as much.)
//
// Keeps: x, z and w. Sends: one vector with one number to each node that hears from it, once a
// round. Waits: for those that it hears from. Needs: a codec that loses nothing; of the mixing
// matrix only the graph.
// Invariants: sum of w is N, w > 0; the sum of x is moved by steps alone; P doubly stochastic: w =
// 1 and it is D-PSGD (atc).
#include "protocol/gossip/lockstep.h"
#include "protocol/gossip/push_sum.h"

namespace kith {

extern const AlgorithmInfo sgp_algorithm;
const AlgorithmInfo sgp_algorithm = {
    .name = "sgp",
    .help = "stochastic gradient push: decentralised SGD over one-way edges, with push-sum weights",
    .needs = {.lossless = true},
    .options = {option_gossip_steps()},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return make_push_sum(
          state,
          {.name = "sgp", .local_steps = static_cast<uint32_t>(options.integer("local_steps"))});
    },
    .batches_per_round = batches_of_gossip,
    .goes_on = GoesOn::kAnyGraph,
    .cancels = false,
    .run_time = gossip_run_time,
};

}  // namespace kith
