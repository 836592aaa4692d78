// The algorithms over a graph: in lockstep with their neighbours alone, or with nobody.
#include <algorithm>
#include <vector>

#include "protocol/theory/runtime_parts.h"
#include "topology/assert.h"

namespace kith {

namespace {

// T_i(r+1) = max(T_i(r) + X_i(r), max over j heard by i of S_j(r - lag) + latency), where S_j is
// the end of j's steps, T_j + X_j, or with combine_first their beginning, T_j.
class Lockstep {
 public:
  Lockstep(const ClusterTiming& cluster, const GossipTiming& gossip)
      : cluster_(cluster),
        gossip_(gossip),
        begins_(cluster.compute.size()),
        sent_(gossip.lag + 1, std::vector<double>(begins_.size())),
        streams_(timing_streams(cluster)) {
    std::vector<NodeId> peers;
    for (Round round = 0; round < cluster.graph->period(); ++round) {
      for (uint32_t i = 0; i < begins_.size(); ++i) {
        cluster.graph->in(NodeId{i}, round, peers);
        heard_.push_back(peers);
      }
    }
  }

  // Mean over the nodes.
  double next() {
    std::vector<double>& sent = sent_[round_ % sent_.size()];
    double before = 0;
    for (size_t i = 0; i < begins_.size(); ++i) {
      before += begins_[i];
      if (gossip_.combine_first) sent[i] = begins_[i];
      begins_[i] += cluster_.compute[i]->sample(streams_[i]);
      if (!gossip_.combine_first) sent[i] = begins_[i];
    }
    if (round_ >= gossip_.lag) wait(round_ - gossip_.lag);
    ++round_;
    double after = 0;
    for (const double begin : begins_) after += begin;
    return (after - before) / static_cast<double>(begins_.size());
  }

 private:
  void wait(Round round) {
    const std::vector<double>& sent = sent_[round % sent_.size()];
    const size_t first = round % cluster_.graph->period() * begins_.size();
    for (size_t i = 0; i < begins_.size(); ++i) {
      for (const NodeId peer : heard_[first + i]) {
        begins_[i] = std::max(begins_[i], sent[index_of(peer)] + cluster_.latency);
      }
    }
  }

  const ClusterTiming& cluster_;
  const GossipTiming gossip_;
  std::vector<double> begins_;              // T_i
  std::vector<std::vector<double>> sent_;   // S_i of the last lag + 1 rounds
  std::vector<std::vector<NodeId>> heard_;  // by node, for each round of the graph's period
  std::vector<Rng> streams_;
  Round round_ = 0;
};

// The greatest mean of a cycle of waits is the pace of all, and with X at its mean never above it.
// A node waits for itself, X_i a round; for a neighbour j, c_j each 1 + lag rounds, with c_j = X_j
// + latency. Where edges go both ways every longer cycle is a mean of those there and back.
struct CycleBounds {
  double low = 0;
  double high = 0;  // of constant X
};

CycleBounds cycle_bounds(const ClusterTiming& cluster, const GossipTiming& gossip) {
  CycleBounds bounds;
  std::vector<double> wait;  // c_i
  for (const auto& law : cluster.compute) {
    bounds.low = std::max(bounds.low, law->mean());
    wait.push_back((gossip.combine_first ? 0 : law->mean()) + cluster.latency);
  }
  bounds.high = bounds.low;
  if (wait.size() == 1) return bounds;
  const double rounds = 1 + static_cast<double>(gossip.lag);
  double pair = 2 * *std::ranges::min_element(wait);
  bounds.high = std::max(bounds.high, *std::ranges::max_element(wait) / rounds);
  if (cluster.graph->undirected() && cluster.graph->period() == 1) {
    std::vector<NodeId> peers;
    for (uint32_t i = 0; i < wait.size(); ++i) {
      cluster.graph->in(NodeId{i}, 0, peers);
      for (const NodeId peer : peers) pair = std::max(pair, wait[i] + wait[index_of(peer)]);
    }
    bounds.high = std::max(bounds.low, pair / 2 / rounds);
  }
  bounds.low = std::max(bounds.low, pair / 2 / rounds);
  return bounds;
}

// E max(X, least).
double mean_at_least(const Delay& law, double least) {
  if (least == 0) return law.mean();
  const std::unique_ptr<Delay> constant = make_empirical_delay({least}, "round trip");
  const DelayTerm terms[] = {{&law, 0}, {constant.get(), 0}};
  return expected_order_statistic(terms, 2).value;
}

}  // namespace

// Bounds from above: constant X, its cycles; else a barrier of all, of which every time is later.
std::optional<RunTime> gossip_time(const ClusterTiming& cluster, const GossipTiming& gossip) {
  check(cluster);
  KITH_ASSERT(gossip.local_steps >= 1);
  if (!cluster.graph) return std::nullopt;
  ClusterTiming steps = with_local_steps(cluster, gossip.local_steps);
  const CycleBounds bounds = cycle_bounds(steps, gossip);
  RunTime time;
  if (deterministic(cluster) && bounds.low == bounds.high) {
    time = exact(bounds.low, Method::kClosedForm,
                 gossip.combine_first ? "max over neighbours of max(X_i, latency)"
                 : gossip.lag > 0
                     ? "max over neighbours of max(X_i, ((X_i + X_j)/2 + latency) / (1 + tau_o))"
                     : "max over neighbours of (X_i + X_j)/2 + latency");
  } else if (steps.compute.size() == 1) {
    time = exact(bounds.low, Method::kClosedForm, "tau E X");
  } else {
    std::ranges::fill(steps.round_trip, cluster.latency);
    const double barrier =
        deterministic(cluster) ? bounds.high : sync_time(steps).seconds_per_round;
    Lockstep timing(steps, gossip);
    const uint64_t draws = steps.compute.size() * (cluster.draw_per_round ? 1 : gossip.local_steps);
    time = monte_carlo(estimate([&] { return timing.next(); }, draws), bounds.low, barrier,
                       "long-run mean time of a round between neighbours");
  }
  time.local_steps = gossip.local_steps;
  return time;
}

// The last node to do its rounds goes at its own pace.
RunTime pairwise_time(const ClusterTiming& cluster, uint32_t tau, bool overlap) {
  check(cluster);
  const ClusterTiming steps = with_local_steps(cluster, tau);
  const auto nodes = static_cast<double>(steps.compute.size());
  const double round_trip = nodes > 1 ? 2 * cluster.latency : 0;
  double rate = 0;  // rounds a second of all nodes
  double slowest = 0;
  const Delay* last_law = nullptr;
  double pace = 0;
  for (const auto& law : steps.compute) {
    if (law.get() != last_law) {
      pace = overlap ? mean_at_least(*law, round_trip) : law->mean() + round_trip;
      last_law = law.get();
    }
    rate += 1 / pace;
    slowest = std::max(slowest, pace);
  }
  RunTime time = exact(nodes / rate, Method::kClosedForm,
                       overlap ? "N / sum_i 1/E max(tau X_i, D), D = 2 latency"
                               : "N / sum_i 1/(tau E X_i + D), D = 2 latency");
  if (overlap) time.method = Method::kQuadrature;
  constexpr double kRounding = 1e-12;  // of the sum of rates of equal nodes
  if (slowest > time.high * (1 + kRounding)) time.high = slowest;
  time.local_steps = tau;
  return time;
}

}  // namespace kith
