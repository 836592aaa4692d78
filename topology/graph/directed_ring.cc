// Directed ring: node i receives from i - 1 mod N and sends to i + 1 mod N.
//
// Directed (undirected at N <= 2); in- and out-degree 1; diameter N - 1. W = (I + P) / 2, P the
// cyclic shift, is doubly stochastic with eigenvalues (1 + exp(-2 pi i k / N)) / 2: zeta is exactly
// cos(pi / N), the gap pi^2 / (2 N^2) for large N. Among strongly connected graphs it has the
// fewest arcs.
#include "topology/registry.h"

namespace kith {

namespace {

class DirectedRing final : public Graph {
 public:
  explicit DirectedRing(uint32_t nodes) : nodes_(nodes) {}

  uint32_t nodes() const override { return nodes_; }
  bool undirected() const override { return nodes_ <= 2; }

  void in(NodeId node, Round, std::vector<NodeId>& out) const override {
    out.clear();
    if (nodes_ == 1) return;
    out.push_back(NodeId{(index_of(node) == 0 ? nodes_ : index_of(node)) - 1});
  }

  void out(NodeId node, Round, std::vector<NodeId>& out) const override {
    out.clear();
    if (nodes_ == 1) return;
    out.push_back(NodeId{index_of(node) + 1 == nodes_ ? 0 : index_of(node) + 1});
  }

 private:
  uint32_t nodes_;
};

}  // namespace

const GraphInfo directed_ring_graph = {
    .name = "directed-ring",
    .help = "each node hears from the one before it and tells the one behind it",
    .undirected = false,
    .make = make_sized<DirectedRing>,
};

}  // namespace kith
