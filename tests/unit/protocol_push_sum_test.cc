// Push-sum by hand, over random unbalanced digraphs, fixed and changing, with messages in random
// order (ALGORITHMS 2D; Assran, Loizou, Ballas, Rabbat 2019): the weights sum to N and stay above
// 0, the sum of x is moved by steps alone, and z, not x, comes to the average.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <deque>

#include "protocol/gossip/push_sum.h"
#include "tests/unit/protocol_cluster.h"
#include "tests/unit/protocol_digraphs.h"
#include "topology/registry.h"

namespace kith {
namespace {

constexpr Round kRounds = 600;
constexpr float kFirst = 0.5f;  // each value of x_0

template <Round kOverlap>
std::unique_ptr<Algorithm> make(const NodeState& state) {
  return make_push_sum(state, {.name = "sgp", .overlap = kOverlap});
}

class Network {
 public:
  Network(uint32_t nodes, const std::shared_ptr<const Graph>& graph, Round overlap, uint64_t seed)
      : nodes_(nodes),
        graph_(graph),
        mixing_(graph),
        cluster_(nodes, "identity",
                 overlap == 0   ? make<0>
                 : overlap == 1 ? make<1>
                                : make<3>,
                 {}, &mixing_, kRounds),
        rng_(seed, NodeId{0}, Purpose::kTest),
        in_flight_(overlap) {
    for (uint32_t i = 0; i < nodes; ++i) {
      cluster_.state(i).parameters = cluster_.vector(kFirst);
      work_.push_back(first<Compute>(cluster_.step(i, Start{})));
      std::vector<NodeId> hearers;
      graph->out(NodeId{i}, 0, hearers);
      const auto degree = static_cast<double>(hearers.size());
      first_weight_ += w(i) * degree / (1 + degree);
    }
  }

  // All nodes end a round; node i's steps move by move[i].
  void round(const std::vector<std::vector<float>>& moves) {
    std::vector<Message> messages;
    std::vector<Compute> next(nodes_);
    for (uint32_t i = 0; i < nodes_; ++i) {
      for (const Effect& effect : cluster_.compute(i, work_[i], moves[i])) {
        if (const auto* send = std::get_if<Send>(&effect)) messages.push_back(as_message(i, *send));
        if (const auto* compute = std::get_if<Compute>(&effect)) next[i] = *compute;
      }
    }
    sent_.push_back(messages);
    if (sent_.size() > in_flight_ + 1) sent_.pop_front();
    for (; !messages.empty(); messages.pop_back()) {
      std::swap(messages[rng_.below(messages.size())], messages.back());
      const uint32_t to = index_of(messages.back().to);
      for (const Effect& effect : cluster_.step(to, Received{messages.back()})) {
        if (const auto* compute = std::get_if<Compute>(&effect)) next[to] = *compute;
      }
    }
    work_ = std::move(next);
  }

  double w(uint32_t node) { return std::bit_cast<double>(cluster_.word(node, "w")); }

  // Of w over nodes and messages that nobody has taken in.
  double sum_of_weights() {
    double sum = weight_of_the_first();
    for (uint32_t i = 0; i < nodes_; ++i) sum += w(i);
    for_each_late([&](const Message& message) { sum += message.scalar; });
    return sum;
  }

  std::vector<double> sum_of_x() {
    std::vector<double> sum(kDimension, kFirst * weight_of_the_first());
    const auto add = [&](std::span<const float> x) {
      for (size_t j = 0; j < kDimension; ++j) sum[j] += static_cast<double>(x[j]);
    };
    for (uint32_t i = 0; i < nodes_; ++i) add(cluster_.persisted(i, "x").floats());
    for_each_late([&](const Message& message) { add(message.payload.chunk(0).floats()); });
    return sum;
  }

  std::span<const float> z(uint32_t node) { return cluster_.state(node).parameters.floats(); }
  SharedBuffer x(uint32_t node) { return cluster_.persisted(node, "x"); }
  Cluster& cluster() { return cluster_; }

