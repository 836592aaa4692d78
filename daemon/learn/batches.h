// The mini-batches of one node, and the blocks of its whole shard.
#pragma once

#include <memory>

#include "daemon/learn/batch_schedule.h"
#include "daemon/learn/dataset.h"
#include "daemon/learn/model.h"

namespace kith {

class Batches {
 public:
  // `data` is null for the laboratory; `rows` are those of this node, empty = all of `data`.
  // `total` batches are the run that the schedule's milestones are fractions of.
  Batches(std::shared_ptr<const Dataset> data, Shard rows, BatchSchedule schedule, uint64_t total,
          uint64_t seed, NodeId node);

  // Of one node; 0 for the laboratory.
  size_t shard_rows() const;

  // Samples of batch `index`: the schedule's, or all rows of a smaller shard.
  size_t size(uint64_t index) const;

  // Samples before batch `index`; in [e shard_rows(), (e + 1) shard_rows()) it begins in pass e.
  // O(milestones).
  uint64_t first_sample(uint64_t index) const;

  // The size(index) rows of batch `index`: pass e of the shard is a fresh permutation drawn from
  // (seed, node, e), computed in place for any index (a Feistel network with cycle walking),
  // without memory.
  void rows(uint64_t index, std::span<uint32_t> out) const;

  // In the workspace until the next load there.
  Batch load(uint64_t index, Workspace& workspace) const;

  // Rows `first` .. `first + count` - 1 of the shard, in its own order.
  Batch load_block(size_t first, size_t count, Workspace& workspace) const;

  // A batch without rows, whose gradient is that of the laboratory's f_i, without noise.
  Batch exact() const;

 private:
  Batch empty(uint64_t index) const;
  uint32_t row(size_t place) const;
  void fill(Batch& batch, std::span<const uint32_t> rows, Workspace& workspace) const;

  std::shared_ptr<const Dataset> data_;
  Shard rows_;
  BatchSchedule schedule_;
  uint64_t total_;
  uint64_t seed_;
  NodeId node_;
};

}  // namespace kith
