// Complete graph: every node is joined to every other.
//
// Degree N - 1; diameter 1. W = J under every rule (zeta = 0 to rounding): one round averages, for
// N (N - 1) messages.
#include "topology/registry.h"

namespace kith {

namespace {

class Complete final : public Graph {
 public:
  explicit Complete(uint32_t nodes) : nodes_(nodes) {}

  uint32_t nodes() const override { return nodes_; }
  bool undirected() const override { return true; }
  void out(NodeId node, Round round, std::vector<NodeId>& out) const override {
    in(node, round, out);
  }

  void in(NodeId node, Round, std::vector<NodeId>& out) const override {
    out.clear();
    for (uint32_t i = 0; i < nodes_; ++i) {
      if (i != index_of(node)) out.push_back(NodeId{i});
    }
  }

 private:
  uint32_t nodes_;
};

}  // namespace

const GraphInfo complete_graph = {
    .name = "complete",
    .help = "everyone talks to everyone; exact averages, N - 1 messages a node and round",
    .undirected = true,
    .options = [] { return OptionSpecs{}; },
    .check = [](uint32_t, const Options&) {},
    .make = [](uint32_t nodes, uint64_t, const Options&) -> std::shared_ptr<const Graph> {
      return std::make_shared<Complete>(nodes);
    },
};

}  // namespace kith
