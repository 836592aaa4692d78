// A vector of every node which its neighbours follow by coded differences: all have the same copy
// of it, bit for bit.
#pragma once

#include <span>

#include "protocol/algorithm.h"
#include "protocol/compressor.h"
#include "protocol/gossip/peer_vectors.h"

namespace kith {

class Followed {
 public:
  // `known` is what all have of all before the first difference; empty = 0.
  explicit Followed(const SharedBuffer& known) : known_(known), own_(known) {}

  // The wire of C(x - own copy). False where it is not finite.
  bool encode(const NodeState& state, const SharedBuffer& x, Rng& rng, SharedBuffer& wire);

  // Adds the difference that this node has sent to its own copy; those of a round to the others'.
  void follow_own(const NodeState& state, const Payload& sent);
  void follow_others(const NodeState& state, std::span<const Message> messages);

  // What the neighbours have of this node, and what all have of `peer`; empty = 0.
  const SharedBuffer& own() const { return own_; }
  const SharedBuffer& copy(NodeId peer);

  // In the midst of a run, before anybody follows.
  void begin_at(const SharedBuffer& x) { own_ = x; }
  // What is told to those who join, and what they have told; p floats.
  SharedBuffer introduction(const NodeState& state) const;
  void introduced(NodeId peer, SharedBuffer copy) { copies_.at(peer) = std::move(copy); }
  void forget(NodeId peer) { copies_.erase(peer); }

  // difference = copy of `peer` - own copy.
  void subtract_own(NodeId peer, std::span<float> difference);

  void persist(Archive& archive);

 private:
  SharedBuffer known_;
  SharedBuffer own_;
  PeerVectors copies_;
  LastSent last_sent_;
};

}  // namespace kith
