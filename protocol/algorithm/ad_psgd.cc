// AD-PSGD (Lian, Zhang, Zhang, Liu 2018; ALGORITHMS 2D): each node, at its own pace and for ever,
//
//   takes a gradient at a snapshot of x_i            (`local_steps` of them, of its own optimiser)
//   picks a random neighbour j;  x_i, x_j <- (x_i + x_j) / 2
//   x_i <- x_i + T(snapshot) - snapshot              (one step: x_i - eta g(snapshot))
// while others average with x_i as they come. On `gossip/pairwise.h`, which says how an average of
// two is made of two messages without a lock. With `overlap` computing does not wait for the
// average: the steps of a round begin when the model is offered and end on what has become of it.
//
// Keeps: x, and up to three vectors while an exchange is under way. Sends: a round costs an offer
// and its answer. Waits: for the answer to its own offer, which nobody holds back. Needs: edges
// that go both ways and stay; a codec that loses nothing.
// Invariants: an exchange keeps x_i + x_j; no node's pace touches another's.
#include "protocol/gossip/lockstep.h"
#include "protocol/gossip/pairwise.h"

namespace kith {

namespace {

uint32_t steps_of(const Options& options) {
  return static_cast<uint32_t>(options.integer("local_steps"));
}

}  // namespace

extern const AlgorithmInfo ad_psgd_algorithm;
const AlgorithmInfo ad_psgd_algorithm = {
    .name = "ad-psgd",
    .help = "asynchronous gossip: a gradient, then an average with one random neighbour",
    .needs = {.undirected = true, .fixed = true, .lossless = true},
    .options = {option_gossip_steps(), option_overlap()},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return make_pairwise(state, {.name = "ad-psgd",
                                   .overlap = options.flag("overlap"),
                                   .local_steps = steps_of(options)});
    },
    .batches_per_round = batches_of_gossip,
    .synchronous = false,
    .goes_on = GoesOn::kUndirected,
    .cancels = false,
    .run_time =
        [](const Options& options, const ClusterTiming& cluster) {
          return std::optional(pairwise_time(cluster, steps_of(options), options.flag("overlap")));
        },
};

}  // namespace kith
