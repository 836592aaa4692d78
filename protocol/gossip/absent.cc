#include "protocol/gossip/absent.h"

#include <algorithm>
#include <cstdint>

namespace kith {

namespace {
constexpr Round kNotAgreed = UINT64_MAX;
}  // namespace

void Absent::leave(NodeId peer) {
  const auto place = std::ranges::lower_bound(peers_, peer, {}, &Peer::id);
  if (place != peers_.end() && place->id == peer) {
    place->from = kNotAgreed;
  } else {
    peers_.insert(place, {peer, kNotAgreed});
  }
}

void Absent::join(NodeId peer, Round from) {
  const auto place = std::ranges::lower_bound(peers_, peer, {}, &Peer::id);
  if (place != peers_.end() && place->id == peer) place->from = from;
}

void Absent::reach(Round round) {
  std::erase_if(peers_, [round](const Peer& peer) { return peer.from <= round; });
}

bool Absent::contains(NodeId peer) const {
  return std::ranges::binary_search(peers_, peer, {}, &Peer::id);
}

void Absent::fold(MixingRow& row) const {
  std::erase_if(row.neighbors, [&](const Neighbor& neighbor) {
    if (!contains(neighbor.peer)) return false;
    row.self += neighbor.weight;
    return true;
  });
}

}  // namespace kith
