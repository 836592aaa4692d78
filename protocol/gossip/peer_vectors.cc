#include "protocol/gossip/peer_vectors.h"

#include <string>

namespace kith {

const SharedBuffer* PeerVectors::find(NodeId peer) const {
  const auto place = vectors_.find(peer);
  return place == vectors_.end() ? nullptr : &place->second;
}

void PeerVectors::persist(Archive& archive) {
  size_t count = vectors_.size();
  archive.number("count", count);
  if (archive.reading()) vectors_.clear();
  auto next = vectors_.begin();
  for (size_t i = 0; i < count && archive.ok(); ++i) {
    uint32_t peer = archive.reading() ? 0 : index_of(next->first);
    archive.number("peer." + std::to_string(i), peer);
    SharedBuffer& vector = archive.reading() ? vectors_[NodeId{peer}] : next++->second;
    archive.vector("vector." + std::to_string(i), vector);
  }
  if (vectors_.size() != count) archive.refuse();
}

}  // namespace kith
