// Event-triggered SGD by hand (Ghosh, Aquino, Gupta 2022): when a node sends, what its neighbours
// hold, and that they hold it to within the threshold.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "tests/unit/protocol_cluster.h"
#include "topology/registry.h"
#include "topology/rng.h"

namespace kith {

extern const AlgorithmInfo eventgrad_algorithm;

namespace {

constexpr uint32_t kNodes = 5;
constexpr double kHorizon = 0.95;

std::unique_ptr<Algorithm> make_with(const NodeState& state,
                                     const std::map<std::string, OptionValue>& options) {
  return eventgrad_algorithm.make(state,
                                  Options("algorithm", eventgrad_algorithm.options, options));
}
std::unique_ptr<Algorithm> make_adaptive(const NodeState& state) {
  return make_with(state, {{"horizon", kHorizon}, {"warm_up", int64_t{3}}});
}
std::unique_ptr<Algorithm> make_constant(const NodeState& state) {
  return make_with(state, {{"threshold", 2.5}, {"warm_up", int64_t{0}}});
}

class Ring {
 public:
  explicit Ring(Cluster::Make make)
      : graph_(make_graph("ring", kNodes)),
        mixing_(make_mixing("metropolis", graph_)),
        cluster_(kNodes, "identity", make, {}, mixing_.get()) {
    for (uint32_t i = 0; i < kNodes; ++i)
      work_.push_back(first<Compute>(cluster_.step(i, Start{})));
  }

  struct Sent {
    SharedBuffer a;  // where the steps have led
    bool fresh = false;
  };

  // One round in which the steps of node i move it by move[i].
  std::vector<Sent> round(const std::vector<std::vector<float>>& moves) {
    std::vector<Sent> sent(kNodes);
    std::vector<Message> messages;
    for (uint32_t i = 0; i < kNodes; ++i) {
      std::vector<float> a(work_[i].at.floats().begin(), work_[i].at.floats().end());
      for (size_t j = 0; j < kDimension; ++j) a[j] += moves[i][j];
      sent[i].a = copy_of(a, pool_);
      size_t hearers = 0;
      for (const Effect& effect : cluster_.compute(i, work_[i], moves[i])) {
        const auto* send = std::get_if<Send>(&effect);
        if (send == nullptr) continue;
        ++hearers;
        sent[i].fresh = static_cast<bool>(send->payload);
        EXPECT_EQ(send->values, kDimension);
        messages.push_back(as_message(i, *send));
      }
      EXPECT_EQ(hearers, 2u) << "all hear of every round";
    }
    for (const Message& message : messages) {
      const std::vector<Effect>& effects = cluster_.step(index_of(message.to), Received{message});
      if (!effects.empty()) work_[index_of(message.to)] = first<Compute>(effects);
    }
    return sent;
  }

  SharedBuffer h(uint32_t node) { return cluster_.persisted(node, "own"); }
  double threshold(uint32_t node) {
    return std::bit_cast<double>(cluster_.word(node, "trigger.threshold"));
  }
  // What `node` has of its k-th neighbour, or nothing yet.
  std::vector<float> copy(uint32_t node, size_t k) {
    const std::vector<uint64_t> words = cluster_.words(node, "copy." + std::to_string(k));
    std::vector<float> values(words[0] / sizeof(float));
    std::memcpy(values.data(), words.data() + 1, words[0]);
    return values;
  }
  NodeId neighbor(uint32_t node, size_t k) {
    MixingRow row;
    mixing_->row(NodeId{node}, 0, row);
    return row.neighbors[k].peer;
  }

 private:
  std::shared_ptr<const Graph> graph_;
  std::unique_ptr<Mixing> mixing_;
  Cluster cluster_;
  Pool pool_;
  std::vector<Compute> work_;
};

double distance(const SharedBuffer& a, const SharedBuffer& b) {
  double squares = 0;
  for (size_t j = 0; j < kDimension; ++j) {
    squares += std::pow(double{a.floats()[j]} - double{b.floats()[j]}, 2);
  }
  return std::sqrt(squares);
}

TEST(EventGrad, SendsWhatHasMovedFarEnoughAndNothingElse) {
  for (const Cluster::Make make : {make_adaptive, make_constant}) {
    Ring ring(make);
    Rng rng(6, NodeId{0}, Purpose::kTest);
    const Round warm_up = make == make_adaptive ? 3 : 0;
    std::vector<std::vector<double>> paces(kNodes, {0.0});
    std::vector<Round> since(kNodes, 0);  // one beyond the round of the last event
    size_t events = 0;
    for (Round round = 0; round < 90; ++round) {
      std::vector<std::vector<float>> moves(kNodes, std::vector<float>(kDimension));
      for (std::vector<float>& move : moves) rng.fill_normal(move);
      std::vector<SharedBuffer> before;
      std::vector<double> threshold;
      for (uint32_t i = 0; i < kNodes; ++i) {
        before.push_back(ring.h(i));
        threshold.push_back(ring.threshold(i) * (make == make_adaptive ? kHorizon : 1));
      }
      const std::vector<Ring::Sent> sent = ring.round(moves);
      for (uint32_t i = 0; i < kNodes; ++i) {
        const double moved = distance(sent[i].a, before[i]);
        EXPECT_EQ(sent[i].fresh, round < warm_up || moved >= threshold[i]) << moved;
        EXPECT_EQ(distance(ring.h(i), sent[i].fresh ? sent[i].a : before[i]), 0);
        if (!sent[i].fresh) continue;
        ++events;
        paces[i].push_back(moved / static_cast<double>(round + 1 - since[i]));
        since[i] = round + 1;
        const double of_two = (paces[i].back() + paces[i][paces[i].size() - 2]) / 2;
        const double expected = make == make_constant ? 2.5 : of_two;
        EXPECT_NEAR(ring.threshold(i), expected, 1e-6);
      }
      for (uint32_t i = 0; i < kNodes; ++i) {
        for (const size_t k : {0, 1}) {
          const std::vector<float> copy = ring.copy(i, k);
          if (copy.empty()) continue;  // x_0 still
          const SharedBuffer own = ring.h(index_of(ring.neighbor(i, k)));
          EXPECT_TRUE(std::ranges::equal(copy, own.floats()));
        }
      }
    }
    EXPECT_GT(events, 50u);
    EXPECT_LT(events, size_t{90} * kNodes - 50);
  }
}

}  // namespace
}  // namespace kith
