// A vector for each of some peers, such as what a node knows of each neighbour. Shared blocks: p
// floats for each peer that has one. Empty vectors stand for 0.
#pragma once

#include <map>

#include "protocol/archive.h"
#include "protocol/buffer.h"
#include "topology/types.h"

namespace kith {

class PeerVectors {
 public:
  // Made when new, and empty then.
  SharedBuffer& at(NodeId peer) { return vectors_[peer]; }
  // Null where there is none.
  const SharedBuffer* find(NodeId peer) const;
  void erase(NodeId peer) { vectors_.erase(peer); }
  size_t size() const { return vectors_.size(); }

  void persist(Archive& archive);

 private:
  std::map<NodeId, SharedBuffer> vectors_;
};

}  // namespace kith
