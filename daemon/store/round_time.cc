#include "daemon/store/round_time.h"

#include "daemon/job_timing.h"
#include "topology/error.h"

namespace kith {

namespace {

// Of unequal laws an integrand costs N^2.
constexpr uint32_t kMostNodes = 256;

}  // namespace

std::optional<RunTime> predict_run_time(const Job& job, uint32_t nodes) {
  const AlgorithmInfo& algorithm = algorithm_info(job.algorithm.kind);
  const DelaySpec& delays = job.delays;
  const bool beyond = !delays.jitter.empty() || delays.bandwidth > 0 || delays.loss > 0;
  if (algorithm.run_time == nullptr || beyond || nodes > kMostNodes) return std::nullopt;
  try {
    ClusterTiming cluster = make_timing(delays).cluster(nodes);
    cluster.graph = make_graph(job, nodes);
    return algorithm.run_time(job.algorithm.options, cluster);
  } catch (const OperatorError&) {
    return std::nullopt;  // the daemons that were asked have a file that this machine has not
  }
}

}  // namespace kith
