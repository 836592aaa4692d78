// What the parts of runtime.h share.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "protocol/theory/order_statistics.h"
#include "protocol/theory/runtime.h"

namespace kith {

void check(const ClusterTiming& cluster);

RunTime exact(double seconds, Method method, std::string formula);

// X_i + D_i of every node. The laws are the cluster's.
std::vector<DelayTerm> cycles(const ClusterTiming& cluster);

// Batches a second of all nodes that never wait: sum of 1/(E X_i + D_i). Infinite where one takes
// no time.
double unhindered_rate(const ClusterTiming& cluster);

bool deterministic(const ClusterTiming& cluster);
bool new_longer_than_used(const ClusterTiming& cluster);

// The cluster that computes `tau` batches where this one computes one.
ClusterTiming with_local_steps(const ClusterTiming& cluster, uint32_t tau);

// One stream of draws for each node, the same in every call.
std::vector<Rng> timing_streams(const ClusterTiming& cluster);

// The long-run mean of what next() gives, a stationary sequence after its beginning. Means of 32 to
// 64 batches, each far longer than the sequence remembers, give the standard error; it ends at 0.15
// % of the mean, or when some six million draws are spent (a heavy tail).
struct Estimate {
  double mean = 0;
  double standard_error = 0;
};
Estimate estimate(const std::function<double()>& next, uint64_t draws_each);

RunTime monte_carlo(const Estimate& estimate, double low, double high, std::string formula);

}  // namespace kith
