// Flows of edges (protocol/gossip/edge_flows.h): however often neighbours leave and join, the
// memories of all cancel out, as the average of trackers must be that of gradients (Nedic,
// Olshevsky, Shi 2017) among those who are left.
#include <gtest/gtest.h>

#include <map>

#include "protocol/gossip/edge_flows.h"
#include "protocol/kernels.h"
#include "protocol/weighted_sum.h"
#include "tests/vectors.h"
#include "topology/rng.h"

namespace kith {
namespace {

constexpr uint32_t kNodes = 7;
constexpr size_t kValues = 5;

// Nodes that add up differences of random vectors over edges that come and go.
class Swarm {
 public:
  explicit Swarm(uint64_t seed) : rng_(seed, NodeId{0}, Purpose::kTest) {
    for (uint32_t i = 0; i < kNodes; ++i) {
      NodeState& state = nodes_[i].state;
      state.self = NodeId{i};
      state.dimension = kValues;
      state.codec = codec_.get();
      state.pool = &pool_;
      state.peers_leave = true;
      for (uint32_t j = 0; j < i; ++j) toggle(j, i);
    }
  }

  void round() {
    std::vector<SharedBuffer> q;
    for (uint32_t i = 0; i < kNodes; ++i) q.push_back(drawn());
    for (uint32_t i = 0; i < kNodes; ++i) {
      MixingRow row;
      std::vector<Message> messages;
      for (const auto& [peer, weight] : nodes_[i].edges) {
        row.neighbors.push_back({NodeId{peer}, weight});
        messages.push_back({.from = NodeId{peer}, .payload = q[peer]});
      }
      add(nodes_[i], q[i], row, messages);
    }
  }

  // The edge is given up by both ends, or begins.
  void toggle(uint32_t i, uint32_t j) {
    if (nodes_[i].edges.erase(j) > 0) {
      nodes_[j].edges.erase(i);
      nodes_[i].flows.take_back(nodes_[i].state, NodeId{j}, nodes_[i].memory);
      nodes_[j].flows.take_back(nodes_[j].state, NodeId{i}, nodes_[j].memory);
    } else {
      nodes_[i].edges[j] = nodes_[j].edges[i] = static_cast<float>(0.2 * rng_.uniform());
    }
  }

  void toggle_any() {
    const auto i = static_cast<uint32_t>(rng_.below(kNodes - 1));
    toggle(i, i + 1 + static_cast<uint32_t>(rng_.below(kNodes - 1 - i)));
  }

  // Of all nodes' memories together, the largest value.
  float sum() const {
    std::vector<float> sum(kValues);
    for (const auto& [id, node] : nodes_) {
      if (node.memory) kernels::axpy(1.0f, node.memory.floats(), sum);
    }
    float most = 0;
    for (const float value : sum) most = std::max(most, std::abs(value));
    return most;
  }

  float length(uint32_t i) const {
    return nodes_.at(i).memory
               ? std::sqrt(static_cast<float>(kernels::squared_norm(nodes_.at(i).memory.floats())))
               : 0;
  }

  void isolate(uint32_t i) {
    for (uint32_t j = 0; j < kNodes; ++j) {
      if (nodes_[i].edges.contains(j)) toggle(i, j);
    }
  }

 private:
  struct Member {
    NodeState state;
    std::map<uint32_t, float> edges;  // by peer: the weight
    SharedBuffer memory;
    EdgeFlows flows;
  };

  SharedBuffer drawn() {
    Buffer values = pool_.acquire_floats(kValues);
    rng_.fill_normal(values.floats());
    return std::move(values).freeze();
  }

  void add(Member& node, const SharedBuffer& own, const MixingRow& row,
           const std::vector<Message>& messages) {
    std::vector<Term> terms;
    for (size_t k = 0; k < messages.size(); ++k) {
      terms.push_back({row.neighbors[k].weight, {}, &messages[k].payload, messages[k].from});
    }
    Buffer memory = pool_.acquire_floats(kValues);
    std::ranges::fill(memory.floats(), 0.0f);
    if (node.memory) kernels::axpy(1.0f, node.memory.floats(), memory.floats());
    add_differences(*codec_, own.floats(), terms, memory.floats(), pool_);
    node.memory = std::move(memory).freeze();
    node.flows.add(node.state, own, row, messages);
  }

  Pool pool_;
  std::unique_ptr<Codec> codec_ = make_codec("identity");
  Rng rng_;
  std::map<uint32_t, Member> nodes_;
};

TEST(EdgeFlows, MemoriesCancelOutWhoeverLeavesAndJoins) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Swarm swarm(seed);
    for (int k = 0; k < 300; ++k) {
      swarm.round();
      if (k % 3 == 0) swarm.toggle_any();
      ASSERT_LT(swarm.sum(), 1e-4f) << k;
    }
  }
}

// Of one without any edge nothing is left but rounding.
TEST(EdgeFlows, WhoIsLeftByAllKeepsNothing) {
  Swarm swarm(1);
  for (int k = 0; k < 100; ++k) swarm.round();
  EXPECT_GT(swarm.length(3), 0.1f);
  swarm.isolate(3);
  EXPECT_LT(swarm.length(3), 1e-4f);
  EXPECT_LT(swarm.sum(), 1e-4f);
}

}  // namespace
}  // namespace kith
