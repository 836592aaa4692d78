// Carries out Compute effects for one node: batches, gradients, local optimiser steps.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "daemon/learn/batches.h"
#include "daemon/learn/dataset.h"
#include "daemon/learn/model.h"
#include "daemon/learn/privacy.h"
#include "daemon/learn/svrg.h"
#include "protocol/effect.h"
#include "protocol/event.h"
#include "protocol/optimizer.h"

namespace kith {

struct TrainerSetup {
  const Model* model = nullptr;         // outlives the trainer
  std::shared_ptr<const Dataset> data;  // null for the laboratory
  Shard rows;                           // rows of `data` of this node; empty = all of them
  BatchSchedule batch;                  // samples a step; a smaller shard gives smaller batches
  OptimizerSpec optimizer;              // of local steps
  // Variance-reduced gradients, with so many batches between snapshots (0 = a pass over the rows).
  std::optional<uint64_t> svrg_period;
  std::optional<PrivacySpec> privacy = {};  // not with SVRG, and of models with data
  bool revocable = false;                   // take_back() will be called
  uint64_t total_batches = 0;               // over the run: what the schedules are fractions of
  uint64_t seed = 0;
  NodeId node{};
};

class Trainer {
 public:
  explicit Trainer(TrainerSetup setup);

  // One Compute at a time for one trainer, in order; any thread. No allocation in the steady state
  // but the result's block from `pool`. Stops early, with an undefined result, once `cancelled`
  // (may be null) is true: take_back() must follow if there is to be another run.
  Computed run(const Compute& work, Pool& pool, Workspace& workspace,
               const std::atomic<bool>* cancelled = nullptr);

  // Makes everything that outlives a run (the optimiser's state, SVRG's snapshot) what it was
  // before the last one, as if that had never begun; needs `revocable`. No copies: what a revocable
  // run changes it writes beside the old.
  void take_back();

  // What outlives a run, between two runs.
  void persist(Archive& archive);

 private:
  double gradient(uint64_t index, std::span<const float> x, std::span<float> g,
                  Workspace& workspace);
  double local_steps(const Compute& work, std::span<float> y, Workspace& workspace);

  const Model* model_;
  bool revocable_;
  uint64_t total_batches_;
  Batches batches_;
  Optimizer optimizer_;
  std::optional<Svrg> svrg_;
  std::optional<PrivacySpec> privacy_;
};

struct Evaluation {
  double loss = 0;      // mean over the rows
  double accuracy = 0;  // fraction in [0, 1]
};

// Of parameters `x` on all rows of `data`, in blocks of a few hundred rows, one thread.
Evaluation evaluate(const Model& model, const Dataset& data, std::span<const float> x,
                    Workspace& workspace);

}  // namespace kith
