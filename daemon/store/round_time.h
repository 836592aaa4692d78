// How long a round takes: measured, and as theory expects it from the job's delays.
#pragma once

#include <optional>

#include "daemon/job.h"
#include "protocol/theory/runtime.h"

namespace kith {

struct RoundTime {
  double measured = 0;  // s, mean over the run; virtual in a simulation
  std::optional<RunTime> predicted;
};

// Nothing where the algorithm has no theory or the delays are beyond it (jitter, bandwidth, loss, a
// trace that is not here), or where there are too many nodes to wait for it. Takes a second at
// most.
std::optional<RunTime> predict_run_time(const Job& job, uint32_t nodes);

}  // namespace kith
