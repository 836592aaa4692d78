// How many batches a node with privacy may have computed in its run: on its disk, ahead of the
// computing, so that a crash which takes them back does not take them out of epsilon.
#pragma once

#include "daemon/plan.h"
#include "daemon/real/checkpoints.h"

namespace kith {

class BatchCount {
 public:
  // Keeps nothing where `checkpoints`, which outlives it, is null, or the job has no privacy.
  BatchCount(Checkpoints* checkpoints, const Plan& plan);

  // The run begins or goes on, from a checkpoint that knows of so many: those, or more.
  uint64_t begin(uint64_t known);

  // On the loop, before so many more are computed. Waits for the disk, some ms, now and then.
  void compute(uint32_t batches);

 private:
  // It runs ahead by one in so many of the run's batches at the most.
  static constexpr uint64_t kTimesSaid = 64;

  Checkpoints* checkpoints_;  // null where nothing is kept
  const uint64_t ahead_;
  uint64_t begun_ = 0;
  uint64_t said_ = 0;  // on the disk
};

}  // namespace kith
