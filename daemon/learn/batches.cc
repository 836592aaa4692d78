#include "daemon/learn/batches.h"

#include <algorithm>

#include "daemon/learn/permutation.h"
#include "daemon/learn/slots.h"
#include "topology/assert.h"

namespace kith {

namespace {

// Rows of a batch that are fetched ahead of the one being converted.
constexpr size_t kRowsAhead = 4;

// Labels and row numbers lie in slots of floats: as wide, and only ever used as one type.
template <class T>
std::span<T> take_as(Workspace& workspace, size_t slot, size_t count) {
  static_assert(sizeof(T) == sizeof(float));
  return {reinterpret_cast<T*>(workspace.take(slot, count).data()), count};
}

}  // namespace

Batches::Batches(std::shared_ptr<const Dataset> data, Shard rows, BatchSchedule schedule,
                 uint64_t total, uint64_t seed, NodeId node)
    : data_(std::move(data)),
      rows_(std::move(rows)),
      schedule_(std::move(schedule)),
      total_(total),
      seed_(seed),
      node_(node) {
  KITH_ASSERT(schedule_.size > 0 && schedule_.factor >= 1);
  KITH_ASSERT(std::ranges::is_sorted(schedule_.milestones));
}

size_t Batches::shard_rows() const {
  if (!data_) return 0;
  return rows_.empty() ? data_->rows() : rows_.size();
}

size_t Batches::size(uint64_t index) const {
  return std::min<size_t>(schedule_.at(index, total_), shard_rows());
}

uint64_t Batches::first_sample(uint64_t index) const {
  return schedule_.before(index, total_, shard_rows());
}

uint32_t Batches::row(size_t place) const {
  return rows_.empty() ? static_cast<uint32_t>(place) : rows_[place];
}

// The stream of samples runs through pass after pass without a seam: a batch may end one and begin
// the next, so every row is seen once in each pass whatever the batch sizes.
void Batches::rows(uint64_t index, std::span<uint32_t> out) const {
  KITH_ASSERT(out.size() == size(index));
  const auto n = static_cast<uint32_t>(shard_rows());
  uint64_t sample = first_sample(index);
  for (size_t i = 0; i < out.size();) {
    const uint64_t pass = sample / n;
    Rng rng(seed_, node_, Purpose::kBatch, pass);
    const Permutation permutation(n, rng);
    for (; i < out.size() && sample / n == pass; ++i, ++sample) {
      out[i] = row(permutation(static_cast<uint32_t>(sample % n)));
    }
  }
}

Batch Batches::empty(uint64_t index) const {
  Batch batch;
  batch.node = node_;
  batch.seed = seed_;
  batch.index = index;
  return batch;
}

void Batches::fill(Batch& batch, std::span<const uint32_t> rows, Workspace& workspace) const {
  const Dataset& data = *data_;
  batch.rows = rows.size();
  const std::span<float> features = workspace.take(slots::kFeatures, rows.size() * data.width());
  const std::span<int32_t> labels = take_as<int32_t>(workspace, slots::kLabels, rows.size());
  for (size_t i = 0; i < std::min(kRowsAhead, rows.size()); ++i) data.prefetch_row(rows[i]);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i + kRowsAhead < rows.size()) data.prefetch_row(rows[i + kRowsAhead]);
    data.copy_row(rows[i], features.subspan(i * data.width(), data.width()));
    labels[i] = data.labels()[rows[i]];
  }
  batch.features = features;
  batch.labels = labels;
}

Batch Batches::load(uint64_t index, Workspace& workspace) const {
  Batch batch = empty(index);
  if (!data_) return batch;
  const std::span<uint32_t> chosen = take_as<uint32_t>(workspace, slots::kRows, size(index));
  rows(index, chosen);
  fill(batch, chosen, workspace);
  return batch;
}

Batch Batches::load_block(size_t first, size_t count, Workspace& workspace) const {
  KITH_ASSERT(first + count <= shard_rows());
  Batch batch = empty(0);
  const std::span<uint32_t> chosen = take_as<uint32_t>(workspace, slots::kRows, count);
  for (size_t i = 0; i < count; ++i) chosen[i] = row(first + i);
  fill(batch, chosen, workspace);
  return batch;
}

Batch Batches::exact() const {
  Batch batch = empty(0);
  batch.exact = true;
  return batch;
}

}  // namespace kith
