// What is the same over all nodes together, looked at on cuts: the states that all nodes keep at
// the beginning of one round (protocol/checkpoint.h), where no message that matters is on its way.
//
//   zero     vectors whose mean over the nodes is 0: of trackers what they differ from the node's
//            own gradient by (gradient-tracking, beer, k-gt), of D2 and EXTRA what mixing has moved
//   weights  push-sum's w of all nodes and of what is on its way sum to N
//   mean     of plain steps on the laboratory without noise, curvature 1: the mean of all models
//            goes the way of one node's at the mean offset, whatever the graph and the codec
//            (ALGORITHMS 2D), x+ - b = (1 - rate) (x - b) a step; of gossip alone it rests
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/plan.h"

namespace kith::chaos {

struct MeanRule {
  double offset = 0;  // mean b
  bool moves = true;  // false: gossip alone
};

// Without one it has nothing to look at.
struct SumRules {
  const char* zero = nullptr;      // name in the Archive; null = there is none
  double least_rate = 0;           // while the learning rate is no smaller
  const Graph* weights = nullptr;  // over which push-sum goes; null = it does not
  Round late = 0;                  // tau_o: of its messages
  std::optional<MeanRule> mean;
  bool any() const { return zero != nullptr || weights != nullptr || mean; }
  OptimizerSpec optimizer = {};
  uint64_t total_batches = 0;
  uint64_t batches_per_round = 1;
};

// The plan outlives them.
SumRules sum_rules_of(const Plan& plan);

class Sums {
 public:
  Sums(SumRules rules, uint32_t nodes) : rules_(std::move(rules)), nodes_(nodes) {}

  // What is wrong with the cut that this state completes, if it does; "" = nothing.
  std::string add(NodeId node, const Checkpoint& checkpoint);

  // Completed so far.
  uint64_t cuts() const { return cuts_; }

 private:
  using Cut = std::vector<std::shared_ptr<const Archive>>;  // by node; null = not yet

  std::string check_zero(Round round, const Cut& cut) const;
  std::string check_weights(Round round, const Cut& cut) const;
  std::string check_mean(Round round, const Cut& cut);

  SumRules rules_;
  uint32_t nodes_;
  std::map<Round, Cut> open_;
  uint64_t cuts_ = 0;
  Round last_ = 0;            // round of the cut before
  std::vector<double> mean_;  // of its models; empty = there was none
};

}  // namespace kith::chaos
