// The simulator's agenda: events in order of (virtual time, sequence). A 4-ary heap of small keys
// over a slab of events, both reused: no allocation in the steady state.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "protocol/event.h"
#include "protocol/time.h"
#include "topology/assert.h"

namespace kith {

class EventQueue {
 public:
  struct Item {
    Time at{};
    NodeId node{};
    Event event;
  };

  void push(Time at, NodeId node, Event&& event);

  // The earliest; of equal times the one that was pushed first. Needs !empty().
  Item pop();

  // Brings what the next pop() will touch towards the cache, and says for whom it is.
  NodeId prefetch_next() const {
    const Key& next = heap_.front();
    __builtin_prefetch(&slots_[next.slot]);
    return next.node;
  }

  bool empty() const { return heap_.empty(); }
  size_t size() const { return heap_.size(); }

 private:
  struct Key {
    Time at;
    uint64_t sequence;
    uint32_t slot;
    NodeId node;
    bool operator<(const Key& other) const {
      return at != other.at ? at < other.at : sequence < other.sequence;
    }
  };

  void sift_up(size_t i);
  void sift_down(size_t i);

  std::vector<Key> heap_;
  std::vector<Event> slots_;
  std::vector<uint32_t> free_;
  uint64_t pushed_ = 0;
};

}  // namespace kith
