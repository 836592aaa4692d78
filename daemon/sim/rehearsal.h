// What a round of a job will cost, found out before it begins: its first rounds are simulated with
// random gradients and no data.
#pragma once

#include <optional>

#include "daemon/job.h"
#include "daemon/learn/model.h"

namespace kith {

struct Rehearsal {
  double messages = 0;    // that a node sends in a round, on average
  double bytes = 0;       // the same, on the wire
  double bytes_most = 0;  // of the node that sends most
  double seconds = 0;     // of a round, by the job's delays; 0 where it has none
};

// `model` is the job's. Takes some hundredths of a second at most: vectors are shortened, and what
// messages hold is scaled up again, except where its size follows from the shapes of the tensors.
// Nothing where that would take longer, or where there are more nodes than kMostNodesTried.
std::optional<Rehearsal> rehearse(const Job& job, uint32_t nodes, const Model& model);

}  // namespace kith
