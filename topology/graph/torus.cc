// Two-dimensional torus: a grid of rows x columns whose edges wrap round. Node i stands in row
// i / columns and column i % columns.
//
// Degree 4; one less for each side of length 2, two less for a side of length 1 (so that a prime N
// gives a ring). Diameter floor(rows / 2) + floor(columns / 2). With weights 1/5 the eigenvalues of
// W are (1 + 2 cos(2 pi a / rows) + 2 cos(2 pi b / columns)) / 5: a square's gap is 4 pi^2 / (5 N)
// for large N.
#include <algorithm>
#include <array>
#include <cstdint>

#include "topology/error.h"
#include "topology/registry.h"

namespace kith {

namespace {

class Torus final : public Graph {
 public:
  Torus(uint32_t rows, uint32_t columns) : rows_(rows), columns_(columns) {}

  uint32_t nodes() const override { return rows_ * columns_; }
  bool undirected() const override { return true; }
  void out(NodeId node, Round round, std::vector<NodeId>& out) const override {
    in(node, round, out);
  }

  void in(NodeId node, Round, std::vector<NodeId>& out) const override {
    const uint32_t row = index_of(node) / columns_;
    const uint32_t column = index_of(node) % columns_;
    const uint32_t up = row == 0 ? rows_ - 1 : row - 1;
    const uint32_t down = row + 1 == rows_ ? 0 : row + 1;
    const uint32_t left = column == 0 ? columns_ - 1 : column - 1;
    const uint32_t right = column + 1 == columns_ ? 0 : column + 1;
    std::array<NodeId, 4> around = {at(up, column), at(down, column), at(row, left),
                                    at(row, right)};
    std::ranges::sort(around);
    out.clear();
    for (const NodeId peer : around) {
      if (peer != node && (out.empty() || out.back() != peer)) out.push_back(peer);
    }
  }

 private:
  NodeId at(uint32_t row, uint32_t column) const { return NodeId{row * columns_ + column}; }

  uint32_t rows_;
  uint32_t columns_;
};

struct Shape {
  uint64_t rows;
  uint64_t columns;
};

// A side that is not given (0) follows from the other; with neither, rows is the largest divisor of
// N that is no larger than its root. Their product is N unless the operator's sides forbid it.
Shape shape_of(uint32_t nodes, const Options& options) {
  Shape shape{static_cast<uint64_t>(options.integer("rows")),
              static_cast<uint64_t>(options.integer("columns"))};
  if (shape.rows == 0 && shape.columns == 0) {
    shape.rows = 1;
    for (uint64_t side = 2; side * side <= nodes; ++side) {
      if (nodes % side == 0) shape.rows = side;
    }
  }
  if (shape.rows == 0) shape.rows = nodes / shape.columns;
  if (shape.columns == 0) shape.columns = nodes / shape.rows;
  return shape;
}

void check_torus(uint32_t nodes, const Options& options) {
  const Shape shape = shape_of(nodes, options);
  if (shape.rows * shape.columns == nodes) return;
  throw OperatorError("torus: no grid with rows = " + std::to_string(options.integer("rows")) +
                      " and columns = " + std::to_string(options.integer("columns")) + " holds " +
                      std::to_string(nodes) +
                      " nodes; rows * columns must be the number of nodes, or leave both out");
}

}  // namespace

const GraphInfo torus_graph = {
    .name = "torus",
    .help = "a grid whose edges wrap round; four neighbours",
    .undirected = true,
    .options =
        [] {
          using Type = OptionSpec::Type;
          return OptionSpecs{{"rows", Type::kInteger, int64_t{0},
                              "nodes in a column; 0 = as square as can be", 0, UINT32_MAX},
                             {"columns", Type::kInteger, int64_t{0},
                              "nodes in a row; 0 = as square as can be", 0, UINT32_MAX}};
        },
    .check = check_torus,
    .make = [](uint32_t nodes, uint64_t, const Options& options) -> std::shared_ptr<const Graph> {
      const Shape shape = shape_of(nodes, options);
      return std::make_shared<Torus>(static_cast<uint32_t>(shape.rows),
                                     static_cast<uint32_t>(shape.columns));
    },
};

}  // namespace kith
