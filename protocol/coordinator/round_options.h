// The options that the algorithms over `rounds.h` share, and what they mean.
#pragma once

#include "protocol/coordinator/rounds.h"

namespace kith {

// tau, one for all nodes; or one for each of them.
OptionSpec option_local_steps(int64_t fallback);
OptionSpec option_local_steps_by_node(double fallback);

OptionSpec option_reset_optimizer(bool fallback);

// The hub's step of SGD with Nesterov momentum, which DiLoCo and its kin take.
OptionSpec option_outer_learning_rate();
OptionSpec option_outer_momentum();
OptimizerSpec outer_nesterov(const Options& options);

// Of algorithms in which all nodes take the same fixed number of steps: local_steps and, where
// there is such a key, reset_optimizer.
RoundRule fixed_rule(const char* name, const Options& options);
double fixed_batches(const Options& options, uint32_t nodes);

// Of these: with a barrier after each round, and with the averaging behind the next round.
std::optional<RunTime> barrier_run_time(const Options& options, const ClusterTiming& cluster);
std::optional<RunTime> overlapped_run_time(const Options& options, const ClusterTiming& cluster);

// Throws OperatorError where error feedback is asked for and what is lost comes again by itself.
void check_no_error_feedback(const Setting& setting, const std::string& algorithm);

// What all of federated learning has: local_steps_by_node, local_epochs, participants; and
// weighting and reset_optimizer where these make sense.
OptionSpecs sampled_options();
OptionSpecs federated_options();
OptionSpecs proximal_options(double mu);  // the same, and the pull to the model of the round
RoundRule federated_rule(const char* name, const Options& options);
double federated_batches(const Options& options, uint32_t nodes);
double federated_passes(const Options& options, uint32_t nodes);

// Throws OperatorError where one of the steps is no whole number.
void check_whole(const char* key, const std::vector<double>& steps);

// Throws OperatorError where a list is not one, or one for each node, or not of whole numbers, and
// where participants are more than the nodes. Looks at those of these keys that there are.
void check_rounds(const Setting& setting);

}  // namespace kith
