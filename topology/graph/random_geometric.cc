// Random geometric graph (Gilbert 1961): the nodes are points drawn from the unit square, and two
// are joined where they are no further apart than the radius. Drawn again until connected.
//
// Undirected; two nodes are joined with probability pi r^2 - 8 r^3 / 3 + r^4 / 2 (r <= 1): away
// from the rim the degree is binomial(N - 1, pi r^2). Connected above r = sqrt(ln N / (pi N))
// almost surely for large N (Penrose 1997; Gupta, Kumar 1999); by default r^2 is twice that. News
// moves by r in a round at most: diameter about sqrt 2 / r, and a gap in proportion to r^2 (Boyd,
// Ghosh, Prabhakar, Shah 2005), so about ln N / N at the default. O(N + edges) time: points of a
// cell of side r are compared with those of the cells around.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "topology/error.h"
#include "topology/random_edges.h"
#include "topology/registry.h"

namespace kith {

namespace {

double connecting_radius(uint32_t nodes) {
  const double n = nodes;
  return std::sqrt(2 * std::log(n) / (std::numbers::pi * n));
}

struct Point {
  double x, y;
  uint32_t column, row;  // of its cell
  uint32_t node;
};

// Points by cell, so that the neighbours of a cell are found by a search in a sorted list.
class Square {
 public:
  Square(Rng& rng, uint32_t nodes, double radius)
      : radius_(radius),
        // No more cells than points, however small the radius.
        cells_(static_cast<uint32_t>(std::clamp(1 / radius, 1.0, std::sqrt(double{1} + nodes)))) {
    points_.reserve(nodes);
    for (uint32_t i = 0; i < nodes; ++i) {
      const double x = rng.uniform();
      const double y = rng.uniform();
      points_.push_back({x, y, cell_of(x), cell_of(y), i});
    }
    std::ranges::sort(points_, [](const Point& a, const Point& b) { return before(a, b); });
  }

  void join(std::vector<Edge>& edges) const {
    for (const Point& point : points_) {
      const uint32_t first_row = point.row == 0 ? 0 : point.row - 1;
      for (uint32_t row = first_row; row <= point.row + 1; ++row) {
        join_row(point, row, edges);
      }
    }
  }

 private:
  static bool before(const Point& a, const Point& b) {
    if (a.row != b.row) return a.row < b.row;
    return a.column != b.column ? a.column < b.column : a.node < b.node;
  }

  uint32_t cell_of(double coordinate) const {
    return std::min(cells_ - 1, static_cast<uint32_t>(coordinate * cells_));
  }

  // Each edge is found from both ends and kept from the smaller.
  void join_row(const Point& point, uint32_t row, std::vector<Edge>& edges) const {
    const Point from{0, 0, point.column == 0 ? 0 : point.column - 1, row, 0};
    auto other = std::ranges::lower_bound(
        points_, from, [](const Point& a, const Point& b) { return before(a, b); });
    for (; other != points_.end() && other->row == row && other->column <= point.column + 1;
         ++other) {
      const double dx = other->x - point.x;
      const double dy = other->y - point.y;
      if (point.node < other->node && dx * dx + dy * dy <= radius_ * radius_) {
        edges.emplace_back(point.node, other->node);
      }
    }
  }

  double radius_;
  uint32_t cells_;  // on a side; a cell's side is the radius or more
  std::vector<Point> points_;
};

std::shared_ptr<const Graph> make_random_geometric(uint32_t nodes, uint64_t seed,
                                                   const Options& options) {
  if (nodes == 1) return std::make_shared<AdjacencyGraph>(1, std::vector<Edge>{});
  const double given = options.number("radius");
  const double radius = given > 0 ? given : connecting_radius(nodes);
  auto graph = draw_connected(nodes, seed, [&](Rng& rng, std::vector<Edge>& edges) {
    Square(rng, nodes, radius).join(edges);
  });
  if (graph == nullptr) {
    throw OperatorError("random-geometric: with radius = " + to_text(radius) + " none of " +
                        std::to_string(kDraws) + " graphs of " + std::to_string(nodes) +
                        " nodes was connected; radius = " + to_text(connecting_radius(nodes)) +
                        " would do");
  }
  return graph;
}

}  // namespace

const GraphInfo random_geometric_graph = {
    .name = "random-geometric",
    .help = "points of a square, drawn from the seed, that talk to those nearby; as radios do",
    .undirected = true,
    .options =
        [] {
          return OptionSpecs{{"radius", OptionSpec::Type::kNumber, 0.0,
                              "how far a node reaches, in sides of the square; 0 = enough to "
                              "connect all, sqrt(2 ln N / (pi N))",
                              0, 1.5}};
        },
    .make = make_random_geometric,
};

}  // namespace kith
