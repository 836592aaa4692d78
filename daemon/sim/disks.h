// The disks of simulated machines: the states that each has kept, and which of them a run can go on
// from together. As daemons do it (store/checkpoint_folder.h), without the files.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "protocol/effect.h"

namespace kith {

class Disks {
 public:
  // Of machines that can be so many rounds `apart` (Plan::rounds_apart).
  Disks(uint32_t nodes, Round apart) : apart_(apart), kept_(nodes) {}

  // In place of one of the same round, which a run that has gone back makes anew.
  void keep(NodeId node, const Checkpoint& checkpoint);

  // By NodeId, to be read: of the latest round that all machines have a state for. Empty where
  // there is none. `dimension` and `pool` as of an Archive.
  std::vector<std::shared_ptr<Archive>> fitting(size_t dimension, Pool& pool) const;

 private:
  using Kept = std::map<Round, Checkpoint>;

  Round apart_;
  std::vector<Kept> kept_;  // by node
};

}  // namespace kith
