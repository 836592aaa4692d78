// An edge as a contract between its two ends: each counts on the other's messages from an agreed
// round on, and until one of them has waited too long. Nobody else has to agree, so that there is
// no quorum to lose. A pure table; Node says it on the wire.
//
//   leave      an end that hears nothing goes on without the other
//   offer      "ours is not in force, I am in round r": again and again, until the other is back
//   proposal   the answer: "number n, from round q", n new to both, q beyond the rounds of both
//   accept     the answer to that: in force at this end; at the other once this has come
//
// A proposal binds nobody before it is accepted, so that an end that cannot be heard never keeps
// the other waiting. Of two that cross, the one with the higher number counts, then that of the
// smaller NodeId. What is too late, for one of the two has reached round q meanwhile, begins again
// with an offer and a later q.
//
// Messages are numbered from the contract's own base on (number << kNumberBits), so that those of
// an earlier contract are refused as duplicates (protocol/edge.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "protocol/archive.h"
#include "topology/types.h"

namespace kith {

class Contracts {
 public:
  static constexpr int kNumberBits = 40;
  // Of begin_with() at the most: so many more are left for those that follow.
  static constexpr uint64_t kFresh = uint64_t{1} << 22;

  struct Terms {
    uint64_t number = 0;
    Round from = 0;
    bool operator==(const Terms&) const = default;
  };

  // Without `self` among them. All are in force from round 0, with number 0.
  Contracts(NodeId self, std::vector<NodeId> peers);

  // Before anything else: all with this number instead.
  void begin_with(uint64_t number);

  std::span<const NodeId> peers() const { return peers_; }
  bool knows(NodeId peer) const;
  bool in_force(NodeId peer) const { return at(peer).in_force; }
  const Terms& terms(NodeId peer) const { return at(peer).terms; }
  bool all_in_force() const { return left_ == 0; }

  void leave(NodeId peer);

  // It is left, and nothing is agreed with it any more.
  void ban(NodeId peer);
  bool banned(NodeId peer) const { return at(peer).banned; }

  // On an offer of `peer`, which is in round `theirs`, to a node that has left it and is in `own`:
  // the last proposal where it still serves, for an offer may come many times. `number`: known() of
  // the other end. `last`: the round that nobody is ever in.
  Terms propose(NodeId peer, uint64_t number, Round theirs, Round own, Round last);

  enum class Outcome : uint8_t {
    kInForce,   // from now on
    kKnown,     // was in force already
    kTooLate,   // this node is in that round, or beyond
    kNoMatter,  // an older one, or one that another proposal is ahead of
  };

  // On a proposal of `peer`.
  Outcome accept(NodeId peer, const Terms& terms, Round own);

  // On the acceptance of `peer`, or a message that shows it.
  Outcome accepted(NodeId peer, uint64_t number, Round own);

  // What an offer says: the highest number that has come from `peer`, whatever became of it.
  uint64_t known(NodeId peer) const;

  // Who was left, and the numbers of what is in force. Of a run that goes on both ends of an edge
  // have kept a state of the same round, and one of them perhaps before a contract was agreed upon
  // that the other has: each number follows from that of begin_with() and the one that was kept, so
  // that where these differ the two find it out, and begin anew.
  void persist(Archive& archive);

  // It has a proposal of this number from here that it has not answered.
  bool awaits(NodeId peer, uint64_t number) const;

 private:
  struct Edge {
    Terms terms;  // in force, or the last that was
    bool in_force = true;
    bool banned = false;
    std::optional<Terms> proposed = {};
    uint64_t seen = 0;   // highest number of a proposal that came
    uint32_t tries = 0;  // proposals that came too late, since the last contract
  };

  const Edge& at(NodeId peer) const;
  Edge& at(NodeId peer) { return const_cast<Edge&>(std::as_const(*this).at(peer)); }
  void enforce(Edge& edge, const Terms& terms);

  NodeId self_;
  std::vector<NodeId> peers_;  // sorted
  std::vector<Edge> edges_;    // by index in peers_
  size_t left_ = 0;
};

}  // namespace kith
