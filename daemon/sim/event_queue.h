// The simulator's agenda: events in order of (virtual time, sequence). A 4-ary heap of small keys
// over a slab of events, both reused: no allocation in the steady state. The next few keys are out
// of the heap already, in order, so that one can see ahead: with many nodes what an event touches
// lies far away in memory, and must be asked for long before it is needed.
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

  static constexpr size_t kAhead = 16;

  // Of those to come, the k-th (0 = of the next pop()), as things stand now: for whom it is, and
  // its event, which is far away. Nothing past kAhead, or past the last.
  struct Coming {
    NodeId node{};
    const Event* event = nullptr;
    explicit operator bool() const { return event != nullptr; }
  };
  Coming coming(size_t k) const {
    if (first_ + k >= next_.size()) return {};
    const Key& key = next_[first_ + k];
    return {key.node, &slots_[key.slot]};
  }

  // Of the next pop(). Needs !empty().
  Time next_at() const { return next_[first_].at; }

  bool empty() const { return first_ == next_.size(); }
  size_t size() const { return next_.size() - first_ + heap_.size(); }

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

  void insert(const Key& key);  // into next_
  void top_up();
  void push_key(const Key& key);
  Key pop_key();
  void sift_up(size_t i);
  void sift_down(size_t i);

  std::vector<Key> next_;  // from first_ on: in order, all before those of the heap
  size_t first_ = 0;
  std::vector<Key> heap_;
  std::vector<Event> slots_;
  std::vector<uint32_t> free_;
  uint64_t pushed_ = 0;
};

}  // namespace kith
