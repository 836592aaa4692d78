#include "daemon/real/batch_count.h"

#include <algorithm>

namespace kith {

BatchCount::BatchCount(Checkpoints* checkpoints, const Plan& plan)
    : checkpoints_(plan.job.privacy ? checkpoints : nullptr),
      ahead_(plan.total_batches / kTimesSaid) {}

uint64_t BatchCount::begin(uint64_t known) {
  if (checkpoints_ == nullptr) return known;
  begun_ = std::max(known, checkpoints_->batches());
  return begun_;
}

void BatchCount::compute(uint32_t batches) {
  begun_ += batches;
  if (checkpoints_ == nullptr || begun_ <= said_) return;
  if (checkpoints_->say_batches(begun_ + ahead_)) said_ = begun_ + ahead_;
}

}  // namespace kith