 private:
  template <class Visit>
  void for_each_late(Visit visit) {
    const size_t late = std::min<size_t>(in_flight_, sent_.size());
    for (size_t k = sent_.size() - late; k < sent_.size(); ++k) {
      for (const Message& message : sent_[k]) visit(message);
    }
  }

  // Messages with x_0 that are on their way as if they had been sent before the first round.
  double weight_of_the_first() const {
    return first_weight_ * static_cast<double>(in_flight_ - std::min(in_flight_, sent_.size()));
  }

  uint32_t nodes_;
  std::shared_ptr<const Graph> graph_;
  Unweighted mixing_;
  Cluster cluster_;
  Rng rng_;
  size_t in_flight_;         // rounds
  double first_weight_ = 0;  // sent in a round before the first
  std::vector<Compute> work_;
  std::deque<std::vector<Message>> sent_;  // of the last rounds
};

using Moves = std::vector<std::vector<float>>;

Moves no_moves(uint32_t nodes) { return Moves(nodes, std::vector<float>(kDimension)); }

Moves random_moves(uint32_t nodes, Rng& rng) {
  Moves moves = no_moves(nodes);
  for (std::vector<float>& move : moves) rng.fill_normal(move);
  return moves;
}

struct Setting {
  uint32_t nodes;
  uint32_t graphs;  // in turn
  Round overlap;
  uint64_t seed;
};

std::vector<Setting> settings() {
  std::vector<Setting> all;
  for (const uint32_t nodes : {2u, 3u, 5u, 8u, 13u}) {
    for (const uint32_t graphs : {1u, 3u}) {
      for (const Round overlap : {0, 1, 3}) {
        for (const uint64_t seed : {1, 2}) all.push_back({nodes, graphs, overlap, seed});
      }
    }
  }
  return all;
}

std::shared_ptr<const Graph> graph_of(const Setting& setting) {
  Rng rng(setting.seed, NodeId{setting.nodes}, Purpose::kTest);
  std::vector<Digraph::Edges> rounds;
  for (uint32_t k = 0; k < setting.graphs; ++k) rounds.push_back(unbalanced(setting.nodes, rng));
  return std::make_shared<Digraph>(setting.nodes, rounds);
}

void trace(const Setting& setting, std::string& text) {
  text = std::to_string(setting.nodes) + " nodes, " + std::to_string(setting.graphs) +
         " graphs, overlap " + std::to_string(setting.overlap) + ", seed " +
         std::to_string(setting.seed);
}

TEST(PushSum, KeepsTheWeightsAndMovesTheSumByStepsAlone) {
  for (const Setting& setting : settings()) {
    std::string text;
    trace(setting, text);
    SCOPED_TRACE(text);
    Network network(setting.nodes, graph_of(setting), setting.overlap, setting.seed);
    Rng rng(setting.seed, NodeId{1}, Purpose::kTest);
    std::vector<double> expected(kDimension, kFirst * setting.nodes);
    for (int round = 0; round < 40; ++round) {
      const Moves moves = random_moves(setting.nodes, rng);
      for (const std::vector<float>& move : moves) {
        for (size_t j = 0; j < kDimension; ++j) expected[j] += static_cast<double>(move[j]);
      }
      network.round(moves);
      ASSERT_NEAR(network.sum_of_weights(), setting.nodes, 1e-9);
      for (uint32_t i = 0; i < setting.nodes; ++i) ASSERT_GT(network.w(i), 0);
      const std::vector<double> sum = network.sum_of_x();
      for (size_t j = 0; j < kDimension; ++j) ASSERT_NEAR(sum[j], expected[j], 1e-3);
    }
  }
}

// x alone comes to rest too, but elsewhere: where a node that hears much holds much.
TEST(PushSum, BringsZToTheAverageOnUnbalancedGraphs) {
  double farthest_x = 0;
  for (const Setting& setting : settings()) {
    std::string text;
    trace(setting, text);
    SCOPED_TRACE(text);
    Network network(setting.nodes, graph_of(setting), setting.overlap, setting.seed);
    Rng rng(setting.seed, NodeId{2}, Purpose::kTest);
    const Moves scatter = random_moves(setting.nodes, rng);
    network.round(scatter);
    std::vector<double> mean(kDimension, kFirst);
    for (const std::vector<float>& move : scatter) {
      for (size_t j = 0; j < kDimension; ++j)
        mean[j] += move[j] / static_cast<double>(setting.nodes);
    }
    for (Round round = 1; round < kRounds; ++round) network.round(no_moves(setting.nodes));
    for (uint32_t i = 0; i < setting.nodes; ++i) {
      for (size_t j = 0; j < kDimension; ++j) {
        ASSERT_NEAR(network.z(i)[j], mean[j], 1e-4);
        farthest_x = std::max(farthest_x, std::abs(double{network.x(i).floats()[j]} - mean[j]));
      }
    }
  }
  EXPECT_GT(farthest_x, 0.1);
}

// ALGORITHMS 2D: P doubly stochastic means w = 1, without rounding, at every degree.
TEST(PushSum, WeightsAreOneWhereAllDegreesAreEqual) {
  for (uint32_t degree = 1; degree <= 40; ++degree) {
    const uint32_t nodes = 2 * degree + 1;
    Digraph::Edges edges;
    for (uint32_t i = 0; i < nodes; ++i) {
      for (uint32_t hop = 1; hop <= degree; ++hop) edges.emplace_back(i, (i + hop) % nodes);
    }
    Network network(nodes, std::make_shared<Digraph>(nodes, std::vector<Digraph::Edges>{edges}), 0,
                    1);
    Rng rng(3, NodeId{degree}, Purpose::kTest);
    for (int round = 0; round < 5; ++round) {
      network.round(random_moves(nodes, rng));
      for (uint32_t i = 0; i < nodes; ++i) ASSERT_EQ(network.w(i), 1.0) << "degree " << degree;
    }
  }
}

// With messages on their way a node keeps 1 / (1 + tau_o d / (1 + d)), from the first round on:
// begun with w = 1 and no message on its way, w would fall to (1 + d)^-tau_o, swing for a long
// time, and make the steps x / w longer by its inverse.
TEST(PushSum, WeightsStayWhatTheyBeginWithWhereMessagesAreLate) {
  for (const Round overlap : {1, 3}) {
    for (uint32_t degree = 1; degree <= 13; ++degree) {
      const uint32_t nodes = degree + 1;
      Network network(nodes, make_graph("complete", nodes), overlap, 1);
      const double kept = 1 / (1 + static_cast<double>(overlap * degree) / (1 + degree));
      for (int round = 0; round < 20; ++round) {
        for (uint32_t i = 0; i < nodes; ++i) {
          ASSERT_NEAR(network.w(i), kept, 1e-6) << "degree " << degree << " round " << round;
          for (const float z : network.z(i)) ASSERT_NEAR(z, kFirst, 1e-5);
        }
        network.round(no_moves(nodes));
      }
    }
  }
}

TEST(PushSum, RefusesWeightsThatNobodyCanHaveSent) {
  Network network(3, std::make_shared<Digraph>(3, std::vector<Digraph::Edges>{one_way_ring(3)}), 0,
                  1);
  Cluster& cluster = network.cluster();
  const auto forged = [&](double w) {
    return Message{.from = NodeId{0}, .kind = 1, .scalar = w, .payload = cluster.vector(1)};
  };
  cluster.refuses(1, forged(0), Reason::kMalformed);
  cluster.refuses(1, forged(-0.5), Reason::kMalformed);
  cluster.refuses(1, forged(3.5), Reason::kMalformed);
  cluster.refuses(1, forged(std::nan("")), Reason::kNotFinite);
  cluster.refuses(2, forged(0.5), Reason::kUnknownPeer);  // hears from 1 alone
}

}  // namespace
}  // namespace kith
