// tau: how many local steps a node takes between two exchanges.
#pragma once

#include <cstdint>
#include <vector>

#include "protocol/algorithm.h"

namespace kith {

struct PeriodRule {
  std::vector<uint32_t> steps = {1};  // one for all nodes, or one for each
  // Above 0: so many passes over the node's own rows instead, at least one step.
  double passes = 0;
  // Not empty: these one after the other instead, each for an equal share of the run's batches.
  std::vector<uint32_t> stages = {};
  // Post-local SGD (Lin et al. 2020): one step at a time up to this fraction of the run's batches.
  double single_until = 0;
  // Above 0: AdaComm (Wang, Joshi 2019; ALGORITHMS 5), which begins with `steps`[0] and looks at
  // the training loss every so often.
  Duration adapt_every{};
};

class Period {
 public:
  explicit Period(PeriodRule rule);

  // AdaComm, on the hub: the end of a round with this mean training loss. F_0 is the loss of the
  // first round, F that of the round just over, each at the points where its gradients were taken;
  // `rate` is the learning rate that the next round begins with.
  void observe(Time now, double loss, double rate);

  // Of `node`, which owns `rows` rows and has computed `batches` batches. Needs no more than what
  // is the same on the hub and on the node itself, but for AdaComm, which the hub alone knows.
  uint32_t steps(const NodeState& state, NodeId node, size_t rows, uint64_t batches) const;

  void persist(Archive& archive);

 private:
  PeriodRule rule_;
  uint32_t adapted_ = 0;  // tau of AdaComm; 0 = another rule
  double first_loss_ = 0;
  double first_rate_ = 0;  // 0 = nothing observed yet
  Time next_review_{};
};

// Batches of a node in one round, on average over its run: what AlgorithmInfo wants to know.
double mean_period(const PeriodRule& rule);

}  // namespace kith
