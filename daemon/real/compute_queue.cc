#include "daemon/real/compute_queue.h"

#include <algorithm>
#include <atomic>

namespace kith {

// What a task under way needs; outlives the queue while it runs.
struct ComputeQueue::Lane {
  Lane(std::shared_ptr<LoadedJob> job, ComputeQueue* queue)
      : loaded(std::move(job)),
        trainer(loaded->plan.trainer(loaded->membership.self, *loaded->model, loaded->shard, {})),
        owner(queue) {}

  std::shared_ptr<LoadedJob> loaded;
  Trainer trainer;
  std::atomic<bool> cancelled{false};
  ComputeQueue* owner;  // null once the queue is gone; touched on the loop alone
};

ComputeQueue::ComputeQueue(Loop& loop, Workers& workers, std::shared_ptr<LoadedJob> loaded,
                           Done done)
    : loop_(loop),
      workers_(workers),
      done_(std::move(done)),
      lane_(std::make_shared<Lane>(std::move(loaded), this)) {}

ComputeQueue::~ComputeQueue() {
  lane_->owner = nullptr;
  lane_->cancelled = true;
}

void ComputeQueue::push(Compute&& work) {
  waiting_.push_back(std::move(work));
  if (!running_) start_next();
}

void ComputeQueue::cancel(uint64_t ticket) {
  if (running_ && running_ticket_ == ticket) lane_->cancelled = true;
  std::erase_if(waiting_, [ticket](const Compute& work) { return work.ticket == ticket; });
}

void ComputeQueue::start_next() {
  if (waiting_.empty()) return;
  running_ = true;
  running_ticket_ = waiting_.front().ticket;
  lane_->cancelled = false;
  workers_.submit([lane = lane_, &loop = loop_,
                   work = std::move(waiting_.front())](Workspace& workspace) {
    Computed computed = lane->trainer.run(work, lane->loaded->pool, workspace, &lane->cancelled);
    loop.post([lane, ticket = work.ticket, computed = std::move(computed)]() mutable {
      if (lane->owner != nullptr) lane->owner->finished(ticket, std::move(computed));
    });
  });
  waiting_.pop_front();
}

void ComputeQueue::finished(uint64_t ticket, Computed&& computed) {
  const bool wanted = ticket == running_ticket_ && !lane_->cancelled;
  if (!wanted) lane_->trainer.take_back();
  running_ = false;
  start_next();
  if (wanted) done_(std::move(computed));
}

}  // namespace kith
