// What the operator should know of a job before it starts, although it can run.
#pragma once

#include <string>
#include <vector>

#include "daemon/job.h"

namespace kith {

// Sentences without a full stop, of a job that validate() has let pass: of its graph, of weights
// that its algorithm makes itself (which costs what making them does), and of nodes that lie.
std::vector<std::string> job_notes(const Job& job, uint32_t nodes);

}  // namespace kith
