// K-batch-sync: the first time at which N independent renewal processes, all begun afresh, count K.
//
//   E T = integral of P(sum_i N_i(t) < K) dt,   P(N_i(t) >= j) = P(j-th arrival of i <= t)
// The arrivals' laws are convolved on a lattice, the counts added for each of its times.
#include <algorithm>
#include <cmath>
#include <limits>
#include <queue>

#include "protocol/theory/counting.h"
#include "protocol/theory/lattice.h"
#include "protocol/theory/runtime_parts.h"
#include "topology/assert.h"

namespace kith {

namespace {

constexpr size_t kSteps = 1 << 14;
constexpr double kNegligible = 1e-7;   // P(T > horizon), beyond which the tail is continued
constexpr uint32_t kMostBatches = 64;  // K, and the number of different nodes, for the lattice
constexpr size_t kMostGroups = 16;

// P(j-th arrival <= t) for j = 1..k, at the lattice's times.
std::vector<std::vector<double>> arrivals(const DelayTerm& term, uint32_t k, double step) {
  Lattice sum = discretised(*term.law, term.plus, step, kSteps);
  const Lattice each = term.plus == 0 ? sum : discretised(*term.law, 0, step, kSteps);
  std::vector<std::vector<double>> cdf;
  for (uint32_t j = 1;; sum = convolved(sum, each)) {
    std::vector<double>& last = cdf.emplace_back(kSteps);
    double below = 0;
    for (size_t m = 0; m < kSteps; ++m) last[m] = below = std::min(below + sum.mass[m], 1.0);
    if (j++ == k) return cdf;
  }
}

// P(fewer than k arrivals from all groups) at each of the lattice's times, which falls.
class Unfinished {
 public:
  Unfinished(const std::vector<DelayGroup>& groups, uint32_t k, double step) : k_(k) {
    for (const DelayGroup& group : groups) {
      counts_.push_back(group.count);
      arrivals_.push_back(arrivals(group.term, k, step));
    }
  }

  double at(size_t m) {
    total_.assign(1, 1);
    for (size_t g = 0; g < arrivals_.size(); ++g) {
      power_.clear();
      double reached = 1;
      for (uint32_t j = 0; j < k_; ++j) {
        const double next = arrivals_[g][j][m];
        power_.push_back(std::max(reached - next, 0.0));
        reached = next;
      }
      for (uint32_t rest = counts_[g];;) {
        if (rest % 2 == 1) add(total_, power_);
        rest /= 2;
        if (rest == 0) break;
        const std::vector<double> half = power_;
        add(power_, half);
      }
    }
    double sum = 0;
    for (const double p : total_) sum += p;
    return sum;
  }

 private:
  void add(std::vector<double>& to, const std::vector<double>& other) {
    add_counts(k_, to, other, scratch_);
    to.swap(scratch_);
  }

  uint32_t k_;
  std::vector<uint32_t> counts_;                            // nodes, by group
  std::vector<std::vector<std::vector<double>>> arrivals_;  // [group][j - 1][time]
  std::vector<double> total_, power_, scratch_;
};

// A first pass finds a horizon that holds all but a negligible part, a second one resolves it. The
// tail falls like t^-(a N) for a power law t^-a, since all N must be slow at once, or faster; so a
// power law through the last octave continues it.
double by_lattice(const std::vector<DelayGroup>& groups, uint32_t k, double horizon) {
  for (bool found = false;;) {
    const double step = horizon / static_cast<double>(kSteps);
    Unfinished unfinished(groups, k, step);
    const double left = unfinished.at(kSteps - 1);
    if (left > kNegligible && !found) {
      horizon *= 2;
      continue;
    }
    double sum = 0;
    size_t end = 0;
    for (double p = 1; end < kSteps && p > kNegligible * kNegligible; ++end) {
      sum += step * (p = unfinished.at(end));
    }
    if (found || end > kSteps / 2) {
      const double slope = left > 0 ? std::log2(unfinished.at(kSteps / 2) / left) : 0;
      return slope > 1 ? sum + left * horizon / (slope - 1) : sum;
    }
    found = true;
    horizon *= static_cast<double>(end + 1) / static_cast<double>(kSteps);
  }
}

// One round with drawn times: the time of the k-th arrival.
class FreshRound {
 public:
  FreshRound(const ClusterTiming& cluster, uint32_t k)
      : cluster_(cluster), k_(k), streams_(timing_streams(cluster)) {}

  double next() {
    arrivals_ = {};
    for (uint32_t i = 0; i < streams_.size(); ++i) {
      arrivals_.push({draw(i) + cluster_.round_trip[i], i});
    }
    for (uint32_t counted = 1; counted < k_; ++counted) {
      const auto [time, node] = arrivals_.top();
      arrivals_.pop();
      arrivals_.push({time + draw(node), node});
    }
    return arrivals_.top().first;
  }

 private:
  double draw(uint32_t i) { return cluster_.compute[i]->sample(streams_[i]); }

  using Arrival = std::pair<double, uint32_t>;  // s, node
  const ClusterTiming& cluster_;
  uint32_t k_;
  std::vector<Rng> streams_;
  std::priority_queue<Arrival, std::vector<Arrival>, std::greater<>> arrivals_;
};

// Poisson processes that begin together, at d: d + K / sum of the rates.
std::optional<double> of_exponentials(const ClusterTiming& cluster, uint32_t k) {
  const double d = cluster.round_trip.front();
  for (size_t i = 0; i < cluster.compute.size(); ++i) {
    const std::optional<ExponentialForm> form = cluster.compute[i]->exponential_form();
    if (!form || form->shift > 0 || cluster.round_trip[i] != d) return std::nullopt;
  }
  double rate = 0;
  for (const auto& law : cluster.compute) rate += 1 / law->mean();
  return d + k / rate;
}

}  // namespace

RunTime k_batch_sync_time(const ClusterTiming& cluster, uint32_t k) {
  KITH_ASSERT(k >= 1);
  const std::vector<DelayGroup> groups = grouped(cycles(cluster));
  const std::string formula = "E first time that N fresh renewal processes count K";
  FreshRound round(cluster, k);
  if (deterministic(cluster)) return exact(round.next(), Method::kClosedForm, formula);
  if (k == 1) return k_sync_time(cluster, 1);
  if (const std::optional<double> value = of_exponentials(cluster, k)) {
    return exact(*value, Method::kClosedForm, "K / sum_i 1/E X_i + D");
  }
  if (cluster.compute.size() == 1) {
    const double d = cluster.round_trip.front();
    return exact(k * cluster.compute.front()->mean() + d, Method::kClosedForm, "K E X + D");
  }
  const double rate = unhindered_rate(cluster);
  if (std::isinf(rate)) return exact(0, Method::kClosedForm, "a node that takes no time");
  if (k <= kMostBatches && groups.size() <= kMostGroups) {
    const double horizon = 2 * k / rate + *std::ranges::max_element(cluster.round_trip);
    return exact(by_lattice(groups, k, horizon), Method::kQuadrature, formula);
  }
  const double high = k <= cluster.compute.size() ? k_sync_time(cluster, k).high
                                                  : std::numeric_limits<double>::infinity();
  return monte_carlo(estimate([&] { return round.next(); }, k + cluster.compute.size()), 0, high,
                     formula);
}

}  // namespace kith
