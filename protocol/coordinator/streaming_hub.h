// The hub's half of `streaming.h`: gathers a cut and takes the outer step on its fragment.
#pragma once

#include <vector>

#include "protocol/coordinator/fragments.h"
#include "protocol/coordinator/gathering.h"
#include "protocol/coordinator/streaming.h"

namespace kith {

// Messages of the machine.
inline constexpr uint16_t kFragmentUp = 1;  // to the hub: q; scalar = mean loss since the last cut
inline constexpr uint16_t kFragmentDown = 2;  // from the hub: z_f+; round = cuts that it has seen

// Writes fragment f of z; see streaming.h on what that costs.
void put_fragment(NodeState& state, const Fragments& fragments, uint32_t f,
                  std::span<const float> values);

class StreamingHub {
 public:
  StreamingHub(const NodeState& state, const StreamingRule& rule, const Fragments& fragments);

  // Of a node other than the hub: its part of the cut under way. Changes nothing when it refuses.
  Status receive(const NodeState& state, Message&& message);

  void add(Contribution&& contribution) { gathering_.add(std::move(contribution)); }

  bool complete() const { return gathering_.complete(); }

  // Takes the step, hands the fragment to all, reports the round and begins the next. False when
  // the numbers overflow.
  bool step(NodeState& state, std::vector<Effect>& out);

  // Within a cut: what has been gathered is not kept.
  void persist(Archive& archive);
  // Begins the cut of state.round anew.
  void resume(const NodeState& state) { begin(state); }

  void missing(std::vector<NodeId>& out) const { gathering_.missing(out); }
  size_t gathered() const { return gathering_.all().size(); }

 private:
  void begin(const NodeState& state);
  uint32_t fragment(const NodeState& state) const;
  bool counts_for_a_report(const NodeState& state) const;
  void publish(const NodeState& state, const SharedBuffer& news, std::vector<Effect>& out) const;

  const Fragments fragments_;
  Gathering gathering_;
  std::vector<Optimizer> outer_;      // by fragment
  std::vector<double> disagreement_;  // by fragment, at its last cut; below 0 = not known
};

}  // namespace kith
