#include "daemon/sim/disks.h"

#include <ranges>

#include "daemon/store/checkpoint_folder.h"

namespace kith {

namespace {

// Newest first.
std::vector<Restart> restarts_of(const std::map<Round, Checkpoint>& kept) {
  const auto newest_first = std::views::reverse(std::views::values(kept));
  return {newest_first.begin(), newest_first.end()};
}

}  // namespace

void Disks::keep(NodeId node, const Checkpoint& checkpoint) {
  Kept& kept = kept_[index_of(node)];
  kept.insert_or_assign(checkpoint.round, checkpoint);
  for (const Restart& needless : needless(restarts_of(kept), checkpoint.every, apart_)) {
    kept.erase(needless.round);
  }
}

std::vector<std::shared_ptr<Archive>> Disks::fitting(size_t dimension, Pool& pool) const {
  for (const Round round : std::views::reverse(std::views::keys(kept_.front()))) {
    std::vector<std::shared_ptr<Archive>> archives;
    for (const Kept& kept : kept_) {
      const std::optional<Restart> from = serving(restarts_of(kept), round);
      if (!from) break;
      const Archive& state = *kept.at(from->round).state;
      archives.push_back(std::make_shared<Archive>(Archive::Direction::kRead, dimension, pool));
      archives.back()->words = state.words;
      archives.back()->vectors = state.vectors;
    }
    if (archives.size() == kept_.size()) return archives;
  }
  return {};
}

}  // namespace kith
