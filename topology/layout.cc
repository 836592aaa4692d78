#include "topology/layout.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>

namespace kith {

namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Lists = std::vector<std::vector<uint32_t>>;

constexpr double kTurn = 2 * std::numbers::pi;
constexpr uint32_t kUnreached = UINT32_MAX;
constexpr int kSpringSteps = 300;

bool has(const std::vector<Arc>& arcs, uint32_t from, uint32_t to) {
  return std::ranges::binary_search(arcs, Arc{from, to});
}

bool circulant(uint32_t nodes, const std::vector<Arc>& arcs) {
  return std::ranges::all_of(arcs, [&](const Arc& arc) {
    return has(arcs, (arc.first + 1) % nodes, (arc.second + 1) % nodes);
  });
}

Layout circle(uint32_t nodes) {
  Layout layout;
  for (uint32_t i = 0; i < nodes; ++i) {
    const double angle = kTurn * i / nodes;
    layout.points.push_back({std::sin(angle), -std::cos(angle)});
  }
  return layout;
}

// Neighbours on a line of `length` places that may wrap round.
bool beside(uint32_t a, uint32_t b, uint32_t length) {
  const uint32_t apart = a < b ? b - a : a - b;
  return apart == 1 || apart + 1 == length;
}

bool is_grid(uint32_t nodes, uint32_t columns, const std::vector<Arc>& arcs) {
  const uint32_t rows = nodes / columns;
  for (const auto& [from, to] : arcs) {
    const bool along =
        from / columns == to / columns && beside(from % columns, to % columns, columns);
    const bool down = from % columns == to % columns && beside(from / columns, to / columns, rows);
    if (!along && !down) return false;
  }
  for (uint32_t i = 0; i < nodes; ++i) {
    if (i % columns + 1 < columns && !(has(arcs, i, i + 1) && has(arcs, i + 1, i))) return false;
    if (i + columns < nodes && !(has(arcs, i, i + columns) && has(arcs, i + columns, i))) {
      return false;
    }
  }
  return true;
}

// The squarest grid that the arcs are.
std::optional<Layout> grid(uint32_t nodes, const std::vector<Arc>& arcs) {
  for (uint32_t rows = static_cast<uint32_t>(std::sqrt(nodes)); rows >= 2; --rows) {
    for (const uint32_t columns : {nodes / rows, rows}) {
      if (nodes % rows != 0 || !is_grid(nodes, columns, arcs)) continue;
      Layout layout{.kind = Layout::Kind::kGrid, .columns = columns};
      for (uint32_t i = 0; i < nodes; ++i) {
        layout.points.push_back(
            {static_cast<double>(i % columns), static_cast<double>(i / columns)});
      }
      return layout;
    }
  }
  return std::nullopt;
}

// Neighbours, whichever way the arc goes.
Lists neighbors(uint32_t nodes, const std::vector<Arc>& arcs) {
  Lists lists(nodes);
  for (const auto& [from, to] : arcs) {
    lists[from].push_back(to);
    lists[to].push_back(from);
  }
  for (auto& list : lists) {
    std::ranges::sort(list);
    list.erase(std::unique(list.begin(), list.end()), list.end());
  }
  return lists;
}

struct Search {
  std::vector<uint32_t> hops;    // kUnreached where there is no path
  std::vector<uint32_t> before;  // on the way from the start
  std::vector<uint32_t> order;
};

Search search(const Lists& lists, uint32_t start) {
  Search found{std::vector<uint32_t>(lists.size(), kUnreached),
               std::vector<uint32_t>(lists.size(), start),
               {start}};
  found.hops[start] = 0;
  for (size_t next = 0; next < found.order.size(); ++next) {
    const uint32_t node = found.order[next];
    for (const uint32_t peer : lists[node]) {
      if (found.hops[peer] != kUnreached) continue;
      found.hops[peer] = found.hops[node] + 1;
      found.before[peer] = node;
      found.order.push_back(peer);
    }
  }
  return found;
}

// Half way between the two ends of a longest path.
uint32_t centre_of(const Lists& tree) {
  const uint32_t end = search(tree, 0).order.back();
  const Search from_end = search(tree, end);
  uint32_t node = from_end.order.back();
  for (uint32_t steps = from_end.hops[node] / 2; steps > 0; --steps) node = from_end.before[node];
  return node;
}

// Each subtree gets a sector as wide as it has leaves.
std::optional<Layout> tree(uint32_t nodes, const Lists& lists) {
  size_t ends = 0;
  for (const auto& list : lists) ends += list.size();
  if (ends != 2 * (size_t{nodes} - 1)) return std::nullopt;
  const Search from_root = search(lists, centre_of(lists));
  if (from_root.order.size() != nodes) return std::nullopt;
  std::vector<double> leaves(nodes, 0.0);
  for (auto node = from_root.order.rbegin(); node != from_root.order.rend(); ++node) {
    leaves[*node] = std::max(leaves[*node], 1.0);
    if (*node != from_root.order[0]) leaves[from_root.before[*node]] += leaves[*node];
  }
  Layout layout{.kind = Layout::Kind::kTree, .points = std::vector<Point>(nodes)};
  std::vector<double> next(nodes, 0.0);  // where the sector of the next child begins
  const double share = kTurn / leaves[from_root.order[0]];
  for (const uint32_t node : from_root.order) {
    if (node == from_root.order[0]) continue;
    const uint32_t parent = from_root.before[node];
    const double from = next[parent];
    next[parent] += share * leaves[node];
    next[node] = from;
    const double angle = from + share * leaves[node] / 2;
    const double depth = from_root.hops[node];
    layout.points[node] = {depth * std::sin(angle), -depth * std::cos(angle)};
  }
  if (layout.points[0].x > 1e-9) {  // a path reads from left to right
    for (Point& p : layout.points) p.x = -p.x;
  }
  return layout;
}

MatrixXd hops_between(const Lists& lists) {
  const auto n = static_cast<Index>(lists.size());
  MatrixXd hops(n, n);
  for (Index i = 0; i < n; ++i) {
    const Search found = search(lists, static_cast<uint32_t>(i));
    const uint32_t apart = found.hops[found.order.back()] + 1;  // for those never reached
    for (Index j = 0; j < n; ++j) {
      const uint32_t d = found.hops[static_cast<size_t>(j)];
      hops(i, j) = d == kUnreached ? apart : d;
    }
  }
  return hops;
}

// The two largest axes of classical scaling (Torgerson 1952), slightly off so that no two nodes
// begin in one place.
MatrixXd first_positions(const MatrixXd& hops) {
  const Index n = hops.rows();
  MatrixXd b = -0.5 * hops.cwiseAbs2();
  b.rowwise() -= Eigen::RowVectorXd(b.colwise().mean());
  b.colwise() -= Eigen::VectorXd(b.rowwise().mean());
  const Eigen::SelfAdjointEigenSolver<MatrixXd> solver(b);
  MatrixXd x(n, 2);
  for (Index axis = 0; axis < 2; ++axis) {
    const double size = std::sqrt(std::max(solver.eigenvalues()[n - 1 - axis], 0.0));
    x.col(axis) = size * solver.eigenvectors().col(n - 1 - axis);
  }
  for (Index i = 0; i < n; ++i) {
    x(i, 0) += 0.1 * std::sin(static_cast<double>(i));
    x(i, 1) += 0.1 * std::cos(static_cast<double>(i));
  }
  return x;
}

// Moves every node to the mean of where the others want it, weighted by 1 / hops^2.
Layout spring(uint32_t nodes, const Lists& lists) {
  const MatrixXd hops = hops_between(lists);
  MatrixXd x = first_positions(hops);
  MatrixXd next(x.rows(), 2);
  for (int step = 0; step < kSpringSteps; ++step) {
    for (Index i = 0; i < x.rows(); ++i) {
      Eigen::RowVector2d sum(0, 0);
      double weight = 0;
      for (Index j = 0; j < x.rows(); ++j) {
        if (i == j) continue;
        const Eigen::RowVector2d away = x.row(i) - x.row(j);
        const double w = 1 / (hops(i, j) * hops(i, j));
        sum += w * (x.row(j) + away * (hops(i, j) / std::max(away.norm(), 1e-9)));
        weight += w;
      }
      next.row(i) = sum / weight;
    }
    x.swap(next);
  }
  Layout layout{.kind = Layout::Kind::kSpring};
  for (uint32_t i = 0; i < nodes; ++i) layout.points.push_back({x(i, 0), x(i, 1)});
  return layout;
}

}  // namespace

std::vector<Arc> arcs_over_rounds(const Graph& graph) {
  std::vector<Arc> arcs;
  std::vector<NodeId> peers;
  for (Round round = 0; round < rounds_shown(graph); ++round) {
    for (uint32_t i = 0; i < graph.nodes(); ++i) {
      graph.out(NodeId{i}, round, peers);
      for (const NodeId peer : peers) arcs.emplace_back(i, index_of(peer));
    }
    std::ranges::sort(arcs);
    arcs.erase(std::unique(arcs.begin(), arcs.end()), arcs.end());
  }
  return arcs;
}

Layout layout_of(uint32_t nodes, const std::vector<Arc>& arcs) {
  if (circulant(nodes, arcs)) return circle(nodes);
  if (auto found = grid(nodes, arcs)) return *found;
  const Lists lists = neighbors(nodes, arcs);
  if (auto found = tree(nodes, lists)) return *found;
  return spring(nodes, lists);
}

}  // namespace kith
