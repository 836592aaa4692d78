// Erdos-Renyi graph G(N, p) (Erdos, Renyi 1959; in this form Gilbert 1959): every two nodes are
// joined with probability p, independent of all others. Drawn again until connected; of those that
// are it is a fair draw.
//
// Undirected; the degree is binomial(N - 1, p), p N (N - 1) / 2 edges on average. Connected above
// p = ln N / N almost surely for large N; by default p is twice that. Where p N grows faster than
// ln N the degrees come together, and the adjacency matrix has lambda_2 about 2 sqrt(p (1 - p) N)
// beside p N (Furedi, Komlos 1981): an expander. O(N + edges) time and memory.
#include <string>

#include "topology/error.h"
#include "topology/random_edges.h"
#include "topology/registry.h"

namespace kith {

namespace {

std::shared_ptr<const Graph> make_erdos_renyi(uint32_t nodes, uint64_t seed,
                                              const Options& options) {
  const double given = options.number("p");
  const double p = given > 0 ? given : connecting_probability(nodes);
  auto graph = draw_connected(nodes, seed, [&](Rng& rng, std::vector<Edge>& edges) {
    for (uint32_t i = 0; i < nodes; ++i) draw_edges(rng, p, i, i + 1, nodes, edges);
  });
  if (graph == nullptr) {
    throw OperatorError("erdos-renyi: with p = " + to_text(p) + " none of " +
                        std::to_string(kDraws) + " graphs of " + std::to_string(nodes) +
                        " nodes was connected; p = " + to_text(connecting_probability(nodes)) +
                        " would do");
  }
  return graph;
}

}  // namespace

const GraphInfo erdos_renyi_graph = {
    .name = "erdos-renyi",
    .help = "every two nodes are joined with the same probability, drawn from the seed",
    .undirected = true,
    .options =
        [] {
          return OptionSpecs{{"p", OptionSpec::Type::kNumber, 0.0,
                              "probability of an edge; 0 = twice the least that connects, "
                              "2 ln N / N",
                              0, 1}};
        },
    .make = make_erdos_renyi,
};

}  // namespace kith
