// The checkpoints of a daemon, written on a thread of their own: no disk keeps the loop or the
// computing waiting. A disk that is slower than the checkpoints come misses some of them.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "daemon/learn/workers.h"
#include "daemon/real/log.h"
#include "daemon/real/loop.h"
#include "daemon/store/checkpoint_folder.h"
#include "protocol/control.h"

namespace kith {

// A run as a daemon was given it, and how often it has gone on after a crash: where all must go
// back together the run itself, which all its daemons agree upon; else this daemon with it.
struct RunStart {
  control::StartRequest request;
  uint32_t generation = 0;
};

// Nodes with the same text, number of nodes and token are of one run.
uint64_t run_hash(const control::StartRequest& request);

class Checkpoints {
 public:
  // Throws OperatorError where there can be no such folder. Loop and log outlive it.
  Checkpoints(Loop& loop, Log& log, std::filesystem::path folder);

  // What a crash left behind.
  std::optional<RunStart> unfinished();

  // On a worker: a run begins, or goes on. What is yet to be written for an earlier
  // one never will be. Throws OperatorError.
  // `apart`: rounds that nodes can be apart.
  void begin(const RunStart& start, Round apart);
  std::vector<Restart> entries();
  // On the loop, before the run has anything written that this could wait for.
  std::unique_ptr<Archive> read(const Restart& entry, size_t dimension, Pool& pool);

  // From the loop. Of the run that began last.
  void keep(Checkpoint&& checkpoint);
  void run_is_over();

  // CheckpointFolder's, on the loop. The first waits for the disk: some ms. False, and a warning,
  // when that refuses.
  bool say_batches(uint64_t batches);
  uint64_t batches() const;

  // The newest one written in this run; 0 = none.
  Round newest() const { return newest_; }

 private:
  static constexpr int kMostWaiting = 2;

  // `task` on the writing thread, unless another run has begun by then.
  void submit(std::function<void()> task);

  Loop& loop_;
  Log& log_;
  std::mutex mutex_;  // of the folder; held while something is written
  CheckpointFolder folder_;
  Round apart_ = 0;
  std::atomic<uint64_t> epoch_{0};  // of the run that began last; rises under the mutex
  std::atomic<int> waiting_{0};
  std::atomic<Round> newest_{0};
  Workers writer_{1};  // last: ends first
};

}  // namespace kith
