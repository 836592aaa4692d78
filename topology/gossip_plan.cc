#include "topology/gossip_plan.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "topology/error.h"
#include "topology/rng.h"
#include "topology/spectral.h"

namespace kith {

namespace {

constexpr Round kMostRounds = 4096;  // of plain products
constexpr int kPowerSteps = 60;
constexpr double kSettled = 1e-3;  // relative change of the norm between two steps
constexpr double kAllowance = 1.05;

void remove_mean(std::vector<double>& x) {
  double mean = 0;
  for (const double value : x) mean += value / static_cast<double>(x.size());
  for (double& value : x) value -= mean;
}

double length(const std::vector<double>& x) {
  double sum = 0;
  for (const double value : x) sum += value * value;
  return std::sqrt(sum);
}

// Products of the W of rounds 0 .. T - 1 with vectors.
class Product {
 public:
  Product(const Mixing& mixing, Round rounds)
      : mixing_(mixing), rounds_(rounds), next_(mixing.graph().nodes()) {}

  // |W_T-1 .. W_0 - J|
  double norm() {
    std::vector<double> x(next_.size());
    Rng rng(1, NodeId{0}, Purpose::kGraph);
    for (double& value : x) value = rng.uniform() - 0.5;
    double before = 0;
    for (int step = 0; step < kPowerSteps; ++step) {
      remove_mean(x);
      const double scale = length(x);
      if (scale == 0) return 0;
      for (double& value : x) value /= scale;
      for (Round round = 0; round < rounds_; ++round) apply(round, x);
      remove_mean(x);
      const double norm = length(x);
      if (std::abs(norm - before) <= kSettled * norm) return norm;
      before = norm;
      for (Round round = rounds_; round-- > 0;) apply_transposed(round, x);
    }
    return before;
  }

 private:
  void apply(Round round, std::vector<double>& x) {
    for (uint32_t i = 0; i < x.size(); ++i) {
      mixing_.row(NodeId{i}, round, row_);
      next_[i] = static_cast<double>(row_.self) * x[i];
      for (const Neighbor& neighbor : row_.neighbors) {
        next_[i] += static_cast<double>(neighbor.weight) * x[index_of(neighbor.peer)];
      }
    }
    x.swap(next_);
  }

  void apply_transposed(Round round, std::vector<double>& x) {
    std::ranges::fill(next_, 0.0);
    for (uint32_t i = 0; i < x.size(); ++i) {
      mixing_.row(NodeId{i}, round, row_);
      next_[i] += static_cast<double>(row_.self) * x[i];
      for (const Neighbor& neighbor : row_.neighbors) {
        next_[index_of(neighbor.peer)] += static_cast<double>(neighbor.weight) * x[i];
      }
    }
    x.swap(next_);
  }

  const Mixing& mixing_;
  const Round rounds_;
  std::vector<double> next_;
  MixingRow row_;
};

[[noreturn]] void refuse(const Mixing& mixing, const std::string& why) {
  throw OperatorError("gossip on this graph of " + std::to_string(mixing.graph().nodes()) +
                      " nodes " + why);
}

GossipRounds accelerated(const Mixing& mixing, double tolerance) {
  const double zeta = spectrum(mixing).zeta;
  constexpr double kNever = 1 - 1e-12;
  if (zeta >= kNever) refuse(mixing, "never comes to an average: some weights must be smaller");
  if (zeta <= tolerance) return {.rounds = 1, .zeta = 0};
  const double rounds = std::acosh(1 / tolerance) / std::acosh(1 / zeta);
  return {.rounds = static_cast<Round>(std::ceil(rounds)), .zeta = zeta};
}

GossipRounds plain(const Mixing& mixing, double tolerance) {
  const auto enough = [&](Round rounds) {
    return kAllowance * Product(mixing, rounds).norm() <= tolerance;
  };
  Round high = 1;
  while (!enough(high)) {
    high *= 2;
    if (high > kMostRounds) {
      refuse(mixing, "is not within " + std::to_string(tolerance) + " of an average after " +
                         std::to_string(kMostRounds) +
                         " rounds: take a larger tolerance, or a graph that mixes faster");
    }
  }
  Round low = high / 2;  // not enough, or 0
  while (high - low > 1) {
    const Round middle = low + (high - low) / 2;
    (enough(middle) ? high : low) = middle;
  }
  return {.rounds = high, .zeta = 0};
}

}  // namespace

GossipRounds plan_gossip(const Mixing& mixing, double tolerance) {
  if (mixing.graph().nodes() == 1) return {};
  if (mixing.stochastic() == Stochastic::kColumns) {
    refuse(mixing,
           "needs weights whose rows and columns sum to 1, which \"column-stochastic\" does "
           "not give: take a graph in which all nodes have equally many neighbours");
  }
  const bool fixed = mixing.graph().period() == 1;
  if (fixed && mixing_sums(mixing).symmetric) return accelerated(mixing, tolerance);
  return plain(mixing, tolerance);
}

}  // namespace kith
