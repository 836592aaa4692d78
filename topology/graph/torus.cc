// Torus: a grid of layers x rows x columns whose edges wrap round; one layer, as by default, is the
// torus of two dimensions. Node i stands in column i % columns, row i / columns % rows and layer
// i / columns / rows.
//
// Degree 4 in two dimensions, 6 in three; one less for each side of length 2, two less for a side
// of length 1 (so that a prime N gives a ring). Diameter floor(layers / 2) + floor(rows / 2) +
// floor(columns / 2). With D sides of length 3 or more and weights 1 / (2 D + 1) the eigenvalues of
// W are (1 + sum over the sides s of 2 cos(2 pi k_s / s)) / (2 D + 1): the gap is 4 pi^2 / (5 N)
// for a large square, 4 pi^2 / (7 N^(2/3)) for a large cube.
#include <algorithm>
#include <array>
#include <cstdint>

#include "topology/error.h"
#include "topology/registry.h"
#include "topology/sides.h"
#include "topology/undirected_graph.h"

namespace kith {

namespace {

class Torus final : public UndirectedGraph {
 public:
  Torus(uint32_t layers, uint32_t rows, uint32_t columns)
      : UndirectedGraph(layers * rows * columns), sides_{columns, rows, layers} {}

  void in(NodeId node, Round, std::vector<NodeId>& out) const override {
    const uint32_t i = index_of(node);
    std::array<NodeId, 6> around;
    auto next = around.begin();
    uint32_t stride = 1;
    for (const uint32_t side : sides_) {
      const uint32_t place = i / stride % side;
      const uint32_t line = i - place * stride;  // where the row, column or pile begins
      *next++ = NodeId{line + (place == 0 ? side - 1 : place - 1) * stride};
      *next++ = NodeId{line + (place + 1 == side ? 0 : place + 1) * stride};
      stride *= side;
    }
    std::ranges::sort(around);
    out.clear();
    for (const NodeId peer : around) {
      if (peer != node && (out.empty() || out.back() != peer)) out.push_back(peer);
    }
  }

 private:
  std::array<uint32_t, 3> sides_;  // columns first: their neighbours are 1 apart
};

// 0 = as cubic as can be.
uint32_t layers_of(uint32_t nodes, const Options& options) {
  const auto layers = static_cast<uint32_t>(options.integer("layers"));
  return layers == 0 ? static_cast<uint32_t>(largest_divisor(nodes, 3)) : layers;
}

void check_torus(uint32_t nodes, const Options& options) {
  const uint32_t layers = layers_of(nodes, options);
  if (nodes % layers != 0) {
    throw OperatorError("torus: " + std::to_string(nodes) + " nodes do not fill " +
                        std::to_string(layers) +
                        " layers alike; layers = " + std::to_string(largest_divisor(nodes, 3)) +
                        " would do, or 0 for as cubic as can be");
  }
  check_sides(layers == 1 ? "torus" : "torus: in each layer", nodes / layers, options);
}

OptionSpecs torus_options() {
  OptionSpecs specs = sides_options();
  specs.push_back({"layers", OptionSpec::Type::kInteger, int64_t{1},
                   "above each other, a third dimension; 0 = as cubic as can be", 0, UINT32_MAX});
  return specs;
}

std::shared_ptr<const Graph> make_torus(uint32_t nodes, uint64_t, const Options& options) {
  const uint32_t layers = layers_of(nodes, options);
  const Sides sides = sides_of(nodes / layers, options);
  return std::make_shared<Torus>(layers, static_cast<uint32_t>(sides.rows),
                                 static_cast<uint32_t>(sides.columns));
}

}  // namespace

const GraphInfo torus_graph = {
    .name = "torus",
    .help = "a grid whose edges wrap round; four neighbours, six in three dimensions",
    .undirected = true,
    .options = torus_options,
    .check = check_torus,
    .make = make_torus,
};

}  // namespace kith
