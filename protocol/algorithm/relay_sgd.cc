// RelaySGD (Vogels, He, Koloskova, Lin, Karimireddy, Stich, Jaggi 2021): along the edges of a tree,
// sums of models are passed on, so that every node averages one model of each other node.
//
//   v_i = T(x_i)                                    `local_steps` steps of the node's own optimiser
//   m_i>j = v_i + sum_{k != j} m_k>i of the round before         to each neighbour j in the tree
//   x_i+ = (v_i + sum_j m_j>i) / n_i                n_i: nodes that the sum is of
//
// A model needs a round for each hop, so this is x_i(t+1) = (1/n_i) sum_j v_j(t - max(d_ij - 1, 0))
// over the nodes j within t + 1 hops, which soon are all N: an average with equal weights however
// long the tree is, of models that are up to its diameter late. The tree is a spanning tree of the
// job's graph with the shortest ways from its middle (topology/spanning_tree.h).
//
// A node adds all that it hears once, S = sum_j m_j>i, and sends S - m_j>i + v_i: O(degree) of
// work.
//
// Keeps: x, v, S and what it has heard, as it came: (2 + degree) vectors. Sends: m to each
// neighbour in the tree, each its own, once a round. Waits: for these neighbours. Needs: an
// undirected graph that never changes; a codec that loses nothing. Invariants: every sum is of so
// many models; with two nodes it is SYNC on them; without noise it rests only where all x are equal
// and the mean of all steps is 0, however unequal the data are. The average of x in one round is
// not kept, for models arrive late.
#include <cstdio>

#include "protocol/describe.h"
#include "protocol/gossip/lockstep.h"
#include "topology/reach.h"
#include "topology/spanning_tree.h"

namespace kith {

namespace {

// Nodes within 1, 2, ... hops of `self`, itself included, until all are.
std::vector<float> nodes_within(const Graph& tree, NodeId self) {
  Reach reach(tree);
  reach.search(self, Direction::kIn);
  std::vector<float> within(reach.depth() + 1);
  for (const uint32_t hops : reach.hops()) ++within[hops];
  for (size_t hops = 1; hops < within.size(); ++hops) within[hops] += within[hops - 1];
  if (within.size() > 1) within.erase(within.begin());
  return within;
}

class RelaySgd final : public LockstepGossip {
 public:
  RelaySgd(const NodeState& state, const Options& options)
      : LockstepGossip({.name = "relay-sgd",
                        .local_steps = static_cast<uint32_t>(options.integer("local_steps")),
                        .each_edge = true}),
        within_(nodes_within(state.mixing->graph(), state.self)),
        pool_(state.pool) {
    state.mixing->graph().in(state.self, 0, peers_);
    heard_.resize(peers_.size());
  }

  void persist(Archive& archive) override {
    archive.vector("sum", sum_);
    for (size_t i = 0; i < heard_.size(); ++i) {
      SharedBuffer wire = heard_[i].contiguous(*pool_);
      archive.bytes("heard." + std::to_string(i), wire);
      heard_[i] = wire;
    }
  }

 private:
  bool encode_for(NodeState& state, const SharedBuffer& v, NodeId peer,
                  SharedBuffer& wire) override {
    if (!sum_) return encode_vector(state, v, wire);  // the first round: of itself alone
    const auto at = std::ranges::lower_bound(peers_, peer) - peers_.begin();
    // In this order a leaf sends v itself, to the bit.
    const Term terms[] = {{1.0f, sum_.floats()},
                          {-1.0f, {}, &heard_[static_cast<size_t>(at)], peer},
                          {1.0f, v.floats()}};
    Buffer relayed = state.pool->acquire_floats(state.dimension);
    weighted_sum(*state.codec, terms, relayed.floats(), *state.pool);
    return encode_vector(state, std::move(relayed).freeze(), wire);
  }

  SharedBuffer combine(NodeState& state, const Exchange& exchange) override {
    const std::span<const Message> messages = exchange.vectors[0].messages;
    if (messages.empty()) return exchange.computed;
    terms_.clear();
    for (size_t i = 0; i < messages.size(); ++i) {
      heard_[i] = messages[i].payload;
      terms_.push_back({1.0f, {}, &heard_[i], messages[i].from});
    }
    Buffer sum = state.pool->acquire_floats(state.dimension);
    weighted_sum(*state.codec, terms_, sum.floats(), *state.pool);
    sum_ = std::move(sum).freeze();
    const float share = 1.0f / within_[std::min<size_t>(state.round, within_.size() - 1)];
    const Term parts[] = {{share, exchange.computed.floats()}, {share, sum_.floats()}};
    Buffer next = state.pool->acquire_floats(state.dimension);
    weighted_sum(*state.codec, parts, next.floats(), *state.pool);
    return std::move(next).freeze();
  }

  void describe_memory(std::string& out) const override { describe_vector("sum", sum_, out); }

  const std::vector<float> within_;  // by round: n_i; the last one holds from there on
  Pool* pool_;
  std::vector<NodeId> peers_;   // in the tree, sorted
  SharedBuffer sum_;            // S; empty before the first round's end
  std::vector<Payload> heard_;  // m_j>i by peer, of the round before
  std::vector<Term> terms_;     // scratch, kept for its capacity
};

AdjacencyGraph tree_of(const Graph& graph) { return {graph.nodes(), spanning_tree(graph)}; }

std::string sentence(const Graph& graph) {
  const AdjacencyGraph tree = tree_of(graph);
  Reach reach(tree);
  reach.search(NodeId{0}, Direction::kOut);
  reach.search(reach.farthest(), Direction::kOut);
  char text[200];
  std::snprintf(text, sizeof text,
                "RelaySGD passes sums on along a spanning tree of the graph, %u edges: models are "
                "averaged up to %u rounds late",
                graph.nodes() - 1, reach.depth() - 1);
  return text;
}

constexpr OwnWeights kWeights = {
    .check = [](const Options&, const Graph&) {},
    .make = [](const Options&, const Graph& graph, uint64_t) -> std::unique_ptr<Mixing> {
      return make_mixing("metropolis", std::make_shared<AdjacencyGraph>(tree_of(graph)));
    },
    .note = [](const Options&, const Graph& graph) -> std::string {
      return graph.nodes() == 1 ? "" : sentence(graph);
    },
};

}  // namespace

extern const AlgorithmInfo relay_sgd_algorithm;
const AlgorithmInfo relay_sgd_algorithm = {
    .name = "relay-sgd",
    .help = "RelaySGD: sums of models passed on along a spanning tree, averaged with equal weights",
    .needs = {.undirected = true, .fixed = true, .lossless = true},
    .options = {option_gossip_steps()},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return std::make_unique<RelaySgd>(state, options);
    },
    .batches_per_round = batches_of_gossip,
    .cancels = false,
    .weights = &kWeights,
};

}  // namespace kith
