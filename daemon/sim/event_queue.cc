#include "daemon/sim/event_queue.h"

#include <algorithm>

namespace kith {

namespace {
constexpr size_t kArity = 4;
}

void EventQueue::push(Time at, NodeId node, Event&& event) {
  uint32_t slot;
  if (free_.empty()) {
    slot = static_cast<uint32_t>(slots_.size());
    slots_.push_back(std::move(event));
  } else {
    slot = free_.back();
    free_.pop_back();
    slots_[slot] = std::move(event);
  }
  const Key key{at, pushed_++, slot, node};
  if (first_ < next_.size() && key < next_.back()) return insert(key);
  push_key(key);
  top_up();
}

EventQueue::Item EventQueue::pop() {
  KITH_ASSERT(!empty());
  const Key first = next_[first_++];
  top_up();
  Item item{first.at, first.node, std::move(slots_[first.slot])};
  slots_[first.slot] = Start{};  // lets go of the payload
  free_.push_back(first.slot);
  return item;
}

void EventQueue::insert(const Key& key) {
  const auto begin = next_.begin() + static_cast<std::ptrdiff_t>(first_);
  next_.insert(std::lower_bound(begin, next_.end(), key), key);
  if (next_.size() - first_ <= kAhead) return;
  push_key(next_.back());
  next_.pop_back();
}

void EventQueue::top_up() {
  if (first_ >= 4 * kAhead) {
    next_.erase(next_.begin(), next_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
  while (next_.size() - first_ < kAhead && !heap_.empty()) next_.push_back(pop_key());
}

void EventQueue::push_key(const Key& key) {
  heap_.push_back(key);
  sift_up(heap_.size() - 1);
}

EventQueue::Key EventQueue::pop_key() {
  const Key first = heap_.front();
  heap_.front() = heap_.back();
  heap_.pop_back();
  if (!heap_.empty()) sift_down(0);
  return first;
}

void EventQueue::sift_up(size_t i) {
  const Key key = heap_[i];
  while (i > 0) {
    const size_t parent = (i - 1) / kArity;
    if (!(key < heap_[parent])) break;
    heap_[i] = heap_[parent];
    i = parent;
  }
  heap_[i] = key;
}

void EventQueue::sift_down(size_t i) {
  const Key key = heap_[i];
  for (;;) {
    const size_t first = i * kArity + 1;
    if (first >= heap_.size()) break;
    const size_t last = std::min(first + kArity, heap_.size());
    size_t least = first;
    for (size_t child = first + 1; child < last; ++child) {
      if (heap_[child] < heap_[least]) least = child;
    }
    if (!(heap_[least] < key)) break;
    heap_[i] = heap_[least];
    i = least;
  }
  heap_[i] = key;
}

}  // namespace kith
