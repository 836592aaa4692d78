// Gossip in lockstep: in each round a node takes local steps, sends one message to its neighbours
// on the graph, waits for one from each, and combines. What algorithms of this family differ in is
// what they send and how they combine; the rest is this machine.
//
// Waits: for its neighbours only, so a node may be a round ahead of another for each edge between
// them. With a lag it combines what was sent so many rounds ago, and in its first rounds nothing:
// messages and computing overlap, and a node may be 1 + lag rounds ahead for each edge.
#pragma once

#include <deque>
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

  LockstepGossip(const char* name, Sends sends, uint32_t local_steps, Round lag = 0)
      : name_(name), sends_(sends), local_steps_(local_steps), lag_(lag) {}

  // What the round under way has brought together.
  struct Exchange {
    const MixingRow& row;               // of W, in the round of the messages
    const SharedBuffer& adapted;        // v: where the local steps from x ended
    const Payload& own;                 // what this node sent
    std::span<const Message> messages;  // from row.neighbors, in their order; checked
  };

  // The wire of `x`; left empty, neighbours get a header alone. False where x is not finite.
  virtual bool encode(NodeState& state, const SharedBuffer& x, SharedBuffer& wire) = 0;

  // Message::scalar of what encode() has written.
  virtual double scalar() const { return 0; }

  // Of a message of a neighbour, before it waits for its round.
  virtual Status check_message(const NodeState& state, const Message& message) const;

  // x of the next round.
  virtual SharedBuffer combine(NodeState& state, const Exchange& exchange) = 0;

  // Appends the vectors that it keeps beside x and v.
  virtual void describe_memory(std::string& out) const = 0;

  // With a lag: what is on its way between two checkpoints. It is sent again after Resume.
  void persist_sent(Archive& archive);

 private:
  struct Sent {
    SharedBuffer wire;
    double scalar = 0;
  };

  // The round whose messages the round under way combines; only where there is one.
  bool combines(const NodeState& state) const { return state.round >= lag_; }
  Round combined(const NodeState& state) const { return combines(state) ? state.round - lag_ : 0; }
  void begin_round(NodeState& state, std::vector<Effect>& out);
  Status receive(const NodeState& state, Message&& message);
  bool hears(const NodeState& state, const Message& message);
  void adapted(NodeState& state, Computed&& computed, std::vector<Effect>& out);
  bool publish(NodeState& state, const SharedBuffer& x, std::vector<Effect>& out);
  void send(const NodeState& state, Round round, const Sent& sent, std::vector<Effect>& out);
  void send_again(const NodeState& state, std::vector<Effect>& out);
  bool ready(const NodeState& state) const;
  void end_round(NodeState& state, std::vector<Effect>& out);
  void finish(const NodeState& state, Finish::Why why, std::vector<Effect>& out);

  const char* name_;
  const Sends sends_;
  const uint32_t local_steps_;
  const Round lag_;
  MixingRow row_;  // of the messages that the round under way combines
  Inbox inbox_;
  std::deque<Sent> sent_;  // of the last `lag_` rounds, the oldest first
  SharedBuffer adapted_;   // v of the round under way; empty while it is computed
  SharedBuffer own_;       // what was sent in the round under way
  double loss_ = 0;
  bool over_ = false;
  std::vector<NodeId> peers_;  // scratch, kept for its capacity
};

// The option "local_steps", which algorithms of this family share.
OptionSpec option_gossip_steps();
double batches_of_gossip(const Options& options, uint32_t nodes);
// With its "order", where there is one.
std::optional<RunTime> gossip_run_time(const Options& options, const ClusterTiming& cluster);

}  // namespace kith
