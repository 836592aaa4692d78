#include "daemon/learn/trainer.h"

#include <algorithm>

#include "daemon/learn/permutation.h"
#include "daemon/learn/slots.h"
#include "protocol/kernels.h"
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

// g += correction + mu (x - anchor); the difference first, since the two are close.
void apply_rule(const LocalRule& rule, std::span<const float> x, std::span<float> g,
                Workspace& workspace) {
  if (rule.correction) kernels::axpy(1.0f, rule.correction.floats(), g);
  if (rule.mu != 0 && rule.anchor) {
    const std::span<float> difference = workspace.take(slots::kDifference, x.size());
    kernels::subtract(x, rule.anchor.floats(), difference);
    kernels::axpy(rule.mu, difference, g);
  }
}

bool is_set(const std::atomic<bool>* flag) {
  return flag != nullptr && flag->load(std::memory_order_relaxed);
}

}  // namespace

Trainer::Trainer(TrainerSetup setup) : setup_(std::move(setup)), optimizer_(setup_.optimizer) {
  KITH_ASSERT(setup_.model != nullptr);
  KITH_ASSERT(!setup_.model->needs_data() || (setup_.data && setup_.data->rows() > 0));
  KITH_ASSERT(setup_.batch > 0);
}

// The stream of samples runs through pass after pass without a seam: a batch may end one and begin
// the next, so every row is seen once in each pass whatever the batch size.
void Trainer::batch_rows(uint64_t index, std::span<uint32_t> rows) const {
  const bool all = setup_.rows.empty();
  const auto n = static_cast<uint32_t>(all ? setup_.data->rows() : setup_.rows.size());
  uint64_t sample = index * rows.size();
  for (size_t i = 0; i < rows.size();) {
    const uint64_t pass = sample / n;
    Rng rng(setup_.seed, setup_.node, Purpose::kBatch, pass);
    const Permutation permutation(n, rng);
    for (; i < rows.size() && sample / n == pass; ++i, ++sample) {
      const uint32_t place = permutation(static_cast<uint32_t>(sample % n));
      rows[i] = all ? place : setup_.rows[place];
    }
  }
}

Batch Trainer::load_batch(uint64_t index, Workspace& workspace) const {
  Batch batch;
  batch.node = setup_.node;
  batch.seed = setup_.seed;
  batch.index = index;
  if (!setup_.model->needs_data()) return batch;
  const Dataset& data = *setup_.data;
  const size_t available = setup_.rows.empty() ? data.rows() : setup_.rows.size();
  batch.rows = std::min<size_t>(setup_.batch, available);
  const std::span<uint32_t> rows = take_as<uint32_t>(workspace, slots::kRows, batch.rows);
  batch_rows(index, rows);
  const std::span<float> features = workspace.take(slots::kFeatures, batch.rows * data.width());
  const std::span<int32_t> labels = take_as<int32_t>(workspace, slots::kLabels, batch.rows);
  for (size_t i = 0; i < std::min(kRowsAhead, rows.size()); ++i) data.prefetch_row(rows[i]);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i + kRowsAhead < rows.size()) data.prefetch_row(rows[i + kRowsAhead]);
    data.copy_row(rows[i], features.subspan(i * data.width(), data.width()));
    labels[i] = data.labels()[rows[i]];
  }
  batch.features = features;
  batch.labels = labels;
  return batch;
}

Computed Trainer::run(const Compute& work, Pool& pool, Workspace& workspace,
                      const std::atomic<bool>* cancelled) {
  const Model& model = *setup_.model;
  const size_t p = model.parameters();
  KITH_ASSERT(work.steps > 0 && work.at.floats().size() == p);
  Computed computed;
  computed.ticket = work.ticket;
  computed.steps = work.steps;
  Buffer result = pool.acquire_floats(p);
  const std::span<float> y = result.floats();
  if (work.rule.kind == LocalRule::Kind::kGradient) {
    KITH_ASSERT(work.steps == 1);
    const Batch batch = load_batch(work.first_batch, workspace);
    computed.loss = model.gradient(work.at.floats(), batch, y, workspace);
  } else {
    std::span<const float> x = work.at.floats();
    const bool plain = optimizer_.plain() && !work.rule.bends();
    for (uint64_t k = 0; k < work.steps && !is_set(cancelled); ++k) {
      const uint64_t index = work.first_batch + k;
      const float rate = setup_.optimizer.rate_at(index, setup_.total_batches);
      const Batch batch = load_batch(index, workspace);
      if (plain) {
        computed.loss += model.descend(rate, x, batch, y, workspace);
      } else {
        const std::span<float> g = workspace.take(slots::kGradient, p);
        computed.loss += model.gradient(x, batch, g, workspace);
        apply_rule(work.rule, x, g, workspace);
        optimizer_.step(rate, x, g, y);
      }
      x = y;
    }
    computed.loss /= work.steps;
  }
  computed.finite = kernels::all_finite(y);
  computed.result = std::move(result).freeze();
  return computed;
}

Evaluation evaluate(const Model& model, const Dataset& data, std::span<const float> x,
                    Workspace& workspace) {
  constexpr size_t kBlock = 256;  // rows; larger ones gain nothing and cost memory
  Model::Score total;
  for (size_t begin = 0; begin < data.rows(); begin += kBlock) {
    Batch batch;
    batch.rows = std::min(kBlock, data.rows() - begin);
    const std::span<float> features = workspace.take(slots::kFeatures, batch.rows * data.width());
    for (size_t i = 0; i < batch.rows; ++i) {
      data.copy_row(begin + i, features.subspan(i * data.width(), data.width()));
    }
    batch.features = features;
    batch.labels = data.labels().subspan(begin, batch.rows);
    const Model::Score score = model.score(x, batch, workspace);
    total.loss += score.loss;
    total.correct += score.correct;
  }
  if (data.rows() == 0) return {};
  const auto rows = static_cast<double>(data.rows());
  return {total.loss / rows, static_cast<double>(total.correct) / rows};
}

}  // namespace kith
