// Margulis graph (Margulis 1973; Gabber, Galil 1981; in the form of Hoory, Linial, Wigderson 2006,
// construction 8.1): the nodes are the points of Z_m x Z_m, N = m^2, and (x, y) is joined to
//
//   (x +- 2y, y)    (x +- (2y + 1), y)    (x, y +- 2x)    (x, y +- (2x + 1))        all mod m
//
// Node i is the point (i / m, i % m). Undirected; of the eight edges of a node some are loops and
// some the same, so that it has at most 8 neighbours. As a multigraph of degree 8 it has an
// adjacency matrix A whose eigenvalues other than 8 are within +- 5 sqrt 2 at every m (theorem
// 8.2): a known expander, without a draw. It brings the weights W = (I + A) / 9, an edge that
// stands twice counting twice: zeta <= (1 + 5 sqrt 2) / 9 = 0.897 whatever N, and lambda_min >=
// -0.675. Diameter O(log N).
#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "topology/error.h"
#include "topology/registry.h"
#include "topology/undirected_graph.h"

namespace kith {

namespace {

// The largest m with m^2 <= n.
uint64_t root_of(uint64_t n) {
  auto root = static_cast<uint64_t>(std::sqrt(static_cast<double>(n)));
  while (root * root > n) --root;
  while ((root + 1) * (root + 1) <= n) ++root;
  return root;
}

class Margulis final : public UndirectedGraph {
 public:
  explicit Margulis(uint64_t side)
      : UndirectedGraph(static_cast<uint32_t>(side * side)), side_(side) {}

  bool weighted() const override { return true; }

  void in(NodeId node, Round, std::vector<NodeId>& out) const override {
    out.clear();
    for (const NodeId peer : around(node)) {
      if (peer != node && (out.empty() || out.back() != peer)) out.push_back(peer);
    }
  }

  void weights(NodeId node, Round, std::vector<Neighbor>& out) const override {
    const std::array<NodeId, 8> ends = around(node);
    out.clear();
    for (auto first = ends.begin(); first != ends.end();) {
      const auto last = std::upper_bound(first, ends.end(), *first);
      if (*first != node) out.push_back({*first, static_cast<float>(last - first) / 9.0f});
      first = last;
    }
  }

 private:
  // The other ends of the eight edges, sorted.
  std::array<NodeId, 8> around(NodeId node) const {
    const uint64_t x = index_of(node) / side_;
    const uint64_t y = index_of(node) % side_;
    std::array<NodeId, 8> ends;
    auto next = ends.begin();
    for (const uint64_t extra : {0, 1}) {
      const uint64_t along_x = (2 * y + extra) % side_;
      const uint64_t along_y = (2 * x + extra) % side_;
      *next++ = at(x + along_x, y);
      *next++ = at(x + side_ - along_x, y);
      *next++ = at(x, y + along_y);
      *next++ = at(x, y + side_ - along_y);
    }
    std::ranges::sort(ends);
    return ends;
  }

  NodeId at(uint64_t x, uint64_t y) const {
    return NodeId{static_cast<uint32_t>(x % side_ * side_ + y % side_)};
  }

  uint64_t side_;  // m
};

void check_margulis(uint32_t nodes, const Options&) {
  const uint64_t side = root_of(nodes);
  if (side * side == nodes) return;
  throw OperatorError("margulis: " + std::to_string(nodes) + " nodes are no square; start " +
                      std::to_string(side * side) + " or " +
                      std::to_string((side + 1) * (side + 1)));
}

}  // namespace

const GraphInfo margulis_graph = {
    .name = "margulis",
    .help = "N a square; an expander by rule: at most 8 neighbours, mixes fast at any size",
    .undirected = true,
    .check = check_margulis,
    .make = [](uint32_t nodes, uint64_t, const Options&) -> std::shared_ptr<const Graph> {
      return std::make_shared<Margulis>(root_of(nodes));
    },
};

}  // namespace kith
