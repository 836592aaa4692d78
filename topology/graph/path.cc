// Path: node i is joined to i - 1 and i + 1; the first and the last node have one neighbour.
//
// Degree 2, 1 at the ends; diameter N - 1. Under Metropolis every edge weighs 1/3 (N >= 3), and the
// eigenvalues of W are (1 + 2 cos(pi k / N)) / 3, k = 0 .. N-1: the gap is pi^2 / (3 N^2) for large
// N, a quarter of the ring's. Of all connected graphs a path has the smallest lambda_2 of the
// Laplacian (Fiedler 1973).
#include "topology/registry.h"
#include "topology/undirected_graph.h"

namespace kith {

namespace {

class Path final : public UndirectedGraph {
 public:
  using UndirectedGraph::UndirectedGraph;

  void in(NodeId node, Round, std::vector<NodeId>& out) const override {
    const uint32_t i = index_of(node);
    out.clear();
    if (i > 0) out.push_back(NodeId{i - 1});
    if (i + 1 < nodes()) out.push_back(NodeId{i + 1});
  }
};

}  // namespace

const GraphInfo path_graph = {
    .name = "path",
    .help = "a ring that is cut open: news takes N - 1 rounds from end to end",
    .undirected = true,
    .make = make_sized<Path>,
};

}  // namespace kith
