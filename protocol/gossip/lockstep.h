// Gossip in lockstep: in each round a node computes, sends a vector or several to its neighbours on
// the graph, waits for as many from each, and combines. What algorithms of this family differ in is
// what they compute, what they send and how they combine; the rest is this machine.
//
// Waits: for its neighbours only, so a node may be a round ahead of another for each edge between
// them; where the graph leaves edges out, ahead by as many rounds more as it does. With a lag it
// combines what was sent so many rounds ago, and in its first rounds nothing: messages and
// computing overlap, and a node may be 1 + lag rounds ahead for each edge.
//
// Where a neighbour leaves, rounds go on without it, its weight the node's own, until the round
// that is agreed with it. A node that was far behind goes on with the others' round, and makes no
// step in those between. A node that is left alone makes rounds no faster than it did with others:
// else it would be at the end before they had looked round.
//
// Algorithms that follow what their neighbours have of each other tell one that joins: in the first
// round that is agreed with it, it is sent that as floats, before the round's own vectors.
#pragma once

#include <array>
#include <deque>
#include <span>
#include <vector>

#include "protocol/algorithm.h"
#include "protocol/gossip/absent.h"
#include "protocol/inbox.h"
#include "protocol/weighted_sum.h"

namespace kith {

class LockstepGossip : public Algorithm {
 public:
  Status step(NodeState& state, Event&& event, std::vector<Effect>& out) final;
  void persist(Archive& archive) override = 0;
  void describe(const NodeState& state, std::string& out) const final;
  void waiting_for(const NodeState& state, std::vector<NodeId>& out) const final;

 protected:
  enum class Sends : uint8_t {
    kAdapted,  // what is made of the round's work (adapt, then combine)
    kCurrent   // what the round begins with; computing and sending overlap (combine, then adapt)
  };

  // Most vectors that a node sends to a neighbour in a round.
  static constexpr uint32_t kMostVectors = 2;

  struct Spec {
    const char* name;
    Sends sends = Sends::kAdapted;
    uint32_t local_steps = 1;  // batches of a round; 0 = x itself is what is sent, at once
    bool trains_once = false;  // the steps are those of round 0; later rounds have none
    uint32_t vectors = 1;      // each a message of its own, with a codec's wire of p values
    Round lag = 0;             // of what is combined behind what is computed
    bool each_edge = false;    // neighbours are sent wires of their own: one vector, no lag
    uint32_t introduces = 0;  // vectors that one who joins is told; over a graph that stays, no lag
  };

  explicit LockstepGossip(const Spec& spec);

  void prefetch() const override;

  // Of option_gossip_order().
  static Sends sends_of(const Options& options);

  // One of the vectors of the round under way, as all sent it.
  struct Exchanged {
    const Payload& own;                 // what this node sent; empty where each edge has its own
    std::span<const Message> messages;  // from row.neighbors, in their order; checked
  };

  // What the round under way has brought together.
  struct Exchange {
    const MixingRow& row;                // of W, in the round of the messages
    const SharedBuffer& computed;        // where the local steps from x ended; or the gradient at x
    std::span<const Exchanged> vectors;  // as many as the spec says
  };

  using Wires = std::span<SharedBuffer>;  // one for each vector

  // The work of a round, at x: `local_steps` steps of the node's own optimiser, or a gradient.
  virtual LocalRule rule() const { return LocalRule::local_steps(); }

  // The wires of what is sent; `x` is what the spec says: computed, or current. Where one is left
  // empty, neighbours get a header alone. False where a vector is not finite. To be given unless
  // each edge has its own.
  virtual bool encode(NodeState& state, const SharedBuffer& x, Wires wires);

  // The same for one neighbour of the round, in NodeId order, where each edge has its own.
  virtual bool encode_for(NodeState& state, const SharedBuffer& x, NodeId peer, SharedBuffer& wire);

  // Message::scalar of what encode() has written.
  virtual double scalar() const { return 0; }

  // Message::scalar of what encode_for() has written.
  virtual double scalar_for(NodeId) const { return 0; }

  // Of a message of a neighbour, before it waits for its round. With kLeftOut, and without its
  // payload, it waits all the same.
  virtual Status check_message(const NodeState& state, Message& message) const;

  // x of the next round.
  virtual SharedBuffer combine(NodeState& state, const Exchange& exchange) = 0;

  // Appends the vectors that it keeps beside x and what was computed.
  virtual void describe_memory(std::string& out) const = 0;

  // The node begins at state.parameters: at x_0, or in the midst of a run, with no neighbour yet,
  // at the x of one.
  virtual void start(NodeState&) {}

  // What it has of `peer`, or has taken over from it, is of no use any more.
  virtual void forget(const NodeState&, NodeId) {}

  // What neighbours have of this node as the round under way begins; as many as the spec says.
  virtual void introduce(const NodeState& state, Wires vectors);

  // The same of `peer`, with which the round under way is the first.
  virtual void introduced(const NodeState& state, NodeId peer, Wires vectors);

  // Who is sent something in the round under way, sorted; valid until the next call.
  std::span<const NodeId> hearers(const NodeState& state);

