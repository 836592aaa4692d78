// Gossip in lockstep: in each round a node takes local steps, sends one message to its neighbours
// on the graph, waits for one from each, and combines. What algorithms of this family differ in is
// what they send and how they combine; the rest is this machine.
//
// Waits: for its neighbours only, so a node may be a round ahead of another for each edge between
// them.
#pragma once

#include <span>
#include <vector>

#include "protocol/algorithm.h"
#include "protocol/inbox.h"

namespace kith {

class LockstepGossip : public Algorithm {
 public:
  Status step(NodeState& state, Event&& event, std::vector<Effect>& out) final;
  void persist(Archive& archive) override = 0;
  void describe(const NodeState& state, std::string& out) const final;
  void waiting_for(const NodeState& state, std::vector<NodeId>& out) const final;

 protected:
  enum class Sends : uint8_t {
    kAdapted,  // what the local steps reached (adapt, then combine)
    kCurrent   // what the round begins with; computing and sending overlap (combine, then adapt)
  };

  LockstepGossip(const char* name, Sends sends, uint32_t local_steps)
      : name_(name), sends_(sends), local_steps_(local_steps) {}

  // What the round under way has brought together.
  struct Exchange {
    const MixingRow& row;               // of W
    const SharedBuffer& adapted;        // v: where the local steps from x ended
    const Payload& own;                 // what this node sent
    std::span<const Message> messages;  // from row.neighbors, in their order; checked
  };

  // The wire of `x`. False where x is not finite.
  virtual bool encode(NodeState& state, const SharedBuffer& x, SharedBuffer& wire) = 0;

  // x of the next round.
  virtual SharedBuffer combine(NodeState& state, const Exchange& exchange) = 0;

  // Appends the vectors that it keeps beside x and v.
  virtual void describe_memory(std::string& out) const = 0;

 private:
  void begin_round(NodeState& state, std::vector<Effect>& out);
  Status receive(const NodeState& state, Message&& message);
  bool hears(const NodeState& state, const Message& message);
  void adapted(NodeState& state, Computed&& computed, std::vector<Effect>& out);
  bool publish(NodeState& state, const SharedBuffer& x, std::vector<Effect>& out);
  bool ready(const NodeState& state) const;
  void end_round(NodeState& state, std::vector<Effect>& out);
  void finish(const NodeState& state, Finish::Why why, std::vector<Effect>& out);

  const char* name_;
  const Sends sends_;
  const uint32_t local_steps_;
  MixingRow row_;  // of the round under way
  Inbox inbox_;
  SharedBuffer adapted_;  // v of the round under way; empty while it is computed
  SharedBuffer own_;      // what was sent in the round under way
  double loss_ = 0;
  bool over_ = false;
  std::vector<NodeId> peers_;  // scratch, kept for its capacity
};

// The option "local_steps", which algorithms of this family share.
OptionSpec option_gossip_steps();
double batches_of_gossip(const Options& options, uint32_t nodes);

}  // namespace kith
