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
};

class Period {
 public:
  explicit Period(PeriodRule rule);

  // Of `node`, which owns `rows` rows and has computed `batches` batches. Needs no more than what
  // is the same on the hub and on the node itself.
  uint32_t steps(const NodeState& state, NodeId node, size_t rows, uint64_t batches) const;

 private:
  PeriodRule rule_;
};

// Batches of a node in one round, on average over its run: what AlgorithmInfo wants to know.
double mean_period(const PeriodRule& rule);

}  // namespace kith
