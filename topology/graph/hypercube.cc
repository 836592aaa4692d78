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

namespace kith {

namespace {

class Hypercube final : public Graph {
 public:
  explicit Hypercube(uint32_t nodes) : nodes_(nodes) {}

  uint32_t nodes() const override { return nodes_; }
  bool undirected() const override { return true; }
  void out(NodeId node, Round round, std::vector<NodeId>& out) const override {
    in(node, round, out);
  }

  void in(NodeId node, Round, std::vector<NodeId>& out) const override {
    out.clear();
    for (uint64_t bit = 1; bit < nodes_; bit *= 2) {
      out.push_back(NodeId{index_of(node) ^ static_cast<uint32_t>(bit)});
    }
    std::ranges::sort(out);
  }

 private:
  uint32_t nodes_;
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
    .options = [] { return OptionSpecs{}; },
    .check = check_hypercube,
    .make = [](uint32_t nodes, uint64_t, const Options&) -> std::shared_ptr<const Graph> {
      return std::make_shared<Hypercube>(nodes);
    },
};

}  // namespace kith
