// The algorithms whose timing has memory from round to round: their times, and only these, are
// simulated. Each class below gives the seconds of one round after the other.
#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <queue>

#include "protocol/theory/runtime_parts.h"
#include "topology/assert.h"

namespace kith {

namespace {

constexpr double kNanosecond = 1e-9;

// K-async: a queue of arrivals at the hub. Where nothing is random, times are whole nanoseconds, as
// in the simulator, so that what is simultaneous stays so.
class KAsync {
 public:
  KAsync(const ClusterTiming& cluster, uint32_t k)
      : cluster_(cluster),
        k_(k),
        whole_(deterministic(cluster)),
        streams_(timing_streams(cluster)) {
    for (uint32_t i = 0; i < streams_.size(); ++i) arrivals_.push({cycle(i), i});
  }

  double next() {
    contributors_.clear();
    const double before = now_;
    while (contributors_.size() < k_) {
      now_ = arrivals_.top().first;
      contributors_.push_back(arrivals_.top().second);
      arrivals_.pop();
    }
    for (const uint32_t i : contributors_) arrivals_.push({now_ + cycle(i), i});
    return (now_ - before) * (whole_ ? kNanosecond : 1);
  }

  // What the future depends on, where nothing is random: the time that each node still needs.
  std::vector<double> state() const {
    std::vector<double> rest(streams_.size());
    for (Queue copy = arrivals_; !copy.empty(); copy.pop()) {
      rest[copy.top().second] = copy.top().first - now_;
    }
    return rest;
  }

 private:
  double cycle(uint32_t i) {
    const double seconds = cluster_.compute[i]->sample(streams_[i]) + cluster_.round_trip[i];
    return whole_ ? std::round(seconds / kNanosecond) : seconds;
  }

  using Arrival = std::pair<double, uint32_t>;  // time and node: ties in node order
  using Queue = std::priority_queue<Arrival, std::vector<Arrival>, std::greater<>>;
  const ClusterTiming& cluster_;
  uint32_t k_;
  bool whole_;
  std::vector<Rng> streams_;
  Queue arrivals_;
  std::vector<uint32_t> contributors_;
  double now_ = 0;
};

// The mean over one period, found by Brent's method: the state of a growing stride ago comes back.
// A period beyond the limit (constants without a common measure) leaves the mean of a long path.
double mean_of_path(KAsync path) {
  std::vector<double> kept = path.state();
  const uint64_t most_rounds = 10'000 + 2'000'000 / kept.size();
  double seconds = 0;
  uint64_t since = 0;
  uint64_t stride = 1;
  for (uint64_t round = 0; round < most_rounds; ++round) {
    seconds += path.next();
    ++since;
    const std::vector<double> state = path.state();
    if (state == kept) break;
    if (since == stride && 2 * stride < most_rounds) {
      kept = state;
      stride *= 2;
      seconds = 0;
      since = 0;
    }
  }
  return seconds / static_cast<double>(since);
}

// Clock c of worker i ends at F_i(c) = max(F_i(c-1), max_j F_j(c-1-s)) + X_i + D_i.
class StaleSynchronous {
 public:
  StaleSynchronous(const ClusterTiming& cluster, uint32_t bound)
      : cluster_(cluster),
        bound_(bound),
        ends_(cluster.compute.size()),
        streams_(timing_streams(cluster)) {}

  double next() {
    const double released = all_done_.size() > bound_ ? all_done_.front() : 0;
    double last = 0;
    for (size_t i = 0; i < ends_.size(); ++i) {
      const double begins = std::max(ends_[i], released);
      ends_[i] = begins + cluster_.compute[i]->sample(streams_[i]) + cluster_.round_trip[i];
      last = std::max(last, ends_[i]);
    }
    const double seconds = all_done_.empty() ? last : last - all_done_.back();
    if (all_done_.size() > bound_) all_done_.pop_front();
    all_done_.push_back(last);
    return seconds;
  }

 private:
  const ClusterTiming& cluster_;
  const size_t bound_;           // s
  std::vector<double> ends_;     // F_i of the last clock
  std::deque<double> all_done_;  // max_j F_j of the last s + 1 clocks, the oldest first
  std::vector<Rng> streams_;
};

// P_i(r) = max(P_i(r-1) + B_i, C_i(r-1)) + A_i, C_i(r) = max_j (P_j(r) + D_j/2) + D_i/2: B_i the
// local steps before the wait for the mean of the last round, A_i those after it, P_i the end of
// round r, C_i when its mean is there. The first round waits for nothing.
class Overlap {
 public:
  Overlap(const ClusterTiming& cluster, uint32_t tau, uint32_t behind)
      : cluster_(cluster),
        before_(behind),
        after_(tau - behind),
        ends_(cluster.compute.size()),
        streams_(timing_streams(cluster)) {}

