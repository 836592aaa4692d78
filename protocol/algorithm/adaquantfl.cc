// AdaQuantFL (Jhunjhunwala, Gadhikar, Joshi, Eldar 2021; ALGORITHMS 5): federated averaging whose
// messages grow finer as the training loss falls. On `coordinator/rounds.h`.
//
//   y_i = tau_i local steps from x, for i in a sample S    x+ = x - sum_S p_i Q_s(x - y_i)
//   s_k = s_0 sqrt(F_0 / F_k), rounded, at least 1
//
// Q_s is QSGD with s levels, s_0 that of codec.kind. F_k is the mean training loss of the round
// just over, F_0 that of the first; the hub decides and tells s with the model. While the loss is
// large coarse messages do no harm; what they would cost at the end is what s grows for.
//
// Keeps, sends, waits, needs: as FedAvg. Invariant: where the loss stays as it was it is FedAvg
// with "qsgd:s_0", bit for bit.
#include "protocol/coordinator/levels.h"
#include "protocol/coordinator/round_options.h"
#include "topology/error.h"

namespace kith {

namespace {

void check(const Setting& setting) {
  check_rounds(setting);
  if (Levels::first_of(setting.codec) > 0) return;
  throw OperatorError(
      "algorithm.kind = \"adaquantfl\" decides how many levels QSGD has, but codec.kind is \"" +
      setting.codec + "\": set it to the levels to begin with, as in \"qsgd:2\"");
}

}  // namespace

extern const AlgorithmInfo adaquantfl_algorithm;
const AlgorithmInfo adaquantfl_algorithm = {
    .name = "adaquantfl",
    .help = "federated averaging with QSGD whose levels grow as the training loss falls",
    .needs = {.star = true},
    .options = federated_options(),
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      RoundRule rule = federated_rule("adaquantfl", options);
      rule.adapt_levels = true;
      return make_rounds(state, rule);
    },
    .batches_per_round = federated_batches,
    .synchronous = true,
    .central = true,
    .codes_down = true,
    .codec = "qsgd:2",
    .cancels = false,
    .check = check,
    .passes_per_round = federated_passes,
};

}  // namespace kith
