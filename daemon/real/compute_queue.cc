#include "daemon/real/compute_queue.h"

#include <algorithm>
#include <atomic>
#include <random>

namespace kith {

namespace {

// Noise that others could draw again hides nothing from them. After a crash a node goes on with
// another number.
TrainerSetup setup_of(const LoadedJob& loaded) {
  TrainerSetup setup = loaded.plan.trainer(loaded.membership.self, *loaded.model, loaded.shard, {});
  if (!setup.privacy || !setup.privacy->secret) return setup;
  std::random_device source;
  setup.seed = uint64_t{source()} << 32 | source();
  return setup;
}

}  // namespace

// What a task under way needs; outlives the queue while it runs.
struct ComputeQueue::Lane {
  Lane(std::shared_ptr<LoadedJob> job, ComputeQueue* queue)
      : loaded(std::move(job)), trainer(setup_of(*loaded)), owner(queue) {}

  std::shared_ptr<LoadedJob> loaded;
  Trainer trainer;
  std::atomic<bool> cancelled{false};
  ComputeQueue* owner;  // null once the queue is gone; touched on the loop alone
};

// The emulated machine. It is free again as soon as its work is cancelled, although the worker may
// need a moment more to notice.
struct ComputeQueue::Emulation {
  ComputeDelays delays;
  std::unique_ptr<Loop::Timer> timer;
  Duration free_since{};              // loop time
  Duration due{};                     // loop time, of the work under way
  std::optional<Computed> held = {};  // done before that
};

ComputeQueue::ComputeQueue(Loop& loop, Workers& workers, std::shared_ptr<LoadedJob> loaded,
                           std::optional<ComputeDelays> injected, Done done)
    : loop_(loop),
      workers_(workers),
      done_(std::move(done)),
      lane_(std::make_shared<Lane>(std::move(loaded), this)) {
  if (!injected) return;
  auto timer = loop.timer([this] {
    Computed result = std::move(*emulation_->held);
    emulation_->held.reset();
    hand_over(std::move(result));
  });
  emulation_ = std::make_unique<Emulation>(Emulation{std::move(*injected), std::move(timer)});
}

ComputeQueue::~ComputeQueue() {
  lane_->owner = nullptr;
  lane_->cancelled = true;
}

void ComputeQueue::push(Compute&& work) {
  waiting_.push_back({.work = std::move(work), .look = nullptr});
  if (emulation_) {
    waiting_.back().asked = loop_.now();
    waiting_.back().takes = emulation_->delays.next(waiting_.back().work.steps);
  }
  if (!running_) start_next();
}

void ComputeQueue::when_done(std::function<void(Trainer&)> look) {
  if (!running_) return look(lane_->trainer);
  waiting_.push_back({.work = {}, .look = std::move(look)});
}

void ComputeQueue::cancel(uint64_t ticket) {
  std::erase_if(waiting_,
                [ticket](const Waiting& each) { return !each.look && each.work.ticket == ticket; });
  if (!running_ || running_ticket_ != ticket) return;
  if (emulation_) emulation_->free_since = loop_.now();
  if (emulation_ && emulation_->held) {
    emulation_->held.reset();
    emulation_->timer->disarm();
    drop();
  } else {
    lane_->cancelled = true;
  }
}

void ComputeQueue::start_next() {
  Waiting& next = waiting_.front();
  running_ = true;
  running_ticket_ = next.work.ticket;
  lane_->cancelled = false;
  if (emulation_) emulation_->due = std::max(next.asked, emulation_->free_since) + next.takes;
  workers_.submit([lane = lane_, &loop = loop_, work = std::move(next.work)](Workspace& workspace) {
    Computed result = lane->trainer.run(work, lane->loaded->pool, workspace, &lane->cancelled);
    loop.post([lane, result = std::move(result)]() mutable {
      if (lane->owner != nullptr) lane->owner->computed(std::move(result));
    });
  });
  waiting_.pop_front();
}

// The worker is done with it, or gave it up.
void ComputeQueue::computed(Computed&& result) {
  if (lane_->cancelled) return drop();
  const Duration early = emulation_ ? emulation_->due - loop_.now() : Duration::zero();
  if (early <= Duration::zero()) return hand_over(std::move(result));
  emulation_->held = std::move(result);
  emulation_->timer->arm(early);
}

void ComputeQueue::hand_over(Computed&& result) {
  if (emulation_) emulation_->free_since = loop_.now();
  free_lane();
  done_(std::move(result));
}

// As if the work had never begun.
void ComputeQueue::drop() {
  lane_->trainer.take_back();
  free_lane();
}

void ComputeQueue::free_lane() {
  running_ = false;
  while (!waiting_.empty() && waiting_.front().look) {
    const auto look = std::move(waiting_.front().look);
    waiting_.pop_front();
    look(lane_->trainer);
  }
  if (!waiting_.empty()) start_next();
}

}  // namespace kith
