#include "protocol/coordinator/round_options.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "protocol/limits.h"

namespace kith {

namespace {

using Type = OptionSpec::Type;

constexpr double kAny = std::numeric_limits<double>::infinity();

bool resets(const Options& options) {
  return options.values().contains("reset_optimizer") && options.flag("reset_optimizer");
}

// Of the nodes, those in a round.
double share(const Options& options, uint32_t nodes) {
  const int64_t count = options.integer("participants");
  return count == 0 ? 1 : static_cast<double>(count) / nodes;
}

std::vector<uint32_t> steps_of(const std::vector<double>& values) {
  return {values.begin(), values.end()};
}

}  // namespace

OptionSpec option_local_steps(int64_t fallback) {
  return {"local_steps",
          Type::kInteger,
          fallback,
          "tau: steps of a node between two exchanges",
          1,
          static_cast<double>(limits::kLocalSteps)};
}

OptionSpec option_local_steps_by_node(double fallback) {
  return {"local_steps",
          Type::kNumbers,
          std::vector<double>{fallback},
          "tau: steps of a node in a round; one number, or one for each node",
          1,
          static_cast<double>(limits::kLocalSteps)};
}

OptionSpec option_reset_optimizer(bool fallback) {
  return {"reset_optimizer", Type::kFlag, fallback,
          "momentum of the local steps begins at 0 in each round; else a node keeps its own"};
}

OptionSpec option_outer_learning_rate() {
  return {"outer_learning_rate", Type::kNumber, 0.7, "of the hub's step", 0, 1e6};
}

OptionSpec option_outer_momentum() {
  return {"outer_momentum", Type::kNumber, 0.9, "of the hub's step (Nesterov's)", 0, 0.9999};
}

OptimizerSpec outer_nesterov(const Options& options) {
  return {.learning_rate = static_cast<float>(options.number("outer_learning_rate")),
          .momentum = static_cast<float>(options.number("outer_momentum")),
          .nesterov = true};
}

RoundRule fixed_rule(const char* name, const Options& options) {
  RoundRule rule{.name = name};
  rule.period.steps = {static_cast<uint32_t>(options.integer("local_steps"))};
  rule.fresh_optimizer = resets(options);
  return rule;
}

double fixed_batches(const Options& options, uint32_t) {
  return static_cast<double>(options.integer("local_steps"));
}

std::optional<RunTime> barrier_run_time(const Options& options, const ClusterTiming& cluster) {
  return local_sgd_time(cluster, static_cast<uint32_t>(options.integer("local_steps")));
}

std::optional<RunTime> overlapped_run_time(const Options& options, const ClusterTiming& cluster) {
  return overlap_time(cluster, static_cast<uint32_t>(options.integer("local_steps")));
}

void check_no_error_feedback(const Setting& setting, const std::string& algorithm) {
  if (!setting.error_feedback) return;
  throw OperatorError("codec.memory = \"error-feedback\" does not go with algorithm.kind = \"" +
                      algorithm +
                      "\": what a message leaves out stays in the node's own model and comes with "
                      "the next one; remove codec.memory");
}

OptionSpecs sampled_options() {
  return {
      option_local_steps_by_node(8),
      {"local_epochs", Type::kNumber, 0.0,
       "passes of a node over its own rows in a round, instead of local_steps; 0 = local_steps", 0,
       1e6},
      {"participants", Type::kInteger, int64_t{0}, "nodes of a round, drawn anew for each; 0 = all",
       0, static_cast<double>(limits::kNodes)}};
}

OptionSpecs federated_options() {
  OptionSpecs options = sampled_options();
  options.push_back({"weighting",
                     Type::kText,
                     std::string("rows"),
                     "what a node counts: \"rows\" (as many as it has), \"equal\"",
                     -kAny,
                     kAny,
                     {"rows", "equal"}});
  options.push_back(option_reset_optimizer(false));
  return options;
}

OptionSpecs proximal_options(double mu) {
  OptionSpecs options = federated_options();
  options.push_back(
      {"mu", Type::kNumber, mu, "pull of the local steps towards the model of the round", 0, 1e6});
  return options;
}

RoundRule federated_rule(const char* name, const Options& options) {
  RoundRule rule{.name = name};
  rule.period.steps = steps_of(options.numbers("local_steps"));
  rule.period.passes = options.number("local_epochs");
  rule.participants = static_cast<uint32_t>(options.integer("participants"));
  rule.by_rows = options.values().contains("weighting") && options.text("weighting") == "rows";
  if (options.values().contains("mu")) {
    rule.proximal = static_cast<float>(options.number("mu"));
  }
  rule.fresh_optimizer = resets(options);
  return rule;
}

double federated_batches(const Options& options, uint32_t nodes) {
  return share(options, nodes) * mean_period({.steps = steps_of(options.numbers("local_steps"))});
}

double federated_passes(const Options& options, uint32_t nodes) {
  return share(options, nodes) * options.number("local_epochs");
}

void check_whole(const char* key, const std::vector<double>& steps) {
  if (std::ranges::all_of(steps, [](double each) { return each == std::floor(each); })) return;
  throw OperatorError("algorithm." + std::string(key) + " is " + to_text(steps) +
                      ", but steps are whole numbers");
}

void check_rounds(const Setting& setting) {
  const auto& values = setting.options.values();
  if (const auto found = values.find("local_steps"); found != values.end()) {
    if (const auto* list = std::get_if<std::vector<double>>(&found->second)) {
      check_whole("local_steps", *list);
      if (list->size() != 1 && list->size() != setting.nodes) {
        throw OperatorError("algorithm.local_steps has " + std::to_string(list->size()) +
                            " numbers, but must have one, or one for each of the " +
                            std::to_string(setting.nodes) + " nodes");
      }
    }
  }
  if (setting.down && values.contains("participants") &&
      setting.options.integer("participants") > 0) {
    throw OperatorError(
        "codec.down codes against what all nodes heard last, and with algorithm.participants only "
        "some hear it: leave one of the two out");
  }
  if (values.contains("participants") && setting.options.integer("participants") > setting.nodes) {
    throw OperatorError("algorithm.participants is " +
                        std::to_string(setting.options.integer("participants")) +
                        ", but there are " + std::to_string(setting.nodes) +
                        " nodes: it must be between 0 (all) and " + std::to_string(setting.nodes));
  }
}

}  // namespace kith
