// The neighbours that a node gossips without, each until a round that has been agreed with it, if
// it has (protocol/contract.h). Their weights are the node's own meanwhile: where w_ij = w_ji and
// both ends do so, W stays symmetric and its rows sum to 1 among those who are left, with no word
// between any others.
#pragma once

#include <vector>

#include "topology/mixing.h"

namespace kith {

class Absent {
 public:
  void leave(NodeId peer);
  void join(NodeId peer, Round from);

  // Rounds only go up: what is agreed for `round` or before is over.
  void reach(Round round);

  bool empty() const { return peers_.empty(); }
  bool contains(NodeId peer) const;

  // Takes them out of a row of W for the round that was reached.
  void fold(MixingRow& row) const;

 private:
  struct Peer {
    NodeId id;
    Round from;
  };

  std::vector<Peer> peers_;  // sorted by id
};

}  // namespace kith
