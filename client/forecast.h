// What the operator is told of a job before it begins.
#pragma once

#include <span>

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

// What a job with [privacy] will have told of a row at its end, of the node whose shard is
// smallest; and what takes from that. Nothing without [privacy]. `rows_by_node` as of Training.
void tell_privacy(const Job& job, std::span<const size_t> rows_by_node, ProgressView& view);

}  // namespace kith
