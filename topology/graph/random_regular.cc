// Random regular graph: undirected, simple, connected, every node of the same degree d.
//
// Built as a circulant of that degree, then mixed by 10 |E| switches: two edges a-b, c-d become
// a-d, c-b where that makes neither a loop nor a double edge. The chain keeps every degree and its
// stationary distribution is uniform over all simple d-regular graphs (Cooper, Dyer, Greenhill
// 2007); Milo et al. (2003) give the number of switches. While the result is not connected, it goes
// on. Above d = (N - 1) / 2 the complement is built. O(N d^2) time, O(N d) memory.
//
// Diameter about log_{d-1} N. With weights 1 / (d + 1), |lambda_2| comes close to
// (1 + 2 sqrt(d - 1)) / (d + 1) (Friedman 2008), whatever N: an expander.
//
// With every_round = true another graph of that degree in every round (topology/reshuffled.h).
#include <algorithm>
#include <string>

#include "topology/adjacency.h"
#include "topology/assert.h"
#include "topology/error.h"
#include "topology/reach.h"
#include "topology/registry.h"
#include "topology/reshuffled.h"
#include "topology/rng.h"

namespace kith {

namespace {

constexpr uint64_t kSwitchesPerEdge = 10;

// A d-regular simple graph under switches.
class SwitchChain {
 public:
  SwitchChain(uint32_t nodes, uint32_t degree) : degree_(degree), edges_(circulant(nodes, degree)) {
    peers_.resize(size_t{nodes} * degree);
    std::vector<uint32_t> count(nodes, 0);
    for (const auto& [a, b] : edges_) {
      peers_[size_t{a} * degree + count[a]++] = b;
      peers_[size_t{b} * degree + count[b]++] = a;
    }
  }

  const std::vector<Edge>& edges() const { return edges_; }

  // One step of the chain; a switch that would spoil the graph is a step that changes nothing.
  void step(Rng& rng) {
    auto& [a, b] = edges_[rng.below(edges_.size())];
    auto& [c, d] = edges_[rng.below(edges_.size())];
    if (rng.below(2) == 1) std::swap(c, d);
    if (a == c || a == d || b == c || b == d || joined(a, d) || joined(c, b)) return;
    replace(a, b, d);
    replace(b, a, c);
    replace(c, d, b);
    replace(d, c, a);
    std::swap(b, d);
  }

 private:
  // Offsets 1 .. d/2, and N/2 where d is odd (N is even then).
  static std::vector<Edge> circulant(uint32_t nodes, uint32_t degree) {
    std::vector<Edge> edges;
    edges.reserve(size_t{nodes} * degree / 2);
    for (uint32_t i = 0; i < nodes; ++i) {
      for (uint32_t offset = 1; offset <= degree / 2; ++offset) {
        edges.emplace_back(i, (i + offset) % nodes);
      }
    }
    for (uint32_t i = 0; degree % 2 == 1 && i < nodes / 2; ++i)
      edges.emplace_back(i, i + nodes / 2);
    return edges;
  }

  uint32_t* list(uint32_t node) { return peers_.data() + size_t{node} * degree_; }

  bool joined(uint32_t a, uint32_t b) {
    return std::find(list(a), list(a) + degree_, b) != list(a) + degree_;
  }

  void replace(uint32_t node, uint32_t old_peer, uint32_t new_peer) {
    *std::find(list(node), list(node) + degree_, old_peer) = new_peer;
  }

  uint32_t degree_;
  std::vector<Edge> edges_;
  std::vector<uint32_t> peers_;  // N lists of d, unsorted
};

std::vector<Edge> complement(uint32_t nodes, const std::vector<Edge>& edges) {
  const AdjacencyGraph graph(nodes, edges);
  std::vector<NodeId> peers;
  std::vector<Edge> absent;
  for (uint32_t i = 0; i < nodes; ++i) {
    graph.in(NodeId{i}, 0, peers);
    auto next = std::ranges::upper_bound(peers, NodeId{i});
    for (uint32_t j = i + 1; j < nodes; ++j) {
      if (next != peers.end() && *next == NodeId{j}) {
        ++next;
      } else {
        absent.emplace_back(i, j);
      }
    }
  }
  return absent;
}

std::shared_ptr<const Graph> make_random_regular(uint32_t nodes, uint64_t seed,
                                                 const Options& options) {
  if (nodes == 1) return std::make_shared<AdjacencyGraph>(1, std::vector<Edge>{});
  const auto degree = static_cast<uint32_t>(options.integer("degree"));
  if (options.flag("every_round")) {
    return std::make_shared<ReshuffledRegular>(nodes, degree, seed);
  }
  const bool dense = degree > (nodes - 1) / 2;
  SwitchChain chain(nodes, dense ? nodes - 1 - degree : degree);
  Rng rng(seed, NodeId{0}, Purpose::kGraph);
  for (;;) {
    const uint64_t steps = kSwitchesPerEdge * chain.edges().size();
    for (uint64_t i = 0; i < steps; ++i) chain.step(rng);
    auto graph = std::make_shared<AdjacencyGraph>(
        nodes, dense ? complement(nodes, chain.edges()) : chain.edges());
    if (connected(*graph)) return graph;
    KITH_ASSERT(!dense);  // a degree of N / 2 or more connects (Dirac)
  }
}

void check_random_regular(uint32_t nodes, const Options& options) {
  if (nodes == 1) return;
  const auto degree = static_cast<uint64_t>(options.integer("degree"));
  const std::string problem = "random-regular: no graph of degree " + std::to_string(degree) +
                              " joins " + std::to_string(nodes) + " nodes: ";
  if (degree >= nodes) {
    throw OperatorError(problem + "the degree must be smaller than the number of nodes, at most " +
                        std::to_string(nodes - 1));
  }
  if (degree == 1 && nodes > 2 && !options.flag("every_round")) {
    throw OperatorError(problem + "use degree 2 or more, or every_round = true");
  }
  if (degree % 2 == 1 && nodes % 2 == 1) {
    throw OperatorError(problem + "nodes * degree must be even; use degree " +
                        std::to_string(degree - 1) + " or " + std::to_string(nodes + 1) + " nodes");
  }
}

}  // namespace

const GraphInfo random_regular_graph = {
    .name = "random-regular",
    .help = "undirected, drawn from the seed; mixes fast at any N for a fixed number of neighbours",
    .undirected = true,
    .options =
        [] {
          using Type = OptionSpec::Type;
          return OptionSpecs{
              {"degree", Type::kInteger, int64_t{4},
               "neighbours of each node; one node alone has none", 1, 1 << 16},
              {"every_round", Type::kFlag, false, "another graph every round: epidemic learning"}};
        },
    .check = check_random_regular,
    .make = make_random_regular,
};

}  // namespace kith
