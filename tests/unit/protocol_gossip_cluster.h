// Nodes that gossip by compressed differences, by hand: the test says where their steps lead.
#pragma once

#include <algorithm>
#include <cmath>

#include "tests/unit/protocol_cluster.h"
#include "topology/rng.h"

namespace kith {

class GossipCluster {
 public:
  using Moves = std::vector<std::vector<float>>;  // by node

  GossipCluster(std::unique_ptr<Mixing> mixing, const std::string& codec, Cluster::Make make,
                Round rounds = 100)
      : mixing_(std::move(mixing)),
        nodes_(mixing_->graph().nodes()),
        cluster_(nodes_, codec, make, {}, mixing_.get(), rounds) {
    for (uint32_t i = 0; i < nodes_; ++i) {
      work_.push_back(first<Compute>(cluster_.step(i, Start{})));
    }
  }

  // One round in which the local steps of node i move x by moves[i]; the number of messages.
  size_t round(const Moves& moves) {
    const std::vector<Compute> work = work_;
    std::vector<Message> messages;
    for (uint32_t i = 0; i < nodes_; ++i) {
      for (const Effect& effect : cluster_.compute(i, work[i], moves[i])) {
        if (const auto* send = std::get_if<Send>(&effect)) messages.push_back(as_message(i, *send));
        if (const auto* next = std::get_if<Compute>(&effect)) work_[i] = *next;
      }
    }
    const size_t sent = messages.size();
    std::reverse(messages.begin(), messages.end());  // in an order of their own
    for (Message& message : messages) {
      const uint32_t to = index_of(message.to);
      for (const Effect& effect : cluster_.step(to, Received{std::move(message)})) {
        if (const auto* next = std::get_if<Compute>(&effect)) work_[to] = *next;
      }
    }
    return sent;
  }

  Moves random_moves(Rng& rng) const {
    Moves moves = still();
    for (std::vector<float>& move : moves) rng.fill_normal(move);
    return moves;
  }
  Moves still() const { return Moves(nodes_, std::vector<float>(kDimension)); }

  std::vector<double> average() {
    std::vector<double> mean(kDimension);
    for (uint32_t i = 0; i < nodes_; ++i) {
      for (size_t j = 0; j < kDimension; ++j) mean[j] += double{x(i)[j]} / nodes_;
    }
    return mean;
  }

  // sum_i |x_i - mean|^2
  double disagreement() {
    const std::vector<double> mean = average();
    double sum = 0;
    for (uint32_t i = 0; i < nodes_; ++i) {
      for (size_t j = 0; j < kDimension; ++j) sum += std::pow(double{x(i)[j]} - mean[j], 2);
    }
    return sum;
  }

  const Mixing& mixing() const { return *mixing_; }
  Cluster& nodes() { return cluster_; }

 private:
  std::span<const float> x(uint32_t node) { return cluster_.state(node).parameters.floats(); }

  std::unique_ptr<Mixing> mixing_;
  uint32_t nodes_;
  Cluster cluster_;
  std::vector<Compute> work_;
};

// Coarse ones of every kind.
inline const std::vector<const char*> kCoarseCodecs = {"top-k:1", "sign", "rand-k:2", "qsgd:3",
                                                       "top-k:2 | int8"};

// From where random steps have led, `rounds` of gossip alone: all end within a thousandth of the
// squared disagreement, at their average. Returns the fewest messages of a round.
inline size_t expect_gossip_ends_at_average(GossipCluster& run, int rounds) {
  Rng rng(5, NodeId{0}, Purpose::kTest);
  size_t fewest = run.round(run.random_moves(rng));
  const std::vector<double> mean = run.average();
  const double apart = run.disagreement();
  for (int round = 1; round < rounds; ++round) fewest = std::min(fewest, run.round(run.still()));
  const std::vector<double> end = run.average();
  for (size_t j = 0; j < kDimension; ++j) EXPECT_NEAR(mean[j], end[j], 1e-5);
  EXPECT_GT(apart, 0.5);
  EXPECT_LT(run.disagreement(), 1e-3 * apart);
  return fewest;
}

}  // namespace kith
