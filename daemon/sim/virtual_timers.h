// The timers of simulated nodes that are pending: an event in the queue whose timer has been moved
// or cleared meanwhile is void.
#pragma once

#include <algorithm>
#include <vector>

#include "protocol/event.h"
#include "protocol/time.h"

namespace kith {

class VirtualTimers {
 public:
  explicit VirtualTimers(uint32_t nodes) : pending_(nodes) {}

  // Moves it where it is pending.
  void set(NodeId node, TimerId id, Time due) {
    if (Timer* timer = find(node, id)) {
      timer->due = due;
    } else {
      of(node).push_back({id, due});
    }
  }

  bool due(NodeId node, TimerId id, Time now) const {
    const Timer* timer = const_cast<VirtualTimers*>(this)->find(node, id);
    return timer != nullptr && timer->due == now;
  }

  // True where it was due.
  bool take(NodeId node, TimerId id, Time now) {
    if (!due(node, id, now)) return false;
    std::erase_if(of(node), [id](const Timer& timer) { return timer.id == id; });
    return true;
  }

  void clear(NodeId node) { of(node).clear(); }
  size_t pending(NodeId node) const { return pending_[index_of(node)].size(); }

 private:
  struct Timer {
    TimerId id;
    Time due;
  };

  std::vector<Timer>& of(NodeId node) { return pending_[index_of(node)]; }
  Timer* find(NodeId node, TimerId id) {
    const auto place = std::ranges::find(of(node), id, &Timer::id);
    return place == of(node).end() ? nullptr : &*place;
  }

  std::vector<std::vector<Timer>> pending_;  // by node; a few each
};

}  // namespace kith
