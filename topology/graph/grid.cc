// Grid: rows x columns, joined up, down, left and right, without wrap. Node i stands in row
// i / columns and column i % columns.
//
// Degree 4, 3 on the sides, 2 in the corners; diameter rows + columns - 2. The Laplacian has the
// eigenvalues (2 - 2 cos(pi a / rows)) + (2 - 2 cos(pi b / columns)): under best-constant they give
// zeta = (lambda_N - lambda_2) / (lambda_N + lambda_2). Under Metropolis a square's gap is about
// pi^2 / (5 N), a quarter of the torus's. A prime N gives a path.
#include "topology/registry.h"
#include "topology/sides.h"
#include "topology/undirected_graph.h"

namespace kith {

namespace {

class Grid final : public UndirectedGraph {
 public:
  explicit Grid(const Sides& sides)
      : UndirectedGraph(static_cast<uint32_t>(sides.rows * sides.columns)),
        rows_(static_cast<uint32_t>(sides.rows)),
        columns_(static_cast<uint32_t>(sides.columns)) {}

  void in(NodeId node, Round, std::vector<NodeId>& out) const override {
    const uint32_t i = index_of(node);
    const uint32_t row = i / columns_;
    const uint32_t column = i % columns_;
    out.clear();
    if (row > 0) out.push_back(NodeId{i - columns_});
    if (column > 0) out.push_back(NodeId{i - 1});
    if (column + 1 < columns_) out.push_back(NodeId{i + 1});
    if (row + 1 < rows_) out.push_back(NodeId{i + columns_});
  }

 private:
  uint32_t rows_;
  uint32_t columns_;
};

}  // namespace

const GraphInfo grid_graph = {
    .name = "grid",
    .help = "rows and columns without wrap; four neighbours, fewer at the rim",
    .undirected = true,
    .options = sides_options,
    .check = [](uint32_t nodes, const Options& options) { check_sides("grid", nodes, options); },
    .make = [](uint32_t nodes, uint64_t, const Options& options) -> std::shared_ptr<const Graph> {
      return std::make_shared<Grid>(sides_of(nodes, options));
    },
};

}  // namespace kith
