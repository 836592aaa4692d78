// The Compute effects of one node, carried out in order on a worker, one at a time.
//
// With injected delays a result is handed over no earlier than its drawn time after its Compute
// began, as if the machine were as slow as that: a timer holds it, no thread sleeps. A Compute
// begins when the one before it was handed over or cancelled, so delays do not pile up.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "daemon/job_timing.h"
#include "daemon/learn/workers.h"
#include "daemon/real/loader.h"
#include "daemon/real/loop.h"

namespace kith {

class ComputeQueue {
 public:
  using Done = std::function<void(Computed&&)>;

  // `done` runs on the loop, never inside push() and never after the queue is gone. `loop` and
  // `workers` outlive the queue; `loaded` is held until the last task is over. Without `injected`
  // results are handed over as they come.
  ComputeQueue(Loop& loop, Workers& workers, std::shared_ptr<LoadedJob> loaded,
               std::optional<ComputeDelays> injected, Done done);
  // Stops the task under way at its next layer or step and does not wait for it.
  ~ComputeQueue();

  void push(Compute&& work);
  // A result that is only held for its time is dropped at once, a task under way stops at its next
  // layer or step; the next Compute begins then.
  void cancel(uint64_t ticket);

  // Calls `look`, on the loop, when all that was pushed before is done or cancelled; at once where
  // there is nothing.
  void when_done(std::function<void(Trainer&)> look);

 private:
  struct Lane;
  struct Emulation;
  struct Waiting {
    Compute work;
    std::function<void(Trainer&)> look;  // instead of work
    Duration asked{};                    // loop time; this and the next with injected delays alone
    Duration takes{};
  };

  void start_next();
  void computed(Computed&& result);
  void hand_over(Computed&& result);
  void drop();
  void free_lane();

  Loop& loop_;
  Workers& workers_;
  Done done_;
  std::shared_ptr<Lane> lane_;
  std::unique_ptr<Emulation> emulation_;  // null without injected delays
  std::deque<Waiting> waiting_;
  bool running_ = false;  // until the result is handed over or dropped
  uint64_t running_ticket_ = 0;
};

}  // namespace kith
