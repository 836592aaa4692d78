// Everything of a job that takes time before training: data, model, name look-ups. Runs on a
// worker.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "daemon/job_timing.h"
#include "daemon/node_config.h"
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
  std::string data;      // its kind, equal on all nodes: see data_text
  SharedBuffer initial;  // x_0
  // In and out, over all rounds; of a star whose hub may change all nodes. Sorted.
  std::vector<NodeId> neighbors;
  Membership membership;
  RunStart start;
  std::vector<Restart> kept;          // what it can go on from, the beginning included
  std::optional<JobTiming> injected;  // delays to emulate, where the job asks for it
};

// Throws OperatorError with a sentence for the operator. `checkpoints`: null where the daemon has
// no folder for them. `identity`: null where there are no keys. `own`: the machine's own data, null
// where it trains on the job's.
std::shared_ptr<LoadedJob> load(const RunStart& start, Checkpoints* checkpoints,
                                const Identity* identity = nullptr, const OwnData* own = nullptr);

// What must be equal for one model to be trained on the data of two nodes: "784 features, 10
// classes", with what tells the labels apart where they are text. Empty without data.
std::string data_text(DataShape shape, const std::vector<std::string>& class_names);

}  // namespace kith