  double next() {
    double at_hub = 0;
    for (size_t i = 0; i < ends_.size(); ++i) {
      const double half_trip = cluster_.round_trip[i] / 2;
      const double mean_there = mean_formed_ == 0 ? 0 : mean_formed_ + half_trip;
      ends_[i] = std::max(ends_[i] + local_steps(i, before_), mean_there);
      ends_[i] += local_steps(i, after_);
      at_hub = std::max(at_hub, ends_[i] + half_trip);
    }
    const double seconds = at_hub - mean_formed_;
    mean_formed_ = at_hub;
    return seconds;
  }

 private:
  double local_steps(size_t i, uint32_t steps) {
    if (steps == 0) return 0;
    const Delay& law = *cluster_.compute[i];
    if (cluster_.draw_per_round) return steps * law.sample(streams_[i]);
    double sum = 0;
    for (uint32_t step = 0; step < steps; ++step) sum += law.sample(streams_[i]);
    return sum;
  }

  const ClusterTiming& cluster_;
  uint32_t before_;
  uint32_t after_;
  std::vector<double> ends_;
  double mean_formed_ = 0;
  std::vector<Rng> streams_;
};

}  // namespace

// Bounds: a worker's cycle is never shorter than X + D; and where new is longer than used, what is
// left of a worker's batch at an update is stochastically shorter than a new one.
RunTime k_async_time(const ClusterTiming& cluster, uint32_t k) {
  check(cluster);
  const auto nodes = static_cast<uint32_t>(cluster.compute.size());
  KITH_ASSERT(1 <= k && k <= nodes);
  if (k == 1) return async_time(cluster);
  if (k == nodes) return sync_time(cluster);
  const RunTime fresh = k_sync_time(cluster, k);
  const bool memoryless = std::ranges::all_of(cluster.compute, [&](const auto& law) {
    const std::optional<ExponentialForm> form = law->exponential_form();
    return law == cluster.compute.front() && form && form->shift == 0;
  });
  const bool instant = std::ranges::all_of(cluster.round_trip, [](double d) { return d == 0; });
  if (memoryless && instant) {
    return exact(fresh.seconds_per_round, Method::kClosedForm, "(H_N - H_{N-K}) E X");
  }
  const std::string formula = "long-run mean time between updates";
  if (deterministic(cluster)) {
    return exact(mean_of_path(KAsync(cluster, k)), Method::kPath, formula);
  }
  KAsync timing(cluster, k);
  return monte_carlo(estimate([&] { return timing.next(); }, k), k / unhindered_rate(cluster),
                     new_longer_than_used(cluster) ? fresh.seconds_per_round
                                                   : std::numeric_limits<double>::infinity(),
                     formula);
}

// Bounds: the slowest worker's own pace, and the barrier (s = 0), of which every time is later.
RunTime stale_synchronous_time(const ClusterTiming& cluster, uint32_t bound) {
  const RunTime barrier = sync_time(cluster);
  double slowest = 0;
  for (const DelayTerm& term : cycles(cluster)) {
    slowest = std::max(slowest, term.law->mean() + term.plus);
  }
  RunTime time = barrier;
  if (deterministic(cluster)) {
    time = exact(slowest, Method::kClosedForm, "max_i (X_i + D_i)");
  } else if (bound > 0 && cluster.compute.size() > 1) {
    StaleSynchronous timing(cluster, bound);
    time = monte_carlo(estimate([&] { return timing.next(); }, cluster.compute.size()), slowest,
                       barrier.seconds_per_round, "long-run mean time of a clock");
  }
  time.updates = static_cast<double>(cluster.compute.size());
  return time;
}

RunTime overlap_time(const ClusterTiming& cluster, uint32_t tau) {
  return overlap_time(cluster, tau, tau);
}

// Bounds from below: the slowest worker's computing; and from one mean to the next a round trip and
// the steps after the wait, of all workers. Where nothing is random the longer one is reached: in
// the longest path through the recursion each stay at a worker adds either tau X_i or, with its
// share of the round trips, D_i + (tau - behind) X_i. From above: the barrier without overlap, of
// which every time is later.
RunTime overlap_time(const ClusterTiming& cluster, uint32_t tau, uint32_t behind) {
  KITH_ASSERT(behind <= tau);
  const RunTime waiting = local_sgd_time(cluster, tau);
  if (behind == 0) return waiting;
  double low = 0;
  for (const DelayTerm& term : cycles(cluster)) {
    low = std::max({low, tau * term.law->mean(), term.plus});
  }
  if (behind < tau) {
    low = std::max(low, local_sgd_time(cluster, tau - behind).seconds_per_round);
  }
  RunTime time = exact(
      low, Method::kClosedForm,
      behind == tau ? "max_i max(tau X_i, D_i)" : "max_i max(tau X_i, D_i + (tau - behind) X_i)");
  if (!deterministic(cluster)) {
    Overlap timing(cluster, tau, behind);
    const uint64_t draws = cluster.compute.size() * (cluster.draw_per_round ? 1 : tau);
    time = monte_carlo(estimate([&] { return timing.next(); }, draws), low,
                       waiting.seconds_per_round, "long-run mean time of a round");
  }
  time.local_steps = tau;
  return time;
}

}  // namespace kith
