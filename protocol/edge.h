// Receiver-driven repair of directed edges, as a pure table: who has sent what to whom, what may
// have been lost, and whom to ask. No acknowledgements in the good case.
//
// Sender side: numbers messages from 1 and keeps the last `depth` of them (shared blocks).
// Receiver side: remembers which numbers came, refuses duplicates, and asks a peer that keeps its
// algorithm waiting for longer than that edge deserves.
//
// A question is answered with the number sent last. The answer takes the way of the messages, so
// where edges keep their order a number that it tells of and that has not come is lost, and only
// then is anything sent again: on a line so slow that patience is always too short nothing is sent
// twice. A question tells as much of the way there, so that a node that waits for an answer brings
// back its own lost request, of which the other side knows nothing. Patience is a multiple of the
// node's own computing time, doubled for each time that this edge was asked too early, within
// bounds, and halved for each time that asking brought a lost message. It is not learnt from the
// gaps between messages: in a lockstep algorithm one loss lengthens everybody's gaps, and patience
// would grow without bound (tried).
//
// A peer is gone once it has left several questions in a row unanswered for much longer than this
// edge takes to answer one, and never in less than RepairPolicy::silence.
#pragma once

#include <cstdint>
#include <vector>

#include "protocol/event.h"
#include "protocol/time.h"

namespace kith {

// How a body wants losses handled. depth 0: its links neither lose nor double a
// message, so nothing is kept, checked or watched.
struct RepairPolicy {
  size_t depth = 0;                                   // messages kept per outgoing edge
  Duration initial = std::chrono::milliseconds(500);  // patience until something was computed
  Duration floor = std::chrono::milliseconds(20);     // shortest patience
  Duration ceiling = std::chrono::hours(24);          // longest patience between two questions
  Duration silence = std::chrono::seconds(2);         // unanswered this long: tell the body
  bool leaves = false;                                // and go on without the peer
};

class EdgeTable {
 public:
  explicit EdgeTable(RepairPolicy policy) : policy_(policy) {}

  const RepairPolicy& policy() const { return policy_; }

  // Gives the message its number and keeps a reference for repair.
  void sent(Message& message);

  // Copies of what is kept for `to` with a number above `contiguous`, oldest first.
  void kept_after(NodeId to, uint64_t contiguous, std::vector<Message>& out) const;

  // The highest number given to a message for `to`; 0 = none.
  uint64_t last_sent(NodeId to) const;

  // The highest number for `to` that is kept no more, below all that is; 0 = none.
  uint64_t gone(NodeId to) const;

  // `peer` has nothing up to `number` any more: it is not waited for. Only after a question.
  void skip(NodeId peer, uint64_t number);

  // kDuplicate when this number came before. Does not mark it: see accept.
  Status check(const Message& message) const;

  // Marks the number as come.
  void accept(const Message& message, Time now);

  // A message of `peer` broke the rules: how many have since the last good one.
  uint32_t broken(NodeId peer) { return ++in_.at(peer).broken; }

  // A sign of life of `peer`.
  void heard(NodeId peer, Time now);

  // Both directions begin anew: the numbers are those above `base`, nothing is kept or missed. Of a
  // peer that is new to this node the slowest of its edges tells how long answers take.
  void renew(NodeId peer, uint64_t base, Time now);

  // The answer of `peer` to a question: the highest number that it has sent. True where some of
  // that is lost, and must be asked for.
  bool lost(NodeId peer, uint64_t last_sent);

  // After its answer: `peer` itself had lost something, so that a question was well asked.
  void asked_well(NodeId peer);

  // Some of what `peer` has sent up to this number has not come.
  bool behind(NodeId peer, uint64_t number) const { return number > contiguous(peer); }

  // How long this node's last piece of work took.
  void computed_in(Duration time);

  // Every number up to this one has come from `peer`.
  uint64_t contiguous(NodeId peer) const;

  struct Question {
    NodeId peer{};
    bool ask = false;    // send it a repair request now
    Duration again{};    // until the next question is due
    Duration silence{};  // > 0: nothing at all was heard for so long while asked
    bool gone = false;   // that is much longer than this edge takes to answer
  };

  // For a peer that the algorithm waits for since `since` or earlier.
  Question question(NodeId peer, Time since, Time now);

  // For a peer that owes nothing, and of which nothing has been heard for a while: at once where
  // this node is `held_up` by others, so that all who have to do with one that is gone find out at
  // about the same time.
  Question probe(NodeId peer, bool held_up, Time now);

  // It may be gone: it has left half as many questions unanswered as it takes.
  bool suspected(NodeId peer) const;

  // How long `peer` may keep this node waiting before it is asked.
  Duration patience(NodeId peer) const;
  // Without the edge's own history.
  Duration patience() const;

 private:
  struct Out {
    uint64_t last = 0;
    std::vector<Message> kept;  // newest last
  };
  struct In {
    void skip_to(uint64_t number);  // as if all up to it had come
    void close_gap();               // takes what has come right after `contiguous` into it
    void alive(Time now, Duration silence);
    void ask(Time now);
    bool is_gone(Duration quiet, Duration silence) const;

    uint64_t contiguous = 0;
    uint64_t beyond = 0;  // bit k: number contiguous + 1 + k has come
    Time last_heard{};
    Time last_message{};
    Time last_asked{};
    Time first_asked{};       // of those that are unanswered
    uint32_t asked = 0;       // questions since the last message
    uint32_t unanswered = 0;  // questions since the last sign of life
    Duration answers{};       // from a question to a sign of life, on average
    uint32_t messages = 0;    // that have come, as far as it matters
    uint32_t broken = 0;      // see broken()
    bool lost = false;        // what has not come is known to be lost
    uint32_t doubled = 0;     // how often patience has been doubled for this edge
  };

  // Edges by peer. The peers stand apart, so that a search among a few touches one cache line.
  template <class Edge>
  struct Edges {
    std::vector<NodeId> peers;  // sorted
    std::vector<Edge> edges;

    const Edge* find(NodeId peer) const;
    Edge& at(NodeId peer);  // made when new
  };

  RepairPolicy policy_;
  double computing_ns_ = -1;  // moving average; below zero until known
  Edges<Out> out_;
  Edges<In> in_;
};

}  // namespace kith
