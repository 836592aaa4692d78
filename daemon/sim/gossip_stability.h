// Whether models draw nearer under a job's consensus step, found out before it begins. How long a
// step a lossy codec stands is known in theory for the worst vector alone, and a hundred times too
// short for any other (Koloskova, Stich, Jaggi 2019, Theorem 2), so it is tried.
#pragma once

#include <optional>

#include "daemon/job.h"

namespace kith {

struct StepAdvice {
  double given = 0;  // algorithm.gamma of the job
  double works = 0;  // the longest of given / 2, / 4, ... under which models draw nearer; 0 = none
};

// Nodes that one random step has parted gossip without any gradient, on the job's graph and through
// its codec, for some hundred rounds. Nothing where they draw nearer, where the job has no
// consensus step or a codec that loses nothing, or where there are more nodes than kMostNodesTried.
std::optional<StepAdvice> advise_step(const Job& job, uint32_t nodes);

}  // namespace kith
