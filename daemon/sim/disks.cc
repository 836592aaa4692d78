#include "daemon/sim/disks.h"

#include <ranges>

#include "daemon/store/checkpoint_folder.h"

namespace kith {

void Disks::keep(NodeId node, const Checkpoint& checkpoint) {
  Kept& kept = kept_[index_of(node)];
  kept.insert_or_assign(checkpoint.round, checkpoint);
  prune(kept, checkpoint.every);
}

// Of those that a multiple of `every` can ask for the newest few; the others serve nobody.
void Disks::prune(Kept& kept, Round every) const {
  const size_t most = CheckpointFolder::kKept + (apart_ + every - 1) / every;
  size_t needed = 0;
  Round newer = 0;  // 0 = none
  for (auto entry = kept.end(); entry != kept.begin();) {
    --entry;
    const Round round = entry->first;
    const bool serves = newer == 0 || (newer - 1) / every * every >= round;
    newer = round;
    if (serves && ++needed <= most) continue;
    entry = kept.erase(entry);
  }
}

const Checkpoint* Disks::serving(const Kept& kept, Round round) {
  for (const auto& [at, checkpoint] : std::views::reverse(kept)) {
    if (checkpoint.exact ? at == round : at <= round) return &checkpoint;
  }
  return nullptr;
}

std::vector<std::shared_ptr<Archive>> Disks::fitting(size_t dimension, Pool& pool) const {
  for (const Round round : std::views::reverse(std::views::keys(kept_.front()))) {
    std::vector<std::shared_ptr<Archive>> archives;
    for (const Kept& kept : kept_) {
      const Checkpoint* checkpoint = serving(kept, round);
      if (checkpoint == nullptr) break;
      archives.push_back(std::make_shared<Archive>(Archive::Direction::kRead, dimension, pool));
      archives.back()->words = checkpoint->state->words;
      archives.back()->vectors = checkpoint->state->vectors;
    }
    if (archives.size() == kept_.size()) return archives;
  }
  return {};
}

}  // namespace kith
