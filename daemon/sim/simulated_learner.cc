#include "daemon/sim/simulated_learner.h"

#include "topology/assert.h"
#include "topology/prefetch.h"

namespace kith {

struct SimulatedLearner::Slot {
  enum State : int { kIdle, kQueued, kRunning, kDone };

  explicit Slot(Trainer trainer_of_node) : trainer(std::move(trainer_of_node)) {}

  Trainer trainer;
  Compute work;
  Computed result;
  std::atomic<int> state{kIdle};
  std::atomic<bool> cancelled{false};
};

SimulatedLearner::SimulatedLearner(std::vector<Trainer> trainers, unsigned threads, Pool& pool)
    : pool_(pool) {
  slots_.reserve(trainers.size());
  for (Trainer& trainer : trainers) slots_.push_back(std::make_unique<Slot>(std::move(trainer)));
  if (threads > 1) workers_ = std::make_unique<Workers>(threads - 1);
}

SimulatedLearner::~SimulatedLearner() = default;

void SimulatedLearner::run(Slot& slot, Workspace& workspace) {
  slot.result = slot.trainer.run(slot.work, pool_, workspace, &slot.cancelled);
  slot.state.store(Slot::kDone, std::memory_order_release);
  slot.state.notify_all();
}

void SimulatedLearner::prefetch(NodeId node) const { prefetch_object(*slots_[index_of(node)]); }

void SimulatedLearner::start(NodeId node, Compute&& work) {
  Slot& slot = *slots_[index_of(node)];
  KITH_ASSERT(slot.state.load() == Slot::kIdle);
  slot.work = std::move(work);
  slot.state.store(Slot::kQueued, std::memory_order_release);
  if (!workers_) return;
  workers_->submit([this, &slot](Workspace& workspace) {
    int queued = Slot::kQueued;
    if (slot.state.compare_exchange_strong(queued, Slot::kRunning)) run(slot, workspace);
  });
}

Computed SimulatedLearner::take(NodeId node) {
  Slot& slot = *slots_[index_of(node)];
  int state = Slot::kQueued;
  if (slot.state.compare_exchange_strong(state, Slot::kRunning)) {
    run(slot, own_workspace_);
  } else {
    await(slot);
  }
  Computed result = std::move(slot.result);
  clear(slot);
  return result;
}

void SimulatedLearner::persist(NodeId node, Archive& archive) {
  Slot& slot = *slots_[index_of(node)];
  int state = Slot::kQueued;
  if (slot.state.compare_exchange_strong(state, Slot::kRunning)) {
    run(slot, own_workspace_);
  } else if (state != Slot::kIdle) {
    await(slot);
  }
  archive.part("learner", slot.trainer);
}

void SimulatedLearner::replace(NodeId node, Trainer&& trainer) {
  Slot& slot = *slots_[index_of(node)];
  int state = Slot::kQueued;
  const bool begun = !slot.state.compare_exchange_strong(state, Slot::kRunning);
  if (begun && state != Slot::kIdle) {
    slot.cancelled = true;
    await(slot);
    slot.cancelled = false;
  }
  clear(slot);
  std::destroy_at(&slot.trainer);
  std::construct_at(&slot.trainer, std::move(trainer));
}

void SimulatedLearner::cancel(NodeId node) {
  Slot& slot = *slots_[index_of(node)];
  int state = Slot::kQueued;
  if (!slot.state.compare_exchange_strong(state, Slot::kRunning)) {
    slot.cancelled = true;
    await(slot);
    slot.cancelled = false;
    slot.trainer.take_back();
  }
  clear(slot);
}

void SimulatedLearner::await(Slot& slot) {
  int state;
  while ((state = slot.state.load(std::memory_order_acquire)) != Slot::kDone) {
    KITH_ASSERT(state != Slot::kIdle);
    slot.state.wait(state, std::memory_order_acquire);
  }
}

void SimulatedLearner::clear(Slot& slot) {
  slot.result = Computed{};
  slot.work = Compute{};
  slot.state.store(Slot::kIdle, std::memory_order_release);
}

}  // namespace kith
