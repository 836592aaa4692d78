// The Compute effects of one node, carried out in order on a worker, one at a time.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "daemon/learn/workers.h"
#include "daemon/real/loader.h"
#include "daemon/real/loop.h"

namespace kith {

class ComputeQueue {
 public:
  using Done = std::function<void(Computed&&)>;

  // `done` runs on the loop, never inside push() and never after the queue is gone. `loop` and
  // `workers` outlive the queue; `loaded` is held until the last task is over.
  ComputeQueue(Loop& loop, Workers& workers, std::shared_ptr<LoadedJob> loaded, Done done);
  // Stops the task under way at its next step and does not wait for it.
  ~ComputeQueue();

  void push(Compute&& work);
  void cancel(uint64_t ticket);

 private:
  struct Lane;
  void start_next();
  void finished(uint64_t ticket, Computed&& computed);

  Loop& loop_;
  Workers& workers_;
  Done done_;
  std::shared_ptr<Lane> lane_;
  std::deque<Compute> waiting_;
  bool running_ = false;
  uint64_t running_ticket_ = 0;
};

}  // namespace kith
