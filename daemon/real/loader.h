// Everything of a job that takes time before training: data, model, name look-ups. Runs on a
// worker.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "daemon/job_timing.h"
#include "daemon/plan.h"
#include "daemon/real/checkpoints.h"
#include "daemon/real/zmq_transport.h"
#include "daemon/trust/identity.h"
#include "protocol/control.h"

namespace kith {

// A job as one node needs it. Kept alive by whoever still computes with it.
struct LoadedJob {
  Pool pool;  // first: outlives the blocks below
  std::unique_ptr<Model> model;
  std::shared_ptr<const Dataset> shard;  // null for the laboratory
  Plan plan;
  SharedBuffer initial;  // x_0
  // In and out, over all rounds; of a star whose hub may change all nodes. Sorted.
  std::vector<NodeId> neighbors;
  Membership membership;
  RunStart start;
  std::vector<CheckpointFolder::Entry> kept;  // what it can go on from; newest first
  std::optional<JobTiming> injected;          // delays to emulate, where the job asks for it
};

// Throws OperatorError with a sentence for the operator. `checkpoints`: null where the daemon has
// no folder for them. `identity`: null where there are no keys.
std::shared_ptr<LoadedJob> load(const RunStart& start, Checkpoints* checkpoints,
                                const Identity* identity = nullptr);

// Such a run goes back to its checkpoints when a daemon starts again; others have none.
bool wants_checkpoints(const control::StartRequest& request);

// Nodes with the same text, number of nodes and token are of one run.
uint64_t run_hash(const control::StartRequest& request);

// What stands in every header: run_hash, plus how often the run has gone on.
uint64_t wire_job(const RunStart& start);

}  // namespace kith
