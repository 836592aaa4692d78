// Carries out Compute effects for one node: batches, gradients, local optimiser steps.
#pragma once

#include <atomic>
#include <memory>

#include "daemon/learn/dataset.h"
#include "daemon/learn/model.h"
#include "protocol/effect.h"
#include "protocol/event.h"
#include "protocol/optimizer.h"

namespace kith {

struct TrainerSetup {
  const Model* model = nullptr;         // outlives the trainer
  std::shared_ptr<const Dataset> data;  // null for the laboratory
  Shard rows;                           // rows of `data` of this node; empty = all of them
  uint32_t batch = 32;                  // samples a step; a smaller shard gives smaller batches
  OptimizerSpec optimizer;              // of local steps
  uint64_t total_batches = 0;           // over the run: what the schedule is a fraction of
  uint64_t seed = 0;
  NodeId node{};
};

class Trainer {
 public:
  explicit Trainer(TrainerSetup setup);

  // One Compute at a time for one trainer, in order; any thread. No allocation in the steady state
  // but the result's block from `pool`. Stops early, with an undefined result, once `cancelled`
  // (may be null) is true.
  Computed run(const Compute& work, Pool& pool, Workspace& workspace,
               const std::atomic<bool>* cancelled = nullptr);

  // The rows of batch `index`: pass e of the shard is a fresh permutation drawn from (seed, node,
  // e), computed in place for any index (a Feistel network with cycle walking), without memory.
  void batch_rows(uint64_t index, std::span<uint32_t> rows) const;

 private:
  Batch load_batch(uint64_t index, Workspace& workspace) const;

  TrainerSetup setup_;
  Optimizer optimizer_;
};

struct Evaluation {
  double loss = 0;      // mean over the rows
  double accuracy = 0;  // fraction in [0, 1]
};

// Of parameters `x` on all rows of `data`, in blocks of a few hundred rows, one thread.
Evaluation evaluate(const Model& model, const Dataset& data, std::span<const float> x,
                    Workspace& workspace);

}  // namespace kith
