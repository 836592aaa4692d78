#include "protocol/gossip/absent.h"

#include <cstdint>
#include <string>

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

const Absent::Peer* Absent::find(NodeId peer) const {
  const auto place = std::ranges::lower_bound(peers_, peer, {}, &Peer::id);
  return place != peers_.end() && place->id == peer ? &*place : nullptr;
}

bool Absent::contains(NodeId peer, Round round) const {
  const Peer* absent = find(peer);
  return absent != nullptr && absent->from > round;
}

bool Absent::joins(NodeId peer, Round round) const {
  const Peer* absent = find(peer);
  return absent != nullptr && absent->from == round;
}

void Absent::fold(MixingRow& row, Round round) const {
  std::erase_if(row.neighbors, [&](const Neighbor& neighbor) {
    if (!contains(neighbor.peer, round)) return false;
    row.self += neighbor.weight;
    return true;
  });
}

// A round that was agreed upon holds where both ends kept it: Node agrees anew with the others.
void Absent::persist(Archive& archive) {
  size_t count = peers_.size();
  archive.number("count", count);
  if (archive.reading()) peers_.clear();
  for (size_t i = 0; i < count && archive.ok(); ++i) {
    uint32_t id = archive.reading() ? 0 : index_of(peers_[i].id);
    Round from = archive.reading() ? 0 : peers_[i].from;
    archive.number("peer." + std::to_string(i), id);
    archive.number("from." + std::to_string(i), from);
    if (!archive.reading()) continue;
    leave(NodeId{id});
    join(NodeId{id}, from);
  }
  if (peers_.size() != count) archive.refuse();
}

}  // namespace kith
