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
  heap_.push_back({at, pushed_++, slot, node});
  sift_up(heap_.size() - 1);
}

EventQueue::Item EventQueue::pop() {
  KITH_ASSERT(!heap_.empty());
  const Key first = heap_.front();
  heap_.front() = heap_.back();
  heap_.pop_back();
  if (!heap_.empty()) sift_down(0);
  Item item{first.at, first.node, std::move(slots_[first.slot])};
  slots_[first.slot] = Start{};  // lets go of the payload
  free_.push_back(first.slot);
  return item;
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
