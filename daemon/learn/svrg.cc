#include "daemon/learn/svrg.h"

#include <algorithm>

#include "daemon/learn/slots.h"
#include "protocol/kernels.h"
#include "topology/assert.h"

namespace kith {

namespace {

// Rows of the shard whose gradient is taken at once.
constexpr size_t kBlock = 256;

}  // namespace

void Svrg::mark() {
  apart_ = true;
  moved_ = false;
}

void Svrg::take_back() {
  if (moved_) std::swap(snapshot_, marked_);
  apart_ = false;
  moved_ = false;
}

void Svrg::persist(Archive& archive) {
  archive.number("taken", snapshot_.taken);
  archive.number("period", snapshot_.period);
  archive.number("loss", snapshot_.loss);
  archive.vector("at", snapshot_.at);
  archive.vector("gradient", snapshot_.gradient);
  if (snapshot_.taken && (snapshot_.at.empty() || snapshot_.gradient.empty())) archive.refuse();
}

uint64_t Svrg::period_of(const Batches& batches, uint64_t index) const {
  return period_ > 0 ? index / period_ : batches.first_sample(index) / batches.shard_rows();
}

double Svrg::gradient(const Model& model, const Batches& batches, uint64_t index,
                      std::span<const float> x, std::span<float> g, Workspace& workspace) {
  const uint64_t number = period_of(batches, index);
  if (!snapshot_.taken || snapshot_.period != number) {
    take(model, batches, number, x, workspace);
    std::ranges::copy(snapshot_.gradient, g.begin());
    return snapshot_.loss;
  }
  const Batch batch = batches.load(index, workspace);
  const double loss = model.gradient(x, batch, g, workspace);
  const std::span<float> at_snapshot = workspace.take(slots::kSnapshot, x.size());
  model.gradient(snapshot_.at, batch, at_snapshot, workspace);
  kernels::subtract(g, at_snapshot, g);
  kernels::axpy(1.0f, snapshot_.gradient, g);
  return loss;
}

// x_s = x and grad F(x_s): the blocks' means, weighted by their rows, in the order of the shard.
void Svrg::take(const Model& model, const Batches& batches, uint64_t number,
                std::span<const float> x, Workspace& workspace) {
  if (apart_) {
    std::swap(snapshot_, marked_);
    apart_ = false;
    moved_ = true;
  }
  snapshot_.taken = false;  // until it is complete
  snapshot_.period = number;
  snapshot_.at.assign(x.begin(), x.end());
  snapshot_.gradient.assign(x.size(), 0.0f);
  if (!model.needs_data()) {
    snapshot_.loss = model.gradient(x, batches.exact(), snapshot_.gradient, workspace);
    snapshot_.taken = true;
    return;
  }
  const size_t rows = batches.shard_rows();
  const std::span<float> part = workspace.take(slots::kSnapshot, x.size());
  snapshot_.loss = 0;
  for (size_t first = 0; first < rows; first += kBlock) {
    if (workspace.given_up()) return;
    const size_t count = std::min(kBlock, rows - first);
    const double share = static_cast<double>(count) / static_cast<double>(rows);
    const Batch block = batches.load_block(first, count, workspace);
    snapshot_.loss += share * model.gradient(x, block, part, workspace);
    kernels::axpy(static_cast<float>(share), part, snapshot_.gradient);
  }
  snapshot_.taken = !workspace.given_up();
}

}  // namespace kith
