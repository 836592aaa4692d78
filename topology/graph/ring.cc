// Ring: node i is joined to i - 1 and i + 1 mod N.
//
// Degree 2 (1 at N = 2); diameter floor(N / 2). With weights 1/3 the eigenvalues of W are
// (1 + 2 cos(2 pi k / N)) / 3: the gap is 4 pi^2 / (3 N^2) for large N, and lambda_min is exactly
// -1/3 at every even N >= 4.
#include <algorithm>

#include "topology/registry.h"
#include "topology/undirected_graph.h"

namespace kith {

namespace {

class Ring final : public UndirectedGraph {
 public:
  using UndirectedGraph::UndirectedGraph;

  void in(NodeId node, Round, std::vector<NodeId>& out) const override {
    out.clear();
    if (nodes() == 1) return;
    const uint32_t i = index_of(node);
    const uint32_t before = i == 0 ? nodes() - 1 : i - 1;
    const uint32_t after = i + 1 == nodes() ? 0 : i + 1;
    out.push_back(NodeId{std::min(before, after)});
    if (before != after) out.push_back(NodeId{std::max(before, after)});
  }
};

}  // namespace

const GraphInfo ring_graph = {
    .name = "ring",
    .help = "each node talks to the two beside it; the fewest bytes, the slowest mixing",
    .undirected = true,
    .make = make_sized<Ring>,
};

}  // namespace kith
