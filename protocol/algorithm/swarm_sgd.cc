// SwarmSGD (Nadiradze, Sabour, Davies, Li, Alistarh 2021): local steps between averages of two.
//
//   x_i <- x_i + T(snapshot) - snapshot              tau_i steps of the node's own optimiser
//   picks a random neighbour j;  x_i, x_j <- (x_i + x_j) / 2
// tau_i is tau always, or geometric with that mean, which is what the paper's proof is for. Others
// average with x_i while its steps are under way: what they bring is kept, and the steps are added
// to it (the paper's non-blocking form). With `overlap` the next steps begin when the model is
// offered. On `gossip/pairwise.h`.
//
// Keeps: x, and up to three vectors while an exchange is under way. Sends: for each tau_i steps an
// offer and its answer. Waits: for the answer to its own offer. Needs: edges that go both ways and
// stay; a codec that loses nothing.
// Invariants: an exchange keeps x_i + x_j; no node's pace touches another's.
#include "protocol/gossip/lockstep.h"
#include "protocol/gossip/pairwise.h"

namespace kith {

namespace {

PairwiseRule rule_of(const Options& options) {
  return {.name = "swarm-sgd",
          .steps_first = true,
          .overlap = options.flag("overlap"),
          .local_steps = static_cast<uint32_t>(options.integer("local_steps")),
          .random_steps = options.text("steps") == "geometric"};
}

// A random number of steps with one draw for all of them is not a law that there is theory of.
std::optional<RunTime> run_time(const Options& options, const ClusterTiming& cluster) {
  const PairwiseRule rule = rule_of(options);
  if (rule.random_steps && rule.overlap) return std::nullopt;
  return pairwise_time(cluster, rule.local_steps, rule.overlap);
}

OptionSpec option_steps() {
  OptionSpec spec = option_gossip_steps();
  spec.fallback = int64_t{3};
  return spec;
}

}  // namespace

extern const AlgorithmInfo swarm_sgd_algorithm;
const AlgorithmInfo swarm_sgd_algorithm = {
    .name = "swarm-sgd",
    .help = "local steps, fixed or random in number, then an average with one random neighbour",
    .needs = {.undirected = true, .fixed = true, .lossless = true},
    .options = {option_steps(),
                {"steps",
                 OptionSpec::Type::kText,
                 std::string("geometric"),
                 "number of local steps: fixed, or geometric with that mean",
                 0,
                 0,
                 {"fixed", "geometric"}},
                option_overlap()},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return make_pairwise(state, rule_of(options));
    },
    .batches_per_round = batches_of_gossip,
    .synchronous = false,
    .goes_on = GoesOn::kUndirected,
    .cancels = false,
    .run_time = run_time,
};

}  // namespace kith
