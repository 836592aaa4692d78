// Stochastic variance-reduced gradient of one node (Johnson, Zhang 2013; ALGORITHMS 2):
//
//   g = g_i(x) - g_i(x_s) + grad F(x_s)
//
// where i is the batch and F the node's own loss: the mean over all rows of its shard, or the
// laboratory's f_i without noise. x_s is the x of the first batch in each period.
//
// Keeps: x_s and grad F(x_s); as much again when its work can be taken back. Costs: two gradients a
// batch, and one of the whole shard a period in place of the first batch's.
// Invariants: g = grad F(x) bit for bit at x = x_s; E g = grad F(x); the noise of g falls with
// |x - x_s|, so a constant learning rate has no floor but rounding.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "daemon/learn/batches.h"
#include "daemon/learn/model.h"
#include "protocol/archive.h"

namespace kith {

class Svrg {
 public:
  // `period`: batches of the node; 0 = one pass over its shard. The model and the batches outlive
  // it.
  explicit Svrg(uint64_t period) : period_(period) {}

  // Mean loss (over the whole shard where x becomes x_s); `g` is overwritten. Allocates in its
  // first and, when marked, second period only. Undefined result once the work is given up.
  double gradient(const Model& model, const Batches& batches, uint64_t index,
                  std::span<const float> x, std::span<float> g, Workspace& workspace);

  // take_back() makes x_s what it was at the last mark(), once; no copies.
  void mark();
  void take_back();

  // x_s and what belongs to it, between two gradients.
  void persist(Archive& archive);

 private:
  struct Snapshot {
    bool taken = false;
    uint64_t period = 0;  // number of it
    double loss = 0;
    std::vector<float> at;
    std::vector<float> gradient;
  };

  uint64_t period_of(const Batches& batches, uint64_t index) const;
  void take(const Model& model, const Batches& batches, uint64_t number, std::span<const float> x,
            Workspace& workspace);

  uint64_t period_;
  Snapshot snapshot_;
  Snapshot marked_;     // at the last mark, when `moved_`; else spare memory
  bool apart_ = false;  // marked, and no snapshot since
  bool moved_ = false;  // marked, and a snapshot since
};

}  // namespace kith
