#include "daemon/sim/collector.h"

#include <algorithm>

#include "protocol/kernels.h"

namespace kith {

bool Collector::add(const Report& report, Time now, uint64_t bytes_sent, SimulationReport& out) {
  // One hub that takes over from another may do the last rounds of that again.
  if (reporters_ == 1 && report.round < next_) return false;
  Gathering& gathering = rounds_[report.round];
  if (gathering.sum.empty()) gathering.sum.resize(dimension_);
  const std::span<const float> x = report.parameters.floats();
  for (size_t i = 0; i < dimension_; ++i) gathering.sum[i] += static_cast<double>(x[i]);
  gathering.squares += kernels::squared_norm(x);
  gathering.loss += report.loss;
  gathering.disagreement = std::max(gathering.disagreement, report.disagreement);
  gathering.bytes_sent_most = std::max(gathering.bytes_sent_most, bytes_sent);
  if (++gathering.count < reporters_) return false;
  next_ = report.round + 1;

  const double share = 1.0 / reporters_;
  double norm_of_mean = 0;
  out = {.round = report.round, .time = now, .loss = gathering.loss * share, .average = {}};
  out.bytes_sent_most = gathering.bytes_sent_most;
  if (with_average_) out.average.resize(dimension_);
  for (size_t i = 0; i < dimension_; ++i) {
    const double mean = gathering.sum[i] * share;
    norm_of_mean += mean * mean;
    if (with_average_) out.average[i] = static_cast<float>(mean);
  }
  out.consensus_distance = gathering.disagreement >= 0
                               ? gathering.disagreement
                               : std::max(0.0, gathering.squares * share - norm_of_mean);
  rounds_.erase(report.round);
  return true;
}

}  // namespace kith
