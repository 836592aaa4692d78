// What the operator is told of a job before it begins.
#pragma once

#include "client/view/progress.h"
#include "daemon/job.h"
#include "daemon/learn/model.h"

namespace kith {

// job_notes, and whether algorithm.gamma is too long a step for the codec (advise_step).
void tell_notes(const Job& job, uint32_t nodes, ProgressView& view);

// "A round: a node sends 4 messages, 1.63 MB; 12.1 ms by the delays of the job.", from a rehearsal;
// nothing where there can be none. `delayed`: the job's delays are in force, simulated or injected.
void tell_forecast(const Job& job, uint32_t nodes, const Model& model, bool delayed,
                   ProgressView& view);

}  // namespace kith
