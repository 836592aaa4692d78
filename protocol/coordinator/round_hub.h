// The hub's half of `rounds.h`: who takes part, what their displacements count, and the step.
#pragma once

#include <optional>
#include <vector>

#include "protocol/coordinator/downlink.h"
#include "protocol/coordinator/gathering.h"
#include "protocol/coordinator/levels.h"
#include "protocol/coordinator/participants.h"
#include "protocol/coordinator/rounds.h"

namespace kith {

// Messages of the machine.
inline constexpr uint16_t kDisplacement = 1;  // to the hub; scalar = mean loss of the local steps
inline constexpr uint16_t kModel = 2;  // from the hub; round = steps that it has seen, scalar = tau
inline constexpr uint16_t kRows = 3;   // to the hub, once; scalar = rows of the sender
inline constexpr uint16_t kControl = 4;     // from the hub, beside kModel: SCAFFOLD's c
inline constexpr uint16_t kDifference = 5;  // from the hub instead of kModel: see downlink.h

// Rows decide something, so that every node tells the hub at the start how many it has.
inline bool needs_rows(const RoundRule& rule) { return rule.by_rows || rule.period.passes > 0; }

class RoundHub {
 public:
  RoundHub(const NodeState& state, const RoundRule& rule);

  // Of a node other than the hub. Changes nothing when it refuses, unless with kLeftOut.
  Status receive(const NodeState& state, Message&& message);

  void add(Contribution&& contribution) { gathering_.add(std::move(contribution)); }

  // All that the round under way needs is there.
  bool complete() const;

  // Takes the step, reports the round and begins the next. False when the numbers overflow.
  bool step(NodeState& state, std::vector<Effect>& out);

  // Hands the model to those who need it: the participants of the round that begins, or at the end
  // everybody. False when the numbers overflow.
  bool publish(const NodeState& state, Downlink& downlink, std::vector<Effect>& out) const;

  // At the beginning of a round, or within one: what has been gathered is not kept.
  void persist(Archive& archive);
  // Begins the round of `state` anew.
  void resume(const NodeState& state) { begin(state); }

  // Of the round under way.
  bool expects(NodeId node) const { return gathering_.expects(node); }
  uint32_t steps(const NodeState& state, NodeId node) const;
  // 0 = the codec stays the same.
  uint32_t levels() const { return levels_ ? levels_->now() : 0; }

  // SCAFFOLD's c of the round under way; empty = 0.
  const SharedBuffer& control() const { return control_; }

  void missing(std::vector<NodeId>& out) const;
  size_t gathered() const { return gathering_.all().size(); }

 private:
  static constexpr size_t kUnknown = ~size_t{0};

  void begin(const NodeState& state);
  const Codec& codec(const NodeState& state) const {
    return levels_ ? levels_->codec() : *state.codec;
  }
  std::vector<double> weights(const NodeState& state) const;
  void normalise(const NodeState& state, std::vector<double>& weights) const;
  void move_control(const NodeState& state);
  double schedule(const NodeState& state) const;

  const RoundRule rule_;
  Period period_;
  Optimizer optimizer_;
  Aggregator aggregator_;
  Gathering gathering_;
  std::optional<Levels> levels_;
  SharedBuffer control_;           // c
  std::vector<size_t> rows_;       // by NodeId; kUnknown until told
  std::vector<NodeId> untold_;     // whose rows are not known, sorted
  std::vector<uint64_t> batches_;  // that a node has computed before this round, by NodeId
};

}  // namespace kith
