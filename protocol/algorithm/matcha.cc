// MATCHA (Wang, Sahu, Yang, Joshi, Kar 2019): D-PSGD that uses only some of the graph's edges in
// each round, most often those without which news would spread slowest.
//
//   x_i+ = sum_j W_t,ij T(x_j)        W_t = I - alpha sum_j b_j L_j        b_j ~ Bernoulli(p_j)
//
// where T is `local_steps` steps of the node's own optimiser (one: T(x) = x - eta g(x)), L_j the
// Laplacian of matching j of the graph, and p and alpha follow from the graph and the budget C_B
// (topology/matcha.h): a round has sum_j p_j <= C_B M matchings on average, of all M. Which ones is
// a function of the seed and the round, so that no word is exchanged about it.
//
// Through a codec that loses something it is CHOCO-SGD over the same W_t, each edge by itself, with
// consensus step gamma (protocol/gossip/edge_choco.h, which says what that keeps).
//
// Keeps: x and v = T(x). Sends: v to those neighbours whose edge is active, once a round; a node
// that has none sends nothing and goes on. Waits: for these neighbours only. Needs: an undirected
// graph that never changes; gamma below 1 for coarse codecs.
// Invariants: the average of x is moved by steps alone; with C_B = 1 it is D-PSGD in the order ATC
// with topology.weights = "best-constant", bit for bit.
#include "topology/matcha.h"

#include <cstdio>

#include "protocol/describe.h"
#include "protocol/gossip/edge_choco.h"
#include "protocol/gossip/lockstep.h"

namespace kith {

namespace {

class Matcha final : public LockstepGossip {
 public:
  explicit Matcha(const Options& options)
      : LockstepGossip({.name = "matcha",
                        .local_steps = static_cast<uint32_t>(options.integer("local_steps"))}) {}

  void persist(Archive& archive) override { persist_absent(archive); }

 private:
  bool encode(NodeState& state, const SharedBuffer& v, Wires wires) override {
    return encode_vector(state, v, wires[0]);
  }

  SharedBuffer combine(NodeState& state, const Exchange& exchange) override {
    return mixed(state, exchange.computed, exchange, 0);
  }

  void describe_memory(std::string&) const override {}
};

// Of a node alone there is nothing to choose.
MatchaDesign design_of(const Options& options, const Graph& graph) {
  if (graph.nodes() == 1) return {};
  return design_matcha(graph, options.number("budget"));
}

std::string sentence(const MatchaDesign& design) {
  char text[300];
  std::snprintf(text, sizeof text,
                "MATCHA uses %.4g of the graph's %zu matchings in a round on average, which "
                "leaves %.4g of a squared disagreement",
                design.expected_matchings(), design.matchings.size(), design.rho);
  std::string all = text;
  if (design.budget == 1 || design.helps()) return all;
  std::snprintf(text, sizeof text,
                ": no less than all matchings in a share of %.4g of the rounds would (%.4g)",
                design.budget, design.periodic_rho);
  return all + text;
}

constexpr OwnWeights kWeights = {
    .check =
        [](const Options& options, const Graph& graph) {
          if (graph.nodes() > 1) check_matcha(graph, options.number("budget"));
        },
    .make = [](const Options& options, const Graph& graph,
               uint64_t seed) -> std::unique_ptr<Mixing> {
      return make_matcha_mixing(graph.nodes(), design_of(options, graph), seed);
    },
    .note = [](const Options& options, const Graph& graph) -> std::string {
      return graph.nodes() == 1 ? "" : sentence(design_of(options, graph));
    },
};

}  // namespace

extern const AlgorithmInfo matcha_algorithm;
const AlgorithmInfo matcha_algorithm = {
    .name = "matcha",
    .help = "MATCHA: D-PSGD over a random part of the graph's edges in each round",
    .needs = {.undirected = true, .doubly_stochastic = true, .fixed = true},
    .options = {{"budget", OptionSpec::Type::kNumber, 0.5,
                 "share of the graph's matchings that a round may use on average; 1 = D-PSGD",
                 0.001, 1},
                option_gossip_steps(),
                {"gamma", OptionSpec::Type::kNumber, 0.3,
                 "consensus step where the codec loses something, else 1: the coarser it is, the "
                 "smaller",
                 0, 1}},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      if (state.codec->lossless()) return std::make_unique<Matcha>(options);
      return std::make_unique<EdgeChoco>(state, "matcha",
                                         static_cast<uint32_t>(options.integer("local_steps")),
                                         static_cast<float>(options.number("gamma")));
    },
    .batches_per_round = batches_of_gossip,
    .keeps_differences = true,
    .goes_on = GoesOn::kUndirected,
    .cancels = false,
    .weights = &kWeights,
};

}  // namespace kith
