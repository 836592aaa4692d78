// CHOCO-SGD by hand over random matchings: both ends of an edge hold the same copies, and
// compressed gossip alone brings all nodes to their average, which it keeps (ALGORITHMS 2D: where
// weights change, keep each xhat_j).
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/protocol_cluster.h"
#include "topology/matcha.h"
#include "topology/registry.h"
#include "topology/rng.h"

namespace kith {

extern const AlgorithmInfo matcha_algorithm;

namespace {

constexpr uint32_t kNodes = 6;

std::unique_ptr<Algorithm> make_matcha(const NodeState& state) {
  return matcha_algorithm.make(state, Options("algorithm", matcha_algorithm.options, {}));
}

class Matchings {
 public:
  explicit Matchings(const std::string& codec)
      : mixing_(make_matcha_mixing(kNodes, design_matcha(*make_graph("barbell", kNodes), 0.5), 3)),
        cluster_(kNodes, codec, make_matcha, {}, mixing_.get(), 10000) {
    for (uint32_t i = 0; i < kNodes; ++i) {
      work_.push_back(first<Compute>(cluster_.step(i, Start{})));
    }
  }

  // One round in which the local steps of node i move x by move[i]; the number of messages.
  size_t round(const std::vector<std::vector<float>>& moves) {
    const std::vector<Compute> work = work_;
    std::vector<Message> messages;
    for (uint32_t i = 0; i < kNodes; ++i) {
      for (const Effect& effect : cluster_.compute(i, work[i], moves[i])) {
        if (const auto* send = std::get_if<Send>(&effect)) messages.push_back(as_message(i, *send));
        if (const auto* next = std::get_if<Compute>(&effect)) work_[i] = *next;
      }
    }
    const size_t sent = messages.size();
    std::reverse(messages.begin(), messages.end());
    for (Message& message : messages) {
      const uint32_t to = index_of(message.to);
      for (const Effect& effect : cluster_.step(to, Received{std::move(message)})) {
        if (const auto* next = std::get_if<Compute>(&effect)) work_[to] = *next;
      }
    }
    return sent;
  }

  std::vector<double> average() {
    std::vector<double> mean(kDimension);
    for (uint32_t i = 0; i < kNodes; ++i) {
      for (size_t j = 0; j < kDimension; ++j) mean[j] += double{x(i)[j]} / kNodes;
    }
    return mean;
  }

  double consensus() {
    const std::vector<double> mean = average();
    double sum = 0;
    for (uint32_t i = 0; i < kNodes; ++i) {
      for (size_t j = 0; j < kDimension; ++j) sum += std::pow(double{x(i)[j]} - mean[j], 2);
    }
    return sum;
  }

  // What `node` keeps under this name for the edge with `peer`; empty where they have not met.
  SharedBuffer copy(uint32_t node, uint32_t peer, const std::string& name) {
    const uint64_t edges = cluster_.word(node, "edges");
    for (uint64_t k = 0; k < edges; ++k) {
      const std::string edge = "edge." + std::to_string(k);
      if (cluster_.word(node, edge) == peer) return cluster_.persisted(node, edge + "." + name);
    }
    return {};
  }

 private:
  std::span<const float> x(uint32_t node) { return cluster_.state(node).parameters.floats(); }

  std::unique_ptr<Mixing> mixing_;
  Cluster cluster_;
  std::vector<Compute> work_;
};

std::vector<std::vector<float>> random_moves(Rng& rng) {
  std::vector<std::vector<float>> moves(kNodes, std::vector<float>(kDimension));
  for (std::vector<float>& move : moves) rng.fill_normal(move);
  return moves;
}

const std::vector<const char*> kCodecs = {"top-k:1", "sign", "rand-k:2", "qsgd:3",
                                          "top-k:2 | int8"};

TEST(EdgeChoco, BothEndsOfAnEdgeHoldTheSameCopies) {
  for (const char* codec : kCodecs) {
    SCOPED_TRACE(codec);
    Matchings run(codec);
    Rng rng(4, NodeId{0}, Purpose::kTest);
    size_t edges = 0;
    for (int round = 0; round < 30; ++round) {
      run.round(random_moves(rng));
      for (uint32_t i = 0; i < kNodes; ++i) {
        for (uint32_t j = 0; j < kNodes; ++j) {
          const SharedBuffer own = run.copy(i, j, "own");
          const SharedBuffer theirs = run.copy(j, i, "theirs");
          ASSERT_EQ(static_cast<bool>(own), static_cast<bool>(theirs));
          if (!own) continue;
          ++edges;
          ASSERT_TRUE(std::ranges::equal(own.bytes(), theirs.bytes())) << i << " " << j;
        }
      }
    }
    EXPECT_GT(edges, 100u);
  }
}

TEST(EdgeChoco, GossipAloneEndsAtTheAverage) {
  const std::vector<std::vector<float>> still(kNodes, std::vector<float>(kDimension));
  for (const char* codec : kCodecs) {
    SCOPED_TRACE(codec);
    Matchings run(codec);
    Rng rng(5, NodeId{0}, Purpose::kTest);
    run.round(random_moves(rng));
    const std::vector<double> mean = run.average();
    const double apart = run.consensus();
    size_t fewest = kNodes * kNodes;
    for (int round = 1; round < 600; ++round) fewest = std::min(fewest, run.round(still));
    const std::vector<double> end = run.average();
    for (size_t j = 0; j < kDimension; ++j) EXPECT_NEAR(mean[j], end[j], 1e-5);
    EXPECT_GT(apart, 0.5);
    EXPECT_LT(run.consensus(), 1e-3 * apart);
    EXPECT_EQ(fewest, 0u);  // there are rounds without a word
  }
}

}  // namespace
}  // namespace kith
