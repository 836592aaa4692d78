// The timers of one node on one timer of the loop. Setting a timer later than the loop's own costs
// no system call: the loop's timer fires early and is armed again.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "daemon/real/loop.h"
#include "protocol/event.h"

namespace kith {

class Timers {
 public:
  // `fired(id)` runs on the loop.
  Timers(Loop& loop, std::function<void(TimerId)> fired);

  // Replaces a pending timer of the same id.
  void set(TimerId id, Duration after);
  void clear();

 private:
  struct Entry {
    TimerId id = 0;
    Duration due{};  // loop time
  };
  void fire();
  void arm(Duration due);

  Loop& loop_;
  std::function<void(TimerId)> fired_;
  std::vector<Entry> pending_;  // a node has a handful
  std::unique_ptr<Loop::Timer> timer_;
  bool armed_ = false;
  Duration armed_for_{};
};

}  // namespace kith
