// Barbell: two cliques and one edge, the bridge, between them. The first clique is nodes 0 .. m-1,
// m = ceil(N / 2), the second is the rest; the bridge joins m - 1 and m.
//
// Degree m - 1, one more at the ends of the bridge; diameter 3 (N >= 6). All that the halves know
// of each other crosses one edge. At N = 2m, m >= 2, under Metropolis zeta =
// (m + sqrt(m^2 + 4m - 4)) / (2 (m + 1)), the eigenvector that is the same with the other sign on
// the other half: the gap is about 2 / m^2. Two cliques of 4 are the example of MATCHA (Wang, Sahu,
// Yang, Joshi, Kar 2019): lambda_2 of the Laplacian is 3 - sqrt 7 = .35425.
#include "topology/registry.h"
#include "topology/undirected_graph.h"

namespace kith {

namespace {

class Barbell final : public UndirectedGraph {
 public:
  explicit Barbell(uint32_t nodes) : UndirectedGraph(nodes), middle_(nodes - nodes / 2) {}

  void in(NodeId node, Round, std::vector<NodeId>& out) const override {
    const uint32_t i = index_of(node);
    const bool second = i >= middle_;
    out.clear();
    if (i == middle_) out.push_back(NodeId{middle_ - 1});
    for (uint32_t j = second ? middle_ : 0; j < (second ? nodes() : middle_); ++j) {
      if (j != i) out.push_back(NodeId{j});
    }
    if (i == middle_ - 1 && middle_ < nodes()) out.push_back(NodeId{middle_});
  }

 private:
  uint32_t middle_;  // first node of the second clique
};

}  // namespace

const GraphInfo barbell_graph = {
    .name = "barbell",
    .help = "two cliques of N / 2 nodes and one edge between them: the worst of bottlenecks",
    .undirected = true,
    .make = make_sized<Barbell>,
};

}  // namespace kith
