// With t = 1 - zeta and W = I - L(w): t I <= L(w) <= (2 - t) I on the vectors of mean zero.
#include "topology/fastest_mixing.h"

#include <string>

#include "topology/error.h"
#include "topology/laplacian.h"
#include "topology/weight_program.h"

namespace kith {

void check_fastest(const Graph& graph) {
  const size_t edges = edges_of(graph).size();
  if (graph.nodes() <= kFastestNodes && edges <= kFastestEdges) return;
  throw OperatorError("mixing \"fastest\" is computed for at most " +
                      std::to_string(kFastestNodes) + " nodes and " +
                      std::to_string(kFastestEdges) + " edges, but this graph has " +
                      std::to_string(graph.nodes()) + " and " + std::to_string(edges) +
                      "; use mixing \"best-constant\"");
}

std::vector<double> fastest_weights(const Graph& graph) {
  check_fastest(graph);
  if (graph.nodes() == 1) return {};
  const std::vector<Edge> edges = edges_of(graph);
  const LaplacianEnds ends = laplacian_ends(unit_weights(graph));
  WeightProgram program{.nodes = graph.nodes(), .two_sided = true};
  for (const Edge& edge : edges) program.groups.push_back({edge});
  const double best_constant = 2 / (ends.connectivity + ends.largest);
  return solve(program, std::vector<double>(edges.size(), best_constant)).weights;
}

}  // namespace kith
