// The quadratic laboratory, measured and predicted: its floats are independent replicas of one
// scalar problem, so one run measures variances, and linear theory says what they must be.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "daemon/job.h"
#include "protocol/theory/laboratory.h"

namespace kith {

// A figure estimated from R independent replicas, with its standard error.
struct Estimate {
  double value = 0;
  double standard_error = 0;
};

struct LaboratoryResult {
  size_t replicas = 0;
  Estimate mean_of_average;
  Estimate variance_of_average;  // standard error from the fourth moment: noise may be heavy-tailed
  Estimate consensus;  // mean over nodes and replicas of the squared distance to the average
  std::optional<LaboratoryMoments> predicted;
};

LaboratoryResult measure_laboratory(std::span<const std::span<const float>> nodes);

// What the exact recursion gives for this job; nothing where it is not linear (a lossy codec
// other than rand-k under sync, momentum, weight decay, a schedule) or too large for O(N^3) a
// round.
std::optional<LaboratoryMoments> predict_laboratory(const Job& job, uint32_t nodes, Round rounds);

}  // namespace kith
