#include "protocol/theory/runtime_parts.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "protocol/theory/sum.h"
#include "topology/assert.h"

namespace kith {

void check(const ClusterTiming& cluster) {
  KITH_ASSERT(!cluster.compute.empty());
  KITH_ASSERT(cluster.compute.size() == cluster.round_trip.size());
  KITH_ASSERT(std::ranges::all_of(cluster.round_trip, [](double d) { return d >= 0; }));
}

RunTime exact(double seconds, Method method, std::string formula) {
  RunTime time;
  time.seconds_per_round = time.low = time.high = seconds;
  time.method = method;
  time.formula = std::move(formula);
  return time;
}

std::vector<DelayTerm> cycles(const ClusterTiming& cluster) {
  check(cluster);
  std::vector<DelayTerm> terms;
  for (size_t i = 0; i < cluster.compute.size(); ++i) {
    terms.push_back({cluster.compute[i].get(), cluster.round_trip[i]});
  }
  return terms;
}

double unhindered_rate(const ClusterTiming& cluster) {
  double rate = 0;
  for (const DelayTerm& term : cycles(cluster)) rate += 1 / (term.law->mean() + term.plus);
  return rate;
}

bool deterministic(const ClusterTiming& cluster) {
  return std::ranges::all_of(cluster.compute, [](const auto& law) {
    const std::optional<ExponentialForm> form = law->exponential_form();
    return form && form->mean == 0;
  });
}

bool new_longer_than_used(const ClusterTiming& cluster) {
  return std::ranges::all_of(cluster.compute,
                             [](const auto& law) { return law->new_longer_than_used(); });
}

ClusterTiming with_local_steps(const ClusterTiming& cluster, uint32_t tau) {
  check(cluster);
  KITH_ASSERT(tau >= 1);
  std::map<const Delay*, std::shared_ptr<const Delay>> sums;  // equal laws stay one object
  ClusterTiming result = cluster;
  for (std::shared_ptr<const Delay>& law : result.compute) {
    std::shared_ptr<const Delay>& sum = sums[law.get()];
    if (!sum) sum = cluster.draw_per_round ? scaled(law, tau) : sum_of_draws(law, tau);
    law = sum;
  }
  return result;
}

std::vector<Rng> timing_streams(const ClusterTiming& cluster) {
  constexpr uint64_t kSeed = 20230614;
  std::vector<Rng> streams;
  for (uint32_t i = 0; i < cluster.compute.size(); ++i) {
    streams.emplace_back(kSeed, NodeId{i}, Purpose::kComputeDelay);
  }
  return streams;
}

Estimate estimate(const std::function<double()>& next, uint64_t draws_each) {
  constexpr double kRelativeError = 2e-3;
  constexpr uint64_t kDraws = 6'000'000;
  constexpr size_t kBatches = 64;
  // Of a batch; shorter where a single value takes many draws and is the mean of many itself.
  uint64_t length = std::clamp<uint64_t>(kDraws / (kBatches * draws_each), 32, 128);
  const auto batch = [&] {
    double sum = 0;
    for (uint64_t i = 0; i < length; ++i) sum += next();
    return sum / static_cast<double>(length);
  };
  batch();  // the beginning
  std::vector<double> means;
  for (uint64_t spent = 0;;) {
    while (means.size() < kBatches) {
      means.push_back(batch());
      spent += length * draws_each;
    }
    Estimate result;
    for (const double mean : means) result.mean += mean / kBatches;
    double squares = 0;
    for (const double mean : means) squares += (mean - result.mean) * (mean - result.mean);
    result.standard_error = std::sqrt(squares / (kBatches * (kBatches - 1.0)));
    if (result.standard_error <= kRelativeError * result.mean || 2 * spent > kDraws) return result;
    for (size_t i = 0; i < kBatches / 2; ++i) means[i] = (means[2 * i] + means[2 * i + 1]) / 2;
    means.resize(kBatches / 2);
    length *= 2;
  }
}

RunTime monte_carlo(const Estimate& estimate, double low, double high, std::string formula) {
  RunTime time = exact(estimate.mean, Method::kMonteCarlo, std::move(formula));
  time.low = low;
  time.high = high;
  time.standard_error = estimate.standard_error;
  return time;
}

}  // namespace kith
