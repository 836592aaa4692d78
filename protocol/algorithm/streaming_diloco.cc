// Streaming DiLoCo (Douillard et al. 2025): DiLoCo whose nodes exchange a fragment of the model at
// a time, and go on while it travels. ALGORITHMS 2B. On `coordinator/streaming.h`.
//
//   after every S = H / P steps a cut; cut r is of fragment f = r mod P:
//     D = mean_i (z_f - x_i,f)                            v_f+ = momentum v_f + D
//                                                         z_f+ = z_f - lr (D + momentum v_f+)
//   overlap_steps later, on each node: x_i,f <- alpha x_i,f + (1 - alpha) z_f+
// H = local_steps, P = fragments; a round is a cut, so a fragment is exchanged every P rounds.
//
// The local optimiser's state stays with its node.
//
// Keeps: z and x; the hub v. Sends: one displacement of a fragment up and one fragment down for
// each node and round, 1 / P of DiLoCo's at a time and as much in H steps. Waits: overlap_steps
// after a cut for all. Needs: a star. Invariants: fragments = 1, overlap_steps = 0, alpha = 0 is
// DiLoCo, bit for bit; each fragment is DiLoCo with a clock of its own where coordinates do not
// meet in the gradient.
#include "protocol/coordinator/round_options.h"
#include "protocol/coordinator/streaming.h"
#include "protocol/limits.h"

namespace kith {

namespace {

using Type = OptionSpec::Type;

uint32_t count(const Options& options, const char* key) {
  return static_cast<uint32_t>(options.integer(key));
}

// S.
uint32_t steps_between_cuts(const Options& options) {
  return count(options, "local_steps") / count(options, "fragments");
}

void check(const Setting& setting) {
  const Options& options = setting.options;
  const uint32_t fragments = count(options, "fragments");
  const uint32_t steps = count(options, "local_steps");
  const std::string asked = "algorithm.fragments is " + std::to_string(fragments);
  if (steps % fragments != 0) {
    const uint32_t below = steps / fragments * fragments;
    throw OperatorError("algorithm.local_steps is " + std::to_string(steps) + " and " + asked +
                        ", but cuts must be equally far apart: make local_steps a multiple of "
                        "fragments, " +
                        (below > 0 ? std::to_string(below) + " or " : "") +
                        std::to_string(below + fragments));
  }
  if (count(options, "overlap_steps") > steps / fragments) {
    throw OperatorError(
        "algorithm.overlap_steps is " + std::to_string(count(options, "overlap_steps")) +
        ", but there are local_steps / fragments = " + std::to_string(steps / fragments) +
        " steps from one cut to the next: it must be between 0 and that");
  }
  if (setting.parameters != 0 && fragments > setting.parameters) {
    throw OperatorError(asked + ", but the model has " + std::to_string(setting.parameters) +
                        " parameters to divide: it must be between 1 and that");
  }
}

std::optional<RunTime> run_time(const Options& options, const ClusterTiming& cluster) {
  return overlap_time(cluster, steps_between_cuts(options), count(options, "overlap_steps"));
}

}  // namespace

extern const AlgorithmInfo streaming_diloco_algorithm;
const AlgorithmInfo streaming_diloco_algorithm = {
    .name = "streaming-diloco",
    .help = "DiLoCo a fragment of the model at a time, exchanged behind the local steps",
    .needs = {.star = true},
    .options = {{"local_steps", Type::kInteger, int64_t{500},
                 "H: steps of a node between two exchanges of a fragment; a multiple of fragments",
                 1, static_cast<double>(limits::kLocalSteps)},
                {"fragments", Type::kInteger, int64_t{4},
                 "P: parts of the model, exchanged in turn, H / P steps apart", 1,
                 static_cast<double>(limits::kFragments)},
                {"overlap_steps", Type::kInteger, int64_t{1},
                 "steps made after a cut before its news is waited for and merged", 0,
                 static_cast<double>(limits::kLocalSteps)},
                {"alpha", Type::kNumber, 0.5,
                 "weight of a node's own fragment when news of it is merged", 0, 0.9999},
                option_outer_learning_rate(),
                option_outer_momentum()},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return make_streaming(state, {.name = "streaming-diloco",
                                    .fragments = count(options, "fragments"),
                                    .steps = steps_between_cuts(options),
                                    .overlap = count(options, "overlap_steps"),
                                    .alpha = options.number("alpha"),
                                    .outer = outer_nesterov(options)});
    },
    .batches_per_round = [](const Options& options,
                            uint32_t) { return static_cast<double>(steps_between_cuts(options)); },
    .synchronous = true,
    .central = true,
    .cancels = false,
    .check = check,
    .run_time = run_time,
};

}  // namespace kith
