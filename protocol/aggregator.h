// A rule of [aggregate] as an algorithm uses it: decodes what came, leaves out what is not finite,
// and keeps what the rule asks for from one round to the next.
//
// NaN guard: a payload that holds NaN or infinity is found when it comes (admit), and what is filed
// for its round is a message without a payload. The sender counts as heard, so that nobody waits
// for it; the rule sees one vector less; and Node counts Reason::kLeftOut. Without a rule no value
// is looked at that the codec does not look at: one that is not finite ends the run as diverged.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "protocol/aggregate.h"
#include "protocol/algorithm.h"
#include "protocol/archive.h"
#include "protocol/weighted_sum.h"

namespace kith {

class Aggregator {
 public:
  // Off where the job asks for "mean": the algorithm then sums by itself.
  explicit Aggregator(const NodeState& state);

  bool on() const { return rule_ != nullptr; }

  // check() of the payload. With a rule kLeftOut, and the payload is gone, where a value is not
  // finite; that costs a pass over the payload, and where a codec does not work value by value,
  // decoding it once more.
  Status admit(const Codec& codec, const NodeState& state, Message& message) const;

  // What the rule makes of `terms`, each of them the vector of one node and what it weighs; those
  // without values are left out. `own` is this node's vector over a graph, the values of the first
  // term, around which a rule may clip. At a hub it is empty: the result then stands for the whole
  // weight of all terms, those left out included, and is 0 where there is nothing else. Decodes
  // every payload but floats as they stand, one vector of scratch for each.
  SharedBuffer combine(const Codec& codec, const NodeState& state, std::span<const Term> terms,
                       std::span<const float> own);

  void persist(Archive& archive) { archive.vector("last", last_); }

 private:
  std::span<const float> values_of(const Codec& codec, const NodeState& state, const Term& term);

  std::unique_ptr<AggregateRule> rule_;
  bool remembers_ = false;
  SharedBuffer last_;                  // at a hub, where the rule remembers
  std::vector<Candidate> candidates_;  // scratch, kept for its capacity
  std::vector<SharedBuffer> decoded_;  // the same: what candidates_ look at
};

}  // namespace kith
