// With t = 1 - zeta and W = I - L(w): t I <= L(w) <= (2 - t) I on the vectors of mean zero.
#include "topology/fastest_mixing.h"

#include <string>

#include "topology/error.h"
#include "topology/laplacian.h"
#include "topology/weight_program.h"

namespace kith {

std::vector<double> fastest_weights(const Graph& graph) {
  const std::vector<Edge> edges = edges_of(graph);
  if (graph.nodes() > kFastestNodes || edges.size() > kFastestEdges) {
    throw OperatorError("mixing \"fastest\" is computed for at most " +
                        std::to_string(kFastestNodes) + " nodes and " +
                        std::to_string(kFastestEdges) + " edges, but this graph has " +
                        std::to_string(graph.nodes()) + " and " + std::to_string(edges.size()) +
                        "; use mixing \"best-constant\"");
  }
  if (graph.nodes() == 1) return {};
  const LaplacianEnds ends = laplacian_ends(unit_weights(graph));
  WeightProgram program{.nodes = graph.nodes(), .two_sided = true};
  for (const Edge& edge : edges) program.groups.push_back({edge});
  const double best_constant = 2 / (ends.connectivity + ends.largest);
  return solve(program, std::vector<double>(edges.size(), best_constant)).weights;
}

}  // namespace kith
