// How a node brings together the vectors of several nodes where some of these may be bad: broken,
// or Byzantine, which send whatever they like. The section [aggregate] of a job names a rule;
// aggregator.h gives it to the algorithms that can do with any.
//
// A rule sees whole vectors, decoded, of one length and all finite, and is told nothing of who sent
// them. With n vectors of which f are bad, its head says for which f and n what it makes of them is
// near the good ones, and what it costs.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "protocol/buffer.h"
#include "topology/options.h"

namespace kith {

struct Candidate {
  float weight = 1;  // that it has in the sum which the rule stands for
  std::span<const float> values;
};

class AggregateRule {
 public:
  virtual ~AggregateRule() = default;

  // y = what it makes of `candidates` (at least one), which stand in NodeId order, but for a node's
  // own over a graph, which is first. `centre` is what the node itself takes for right: over a
  // graph its own vector, at a hub what the rule has said last; empty = 0. It may be one of the
  // candidates, y may not be. Weights are positive and sum to 1, to rounding; over a graph to less
  // where a neighbour's vector is left out. A rule that says so in its head does not look at them.
  // Scratch comes from `pool`.
  virtual void combine(std::span<const Candidate> candidates, std::span<const float> centre,
                       std::span<float> y, Pool& pool) = 0;
};

// One line of aggregates.def: AGGREGATE(symbol) names `const AggregateInfo symbol_aggregate` in
// protocol/aggregate/<symbol>.cc.
struct AggregateInfo {
  const char* name;
  const char* help;  // one line
  OptionSpecs options = {};
  // Null = the weighted sum that the algorithm takes by itself, without a look at anything.
  std::unique_ptr<AggregateRule> (*make)(const Options& options) = nullptr;
  // Vectors, a node's own included, below which the rule means nothing; null = 1.
  uint32_t (*fewest)(const Options& options) = nullptr;
  // Over a graph nodes send models, not steps: it then has something to say of these.
  bool of_models = true;
  // At a hub the centre is what it has said last (one vector more); else there is none.
  bool remembers = false;
};

std::vector<const AggregateInfo*> all_aggregates();

// Throws OperatorError with the known names.
const AggregateInfo& aggregate_info(const std::string& name);

// What a job asks for.
struct AggregateSpec {
  const AggregateInfo* info = nullptr;
  Options options;
};

// The options that rules share.
OptionSpec option_byzantine();
OptionSpec option_radius(const char* help);

// Where no radius is given: the median of the lengths, so that with f < n / 2 none is longer than
// the longest of a good vector. Sorts `lengths`, of which there is at least one; of two in the
// middle the smaller.
double median_length(std::span<double> lengths);

// What shortens a vector of `length` to `radius` at most.
inline float clip_to(double radius, double length) {
  return length > radius ? static_cast<float>(radius / length) : 1.0f;
}

}  // namespace kith