  // It goes on without some of its neighbours, at either end of an edge.
  bool misses_somebody() const { return !absent_.empty(); }

  // To be called by persist() of those that go on: who is absent, and the pace with all.
  void persist_absent(Archive& archive);

  // With a lag: what is on its way between two checkpoints. It is sent again after Resume.
  void persist_sent(Archive& archive);

  // For algorithms whose codec loses nothing. The wire of one vector; false where it is not finite.
  bool encode_vector(const NodeState& state, const SharedBuffer& x, SharedBuffer& wire) const;

  // What the node itself brings to the next x where messages lose nothing and its neighbours weigh
  // `leaves` together: (1 - leaves) v, or, where x is what is sent, v - leaves x.
  void append_own(const NodeState& state, const SharedBuffer& v, float leaves,
                  std::vector<Term>& terms) const;

  // Row i of W Q, with Q the vector k of all nodes and `own` what this node sent of it; and of
  // (W - I) Q, as differences, for what is summed up over rounds (add_differences).
  SharedBuffer mixed(const NodeState& state, const SharedBuffer& own, const Exchange& exchange,
                     uint32_t k);
  Buffer pulled(const NodeState& state, const SharedBuffer& own, const Exchange& exchange,
                uint32_t k);

 private:
  struct Sent {
    std::array<SharedBuffer, kMostVectors> wires;
    double scalar = 0;
  };

  // The round whose messages the round under way combines; only where there is one.
  bool combines(const NodeState& state) const { return state.round >= spec_.lag; }
  Round combined(const NodeState& state) const {
    return combines(state) ? state.round - spec_.lag : 0;
  }
  void begin_round(NodeState& state, std::vector<Effect>& out);
  void skip(NodeState& state);
  void welcome(Round round);
  Status receive(const NodeState& state, Message&& message);
  Status receive_introduction(const NodeState& state, Message&& message);
  void leave(const NodeState& state, NodeId peer);
  void end_rounds(NodeState& state, std::vector<Effect>& out);
  bool alone() const { return row_.neighbors.empty() && !absent_.empty(); }
  void keep_pace(Time now);
  bool hears(const NodeState& state, const Message& message);
  void take(NodeState& state, Computed&& computed, std::vector<Effect>& out);
  bool publish(NodeState& state, const SharedBuffer& x, std::vector<Effect>& out);
  bool publish_each(NodeState& state, const SharedBuffer& x, std::vector<Effect>& out);
  void send(const NodeState& state, Round round, const Sent& sent, std::vector<Effect>& out);
  void send_introductions(const NodeState& state, std::vector<Effect>& out);
  void hear_introductions(const NodeState& state);
  bool all_introduced(const NodeState& state) const;
  void send_again(const NodeState& state, std::vector<Effect>& out);
  bool ready(const NodeState& state) const;
  void end_round(NodeState& state, std::vector<Effect>& out);
  void finish(const NodeState& state, Finish::Why why, std::vector<Effect>& out);

  // Of a node that has not made rounds with others yet; counts as so many of them, for the first
  // may be of another kind.
  static constexpr Duration kUnknownPace = std::chrono::milliseconds(100);
  static constexpr int64_t kUnknownCounts = 16;

  const Spec spec_;
  MixingRow row_;  // of the messages that the round under way combines
  std::array<Inbox, kMostVectors> inboxes_;
  Absent absent_;
  std::vector<NodeId> joined_;  // those with whom the round under way is the first
  std::array<Inbox, kMostVectors> introductions_;
  Round skip_to_ = 0;               // once the round under way is over
  Time begun_{};                    // the round under way
  bool somebody_left_ = false;      // in it
  Duration usual_ = kUnknownPace;   // time of a round with neighbours, on average
  int64_t paced_ = kUnknownCounts;  // rounds that it is of
  bool was_whole_ = false;          // there has been a round with all neighbours
  Time due_{};                      // end of the round under way, where the node is alone
  SharedBuffer computed_;           // of the round under way; empty until it is there
  Sent sent_;                       // in the round under way
  std::deque<Sent> on_way_;         // with a lag: of the last rounds, the oldest first
  double loss_ = 0;
  bool over_ = false;
  std::vector<NodeId> peers_;  // scratch, kept for its capacity
  std::vector<Term> terms_;    // the same
};

// What the neighbours bring, in NodeId order: appends the terms of gamma sum_j w_ij q_j.
void append_heard(const MixingRow& row, std::span<const Message> messages, float gamma,
                  std::vector<Term>& terms);

// x + memory, an empty memory being 0: then the block of x itself.
SharedBuffer sum_of(const NodeState& state, const SharedBuffer& x, const SharedBuffer& memory);

// The options "local_steps" and "order", which algorithms of this family share.
OptionSpec option_gossip_steps();
OptionSpec option_gossip_order();
// As many as local steps; one where there is no such option.
double batches_of_gossip(const Options& options, uint32_t nodes);
// With its "order", where there is one.
std::optional<RunTime> gossip_run_time(const Options& options, const ClusterTiming& cluster);

}  // namespace kith
