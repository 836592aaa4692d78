// Binary tree: node i > 0 is joined to its parent (i - 1) / 2, so that the tree is complete but for
// the right end of its last level.
//
// Degree at most 3; diameter at most 2 floor(log2 N); N - 1 edges. News that goes round within one
// half leaves it through the root alone: lambda_2 of the Laplacian of the full tree, N = 2^h - 1,
// is at most 2 / (N - 1), and at least 1 / ((N - 1) log2 N) (Spielman, Spectral and Algebraic Graph
// Theory, ch. 5). Under Metropolis the two edges of the root weigh 1/4 there (N >= 7) and no edge
// weighs less, so that the gap is between a quarter of each.
#include "topology/registry.h"
#include "topology/undirected_graph.h"

namespace kith {

namespace {

class BinaryTree final : public UndirectedGraph {
 public:
  using UndirectedGraph::UndirectedGraph;

  void in(NodeId node, Round, std::vector<NodeId>& out) const override {
    const uint64_t i = index_of(node);
    out.clear();
    if (i > 0) out.push_back(NodeId{static_cast<uint32_t>((i - 1) / 2)});
    for (const uint64_t child : {2 * i + 1, 2 * i + 2}) {
      if (child < nodes()) out.push_back(NodeId{static_cast<uint32_t>(child)});
    }
  }
};

}  // namespace

const GraphInfo binary_tree_graph = {
    .name = "binary-tree",
    .help = "each node talks to its parent and its two children; the fewest edges, few hops",
    .undirected = true,
    .make = make_sized<BinaryTree>,
};

}  // namespace kith
