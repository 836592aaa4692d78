// FedOpt (Reddi et al. 2021, Algorithm 2; ALGORITHMS 2B): federated averaging whose hub takes a
// step of an adaptive optimiser along the mean displacement. On `coordinator/rounds.h`.
//
//   D = sum_S p_i C(x - y_i)     m+ = beta1 m + (1 - beta1) D
//   v+ = v + D^2 (adagrad), beta2 v + (1 - beta2) D^2 (adam), v - (1 - beta2) D^2 sign(v - D^2)
//   (yogi) x+ = x - lr m+ / (sqrt(v+) + epsilon)
//
// Keeps: x; the hub m and v. Sends, waits, needs: as FedAvg.
#include "protocol/coordinator/round_options.h"

namespace kith {

namespace {

using Type = OptionSpec::Type;

constexpr double kAny = std::numeric_limits<double>::infinity();

OptionSpecs options() {
  OptionSpecs options = federated_options();
  options.push_back({"server",
                     Type::kText,
                     std::string("adam"),
                     "the hub's optimiser",
                     -kAny,
                     kAny,
                     {"adam", "yogi", "adagrad"}});
  options.push_back({"server_learning_rate", Type::kNumber, 0.01, "of the hub's step", 0, 1e6});
  options.push_back({"beta1", Type::kNumber, 0.9, "decay of the hub's first moment", 0, 0.9999});
  options.push_back(
      {"beta2", Type::kNumber, 0.99, "decay of its second moment; not of adagrad", 0, 0.999999});
  options.push_back({"epsilon", Type::kNumber, 1e-3,
                     "added to the root of the second moment: how adaptive it is", 1e-12, 1e6});
  return options;
}

OptimizerSpec server(const Options& options) {
  const std::string& name = options.text("server");
  OptimizerSpec spec;
  spec.kind = name == "adam"   ? OptimizerSpec::Kind::kAdam
              : name == "yogi" ? OptimizerSpec::Kind::kYogi
                               : OptimizerSpec::Kind::kAdagrad;
  spec.learning_rate = static_cast<float>(options.number("server_learning_rate"));
  spec.beta1 = options.number("beta1");
  spec.beta2 = options.number("beta2");
  spec.epsilon = options.number("epsilon");
  return spec;
}

}  // namespace

extern const AlgorithmInfo fedopt_algorithm;
const AlgorithmInfo fedopt_algorithm = {
    .name = "fedopt",
    .help = "federated averaging with Adam, Yogi or Adagrad at the hub",
    .needs = {.star = true},
    .options = options(),
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      RoundRule rule = federated_rule("fedopt", options);
      rule.outer = server(options);
      return make_rounds(state, rule);
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
