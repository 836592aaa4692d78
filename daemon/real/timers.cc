#include "daemon/real/timers.h"

#include <algorithm>

namespace kith {

Timers::Timers(Loop& loop, std::function<void(TimerId)> fired)
    : loop_(loop), fired_(std::move(fired)), timer_(loop.timer([this] { fire(); })) {}

void Timers::set(TimerId id, Duration after) {
  const Duration due = loop_.now() + std::max(after, Duration::zero());
  const auto found = std::ranges::find(pending_, id, &Entry::id);
  if (found == pending_.end()) {
    pending_.push_back({id, due});
  } else {
    found->due = due;
  }
  if (!armed_ || due < armed_for_) arm(due);
}

void Timers::clear() {
  pending_.clear();
  timer_->disarm();
  armed_ = false;
}

void Timers::arm(Duration due) {
  armed_ = true;
  armed_for_ = due;
  timer_->arm(std::max(due - loop_.now(), Duration::zero()));
}

void Timers::fire() {
  armed_ = false;
  const Duration now = loop_.now();
  std::vector<Entry> due;
  std::erase_if(pending_, [&](const Entry& entry) {
    if (entry.due > now) return false;
    due.push_back(entry);
    return true;
  });
  std::ranges::stable_sort(due, {}, &Entry::due);
  // A callback may set timers again, these too.
  for (const Entry& entry : due) fired_(entry.id);
  const auto next = std::ranges::min_element(pending_, {}, &Entry::due);
  if (next != pending_.end() && (!armed_ || next->due < armed_for_)) arm(next->due);
}

}  // namespace kith
