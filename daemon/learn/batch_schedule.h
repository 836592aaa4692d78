// How many samples a step takes, over the run.
#pragma once

#include <cstdint>
#include <vector>

namespace kith {

// `size` samples at first, `factor` times as many (rounded to whole samples) from each milestone on
// (Smith et al. 2018: growing the batch instead of shrinking the learning rate).
struct BatchSchedule {
  uint32_t size = 32;
  std::vector<double> milestones = {};  // fractions of the run, in [0, 1], not falling
  double factor = 1;                    // from 1; sizes stay within limits::kBatch

  // Samples of batch `index` of `total`; the last size goes on behind the end.
  uint32_t at(uint64_t index, uint64_t total) const;

  // Samples of the batches before `index`, where none has more than `most` (a shard's rows).
  uint64_t before(uint64_t index, uint64_t total, uint64_t most) const;
};

}  // namespace kith
