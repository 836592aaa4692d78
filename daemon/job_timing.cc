#include "daemon/job_timing.h"

#include <map>

#include "daemon/delay_trace.h"
#include "topology/error.h"

namespace kith {

namespace {

std::shared_ptr<const Delay> read_law(const char* key, const std::string& spec) {
  try {
    const std::optional<std::string> trace = trace_path(spec);
    if (trace) return make_empirical_delay(read_delay_trace(*trace), spec);
    return make_delay(spec);
  } catch (const OperatorError& error) {
    throw OperatorError(std::string(key) + ": " + error.what());
  }
}

}  // namespace

ComputeDelays::ComputeDelays(std::shared_ptr<const Delay> law, DelaySpec::Per per, uint64_t seed,
                             NodeId node)
    : law_(std::move(law)), per_(per), rng_(seed, node, Purpose::kComputeDelay) {}

Duration ComputeDelays::next(uint32_t steps) {
  double takes = 0;  // s
  if (per_ == DelaySpec::Per::kRound) {
    takes = law_->sample(rng_) * steps;
  } else {
    for (uint32_t step = 0; step < steps; ++step) takes += law_->sample(rng_);
  }
  return bounded_seconds(takes);
}

std::shared_ptr<const Delay> JobTiming::compute_of(NodeId node) const {
  return index_of(node) < scale.size() ? scaled(compute, scale[index_of(node)]) : compute;
}

ComputeDelays JobTiming::delays_of(NodeId node, uint64_t seed) const {
  return {compute_of(node), per, seed, node};
}

ClusterTiming JobTiming::cluster(uint32_t nodes) const {
  ClusterTiming cluster;
  // One law for equal nodes, which theory takes together.
  std::map<double, std::shared_ptr<const Delay>> laws = {{1.0, compute}};
  for (uint32_t i = 0; i < nodes; ++i) {
    std::shared_ptr<const Delay>& law = laws[i < scale.size() ? scale[i] : 1.0];
    if (!law) law = compute_of(NodeId{i});
    cluster.compute.push_back(law);
    cluster.round_trip.push_back(i == 0 ? 0 : 2 * seconds(link.latency));
  }
  cluster.draw_per_round = per == DelaySpec::Per::kRound;
  cluster.latency = seconds(link.latency);
  return cluster;
}

JobTiming make_timing(const DelaySpec& delays) {
  JobTiming timing;
  timing.compute = read_law("delays.compute", delays.compute);
  timing.scale = delays.scale;
  timing.per = delays.per;
  timing.link.latency = from_seconds(delays.latency);
  if (!delays.jitter.empty()) timing.link.jitter = read_law("delays.jitter", delays.jitter);
  timing.link.bandwidth = delays.bandwidth;
  timing.link.loss = delays.loss;
  return timing;
}

std::string describe(const DelaySpec& delays) {
  std::string text = "compute " + delays.compute;
  if (!delays.scale.empty()) text += " x " + to_text(delays.scale);
  if (delays.per == DelaySpec::Per::kRound) text += " per round";
  if (delays.latency > 0) text += ", latency " + to_text(delays.latency * 1e3) + " ms";
  if (!delays.jitter.empty()) text += ", jitter " + delays.jitter;
  if (delays.bandwidth > 0) text += ", " + to_text(delays.bandwidth * 8 / 1e6) + " Mbit/s";
  if (delays.loss > 0) text += ", loss " + to_text(delays.loss);
  return text;
}

}  // namespace kith
