// CHOCO-SGD by hand: what every node believes of the others is so, and compressed gossip alone
// brings all nodes to their average (ALGORITHMS 2D; Koloskova, Stich, Jaggi 2019, theorem 2).
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/protocol_cluster.h"
#include "topology/registry.h"
#include "topology/rng.h"

namespace kith {

extern const AlgorithmInfo choco_sgd_algorithm;

namespace {

constexpr uint32_t kNodes = 5;

std::unique_ptr<Algorithm> make_choco(const NodeState& state) {
  const Options options("algorithm", choco_sgd_algorithm.options, {});
  return choco_sgd_algorithm.make(state, options);
}

class Ring {
 public:
  explicit Ring(const std::string& codec)
      : graph_(make_graph("ring", kNodes)),
        mixing_(make_mixing("metropolis", graph_)),
        cluster_(kNodes, codec, make_choco, {}, mixing_.get()) {
    for (uint32_t i = 0; i < kNodes; ++i)
      work_.push_back(first<Compute>(cluster_.step(i, Start{})));
  }

  // One round in which the local steps of node i move x by move[i].
  void round(const std::vector<std::vector<float>>& moves) {
    std::vector<Message> messages;
    for (uint32_t i = 0; i < kNodes; ++i) {
      for (const Effect& effect : cluster_.compute(i, work_[i], moves[i])) {
        if (const auto* send = std::get_if<Send>(&effect)) messages.push_back(as_message(i, *send));
      }
    }
    // In an order of their own.
    std::reverse(messages.begin(), messages.end());
    for (Message& message : messages) {
      const uint32_t to = index_of(message.to);
      const std::vector<Effect>& effects = cluster_.step(to, Received{std::move(message)});
      if (!effects.empty()) work_[to] = first<Compute>(effects);
    }
  }

  std::span<const float> x(uint32_t node) { return cluster_.state(node).parameters.floats(); }
  SharedBuffer persisted(uint32_t node, const std::string& name) {
    return cluster_.persisted(node, name);
  }
  const Mixing& mixing() const { return *mixing_; }

  std::vector<double> average() {
    std::vector<double> mean(kDimension);
    for (uint32_t i = 0; i < kNodes; ++i) {
      for (size_t j = 0; j < kDimension; ++j) mean[j] += x(i)[j] / double{kNodes};
    }
    return mean;
  }

  double consensus() {
    const std::vector<double> mean = average();
    double sum = 0;
    for (uint32_t i = 0; i < kNodes; ++i) {
      for (size_t j = 0; j < kDimension; ++j) sum += std::pow(x(i)[j] - mean[j], 2);
    }
    return sum;
  }

 private:
  std::shared_ptr<const Graph> graph_;
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

TEST(ChocoSgd, TheSumOfCopiesIsThatOfTheNeighboursOwn) {
  for (const char* codec : kCodecs) {
    SCOPED_TRACE(codec);
    Ring ring(codec);
    Rng rng(4, NodeId{0}, Purpose::kTest);
    for (int round = 0; round < 20; ++round) {
      ring.round(random_moves(rng));
      for (uint32_t i = 0; i < kNodes; ++i) {
        MixingRow row;
        ring.mixing().row(NodeId{i}, 0, row);
        const SharedBuffer sum = ring.persisted(i, "copies");
        for (size_t j = 0; j < kDimension; ++j) {
          double expected = row.self * double{ring.persisted(i, "copy").floats()[j]};
          for (const Neighbor& neighbor : row.neighbors) {
            expected += neighbor.weight *
                        double{ring.persisted(index_of(neighbor.peer), "copy").floats()[j]};
          }
          ASSERT_NEAR(expected, sum.floats()[j], 1e-5);
        }
      }
    }
  }
}

TEST(ChocoSgd, GossipAloneEndsAtTheAverage) {
  const std::vector<std::vector<float>> still(kNodes, std::vector<float>(kDimension));
  for (const char* codec : kCodecs) {
    SCOPED_TRACE(codec);
    Ring ring(codec);
    Rng rng(5, NodeId{0}, Purpose::kTest);
    ring.round(random_moves(rng));
    const std::vector<double> mean = ring.average();
    const double apart = ring.consensus();
    for (int round = 1; round < 99; ++round) ring.round(still);
    const std::vector<double> end = ring.average();
    for (size_t j = 0; j < kDimension; ++j) EXPECT_NEAR(mean[j], end[j], 1e-5);
    EXPECT_GT(apart, 0.5);
    EXPECT_LT(ring.consensus(), 1e-3 * apart);
  }
}

}  // namespace
}  // namespace kith
