// The neighbours that a node gossips without, each until a round that has been agreed with it, if
// it has (protocol/contract.h). Their weights are the node's own meanwhile: where w_ij = w_ji and
// both ends do so, W stays symmetric and its rows sum to 1 among those who are left, with no word
// between any others.
#pragma once

#include <algorithm>
#include <vector>

#include "protocol/archive.h"
#include "topology/mixing.h"

namespace kith {

class Absent {
 public:
  void leave(NodeId peer);
  // Messages of rounds from `from` on count again. Of somebody absent.
  void join(NodeId peer, Round from);

  // Rounds only go up: what is agreed for `round` or before is over, and `joined` is told of it.
  template <class Joined>
  void reach(Round round, Joined&& joined) {
    std::erase_if(peers_, [&](const Peer& peer) {
      if (peer.from > round) return false;
      joined(peer.id);
      return true;
    });
  }

  bool empty() const { return peers_.empty(); }

  // No message of `round` goes to `peer` or counts from it.
  bool contains(NodeId peer, Round round) const;

  // `round` is the first that was agreed with `peer`, and is not reached yet.
  bool joins(NodeId peer, Round round) const;

  // Takes them out of a row of W for `round`.
  void fold(MixingRow& row, Round round) const;

  void persist(Archive& archive);

 private:
  struct Peer {
    NodeId id;
    Round from;
  };

  const Peer* find(NodeId peer) const;

  std::vector<Peer> peers_;  // sorted by id
};

}  // namespace kith
