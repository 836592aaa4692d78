// RelaySGD (Vogels, He, Koloskova, Lin, Karimireddy, Stich, Jaggi 2021): along the edges of a tree,
// sums of models are passed on, so that every node averages one model of each other node.
//
//   v_i = T(x_i)                                    `local_steps` steps of the node's own optimiser
//   m_i>j = v_i + sum_{k != j} m_k>i of the round before         to each neighbour j in the tree
//   x_i+ = (v_i + sum_j m_j>i) / n_i                n_i: nodes that the sum is of
//
// A message says how many models it is the sum of, as in the paper, so that n_i is known whoever is
// there.
//
// A model needs a round for each hop, so this is x_i(t+1) = (1/n_i) sum_j v_j(t - max(d_ij - 1, 0))
// over the nodes j within t + 1 hops, which soon are all N: an average with equal weights however
// long the tree is, of models that are up to its diameter late. The tree is a spanning tree of the
// job's graph with the shortest ways from its middle (topology/spanning_tree.h).
//
// Where a node dies, each part of the tree that is left goes on as a tree of its own, with the mean
// of its own nodes, after as many rounds as it is long: nothing of a round before is added to, so
// that what is lost is forgotten by itself. Back again, the node joins the parts.
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
#include <cmath>
#include <cstdio>

#include "protocol/describe.h"
#include "protocol/gossip/lockstep.h"
#include "topology/reach.h"
#include "topology/spanning_tree.h"

namespace kith {

namespace {

// What a neighbour has sent in the round before.
struct Heard {
  Payload sum;        // m_j>i; empty where it has sent nothing
  double models = 0;  // that it is of
};

class RelaySgd final : public LockstepGossip {
 public:
  RelaySgd(const NodeState& state, const Options& options)
      : LockstepGossip({.name = "relay-sgd",
                        .local_steps = static_cast<uint32_t>(options.integer("local_steps")),
                        .each_edge = true}),
        nodes_(state.nodes),
        pool_(state.pool) {
    state.mixing->graph().in(state.self, 0, peers_);
    heard_.resize(peers_.size());
  }

  void persist(Archive& archive) override {
    archive.vector("sum", sum_);
    for (size_t i = 0; i < heard_.size(); ++i) {
      SharedBuffer wire = heard_[i].sum.contiguous(*pool_);
      archive.bytes("heard." + std::to_string(i), wire);
      archive.number("models." + std::to_string(i), heard_[i].models);
      heard_[i].sum = wire;
    }
    count_models();
    persist_absent(archive);
  }

 private:
  size_t place_of(NodeId peer) const {
    return static_cast<size_t>(std::ranges::lower_bound(peers_, peer) - peers_.begin());
  }

  void count_models() {
    models_ = 0;
    for (const Heard& heard : heard_) models_ += heard.models;
  }

  bool encode_for(NodeState& state, const SharedBuffer& v, NodeId peer,
                  SharedBuffer& wire) override {
    if (!sum_) return encode_vector(state, v, wire);  // nothing has been heard: of itself alone
    const Heard& heard = heard_[place_of(peer)];
    terms_.clear();
    terms_.push_back({1.0f, sum_.floats()});
    // In this order a leaf sends v itself, to the bit.
    if (heard.sum) terms_.push_back({-1.0f, {}, &heard.sum, peer});
    terms_.push_back({1.0f, v.floats()});
    Buffer relayed = state.pool->acquire_floats(state.dimension);
    weighted_sum(*state.codec, terms_, relayed.floats(), *state.pool);
    return encode_vector(state, std::move(relayed).freeze(), wire);
  }

  double scalar_for(NodeId peer) const override {
    return models_ - heard_[place_of(peer)].models + 1;
  }

  Status check_message(const NodeState& state, Message& message) const override {
    const double models = message.scalar;
    const bool counts = models >= 1 && models < nodes_ && std::floor(models) == models;
    return counts ? LockstepGossip::check_message(state, message) : Reason::kMalformed;
  }

  SharedBuffer combine(NodeState& state, const Exchange& exchange) override {
    for (Heard& heard : heard_) heard = {};
    for (const Message& message : exchange.vectors[0].messages) {
      heard_[place_of(message.from)] = {message.payload, message.scalar};
    }
    add_up(state);
    if (!sum_) return exchange.computed;
    const float share = 1.0f / static_cast<float>(1 + models_);
    const Term parts[] = {{share, exchange.computed.floats()}, {share, sum_.floats()}};
    Buffer next = state.pool->acquire_floats(state.dimension);
    weighted_sum(*state.codec, parts, next.floats(), *state.pool);
    return std::move(next).freeze();
  }

  // S of what has been heard.
  void add_up(const NodeState& state) {
    count_models();
    terms_.clear();
    for (size_t i = 0; i < heard_.size(); ++i) {
      if (heard_[i].sum) terms_.push_back({1.0f, {}, &heard_[i].sum, peers_[i]});
    }
    sum_.reset();
    if (terms_.empty()) return;
    Buffer sum = state.pool->acquire_floats(state.dimension);
    weighted_sum(*state.codec, terms_, sum.floats(), *state.pool);
    sum_ = std::move(sum).freeze();
  }

  void forget(const NodeState& state, NodeId peer) override {
    if (!std::ranges::binary_search(peers_, peer)) return;  // of the graph, and not of the tree
    heard_[place_of(peer)] = {};
    add_up(state);
  }

  void describe_memory(std::string& out) const override { describe_vector("sum", sum_, out); }

  const double nodes_;
  Pool* pool_;
  std::vector<NodeId> peers_;  // in the tree, sorted
  SharedBuffer sum_;           // S; empty where nothing has been heard
  double models_ = 0;          // that S is of
  std::vector<Heard> heard_;   // by peer
  std::vector<Term> terms_;    // scratch, kept for its capacity
};

AdjacencyGraph tree_of(const Graph& graph) { return {graph.nodes(), spanning_tree(graph)}; }

std::string sentence(const Graph& graph) {
  const AdjacencyGraph tree = tree_of(graph);
  Reach reach(tree);
  reach.search(NodeId{0}, Direction::kOut);
  reach.search(reach.farthest(), Direction::kOut);
  char text[300];
  std::snprintf(text, sizeof text,
                "RelaySGD passes sums on along a spanning tree of the graph, %u edges: models are "
                "averaged up to %u rounds late; where a node dies each part of the tree goes on by "
                "itself",
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
    .goes_on = GoesOn::kUndirected,
    .cancels = false,
    .weights = &kWeights,
};

}  // namespace kith
