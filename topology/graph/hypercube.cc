// Hypercube: N = 2^d, and two nodes are joined where their numbers differ in one binary digit.
//
// Degree and diameter d = log2 N. With weights 1 / (d + 1) the eigenvalues of W are
// 1 - 2k / (d + 1), each binomial(d, k) times, k = 0 .. d: zeta = (d - 1) / (d + 1), and lambda_min
// is its negative. (Harary, Hayes, Wu 1988 survey the graph.)
#include <algorithm>
#include <bit>
#include <string>

#include "topology/error.h"
#include "topology/registry.h"
#include "topology/undirected_graph.h"

namespace kith {

namespace {

class Hypercube final : public UndirectedGraph {
 public:
  using UndirectedGraph::UndirectedGraph;

  void in(NodeId node, Round, std::vector<NodeId>& out) const override {
    out.clear();
    for (uint64_t bit = 1; bit < nodes(); bit *= 2) {
      out.push_back(NodeId{index_of(node) ^ static_cast<uint32_t>(bit)});
    }
    std::ranges::sort(out);
  }
};

void check_hypercube(uint32_t nodes, const Options&) {
  if (std::has_single_bit(nodes)) return;
  const uint64_t below = std::bit_floor(nodes);
  throw OperatorError("hypercube: " + std::to_string(nodes) + " nodes are no power of two; start " +
                      std::to_string(below) + " or " + std::to_string(2 * below));
}

}  // namespace

const GraphInfo hypercube_graph = {
    .name = "hypercube",
    .help = "N a power of two; neighbours differ in one binary digit of their number",
    .undirected = true,
    .check = check_hypercube,
    .make = make_sized<Hypercube>,
};

}  // namespace kith
