// The fastest mixing weights against known optima, against the subgradient method of Xiao and Boyd
// (2004, section 6) and against a search over the few weights that symmetry leaves.
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numbers>

#include "tests/unit/topology_cases.h"
#include "topology/adjacency.h"
#include "topology/fastest_mixing.h"
#include "topology/matching.h"
#include "topology/mixing.h"
#include "topology/reach.h"
#include "topology/rng.h"
#include "topology/spectral.h"

namespace kith {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

std::shared_ptr<const Graph> of(uint32_t nodes, const std::vector<Edge>& edges) {
  return std::make_shared<AdjacencyGraph>(nodes, edges);
}

std::shared_ptr<const Graph> path(uint32_t nodes) {
  std::vector<Edge> edges;
  for (uint32_t i = 1; i < nodes; ++i) edges.emplace_back(i - 1, i);
  return of(nodes, edges);
}

std::shared_ptr<const Graph> barbell(uint32_t clique) {
  std::vector<Edge> edges = {{clique - 1, clique}};
  for (const uint32_t first : {0u, clique}) {
    for (uint32_t i = 0; i < clique; ++i) {
      for (uint32_t j = i + 1; j < clique; ++j) edges.emplace_back(first + i, first + j);
    }
  }
  return of(2 * clique, edges);
}

std::shared_ptr<const Graph> bipartite(uint32_t left, uint32_t right) {
  std::vector<Edge> edges;
  for (uint32_t i = 0; i < left; ++i) {
    for (uint32_t j = 0; j < right; ++j) edges.emplace_back(i, left + j);
  }
  return of(left + right, edges);
}

double fastest(const std::shared_ptr<const Graph>& graph) {
  return spectrum(*make_mixing("fastest", graph)).zeta;
}

MatrixXd matrix_of(const Graph& graph, const std::vector<Edge>& edges, const VectorXd& weights) {
  const auto n = static_cast<Index>(graph.nodes());
  MatrixXd w = MatrixXd::Identity(n, n);
  for (size_t e = 0; e < edges.size(); ++e) {
    const auto [a, b] = edges[e];
    const double weight = weights[static_cast<Index>(e)];
    w(a, a) -= weight;
    w(b, b) -= weight;
    w(a, b) += weight;
    w(b, a) += weight;
  }
  return w;
}

double zeta_of(const MatrixXd& w) {
  // Without the eigenvalue 1 along the vector 1.
  const MatrixXd rest = w.array() - 1.0 / static_cast<double>(w.rows());
  return Eigen::SelfAdjointEigenSolver<MatrixXd>(rest, Eigen::EigenvaluesOnly)
      .eigenvalues()
      .cwiseAbs()
      .maxCoeff();
}

// Edge-transitive graphs: the best weights are equal, hence the best constant. K_{m,n}, m <= n:
// lambda_2 = m and lambda_N = m + n, so that zeta = n / (2 m + n) for m < n.
TEST(Fastest, IsTheBestConstantOnEdgeTransitiveGraphs) {
  for (const uint32_t nodes : {3u, 4u, 5u, 8u, 16u, 33u, 64u}) {
    const auto ring = make_graph("ring", nodes);
    EXPECT_NEAR(fastest(ring), spectrum(*make_mixing("best-constant", ring)).zeta, 1e-6) << nodes;
  }
  EXPECT_NEAR(fastest(bipartite(2, 5)), 5.0 / 9, 1e-6);
  EXPECT_NEAR(fastest(bipartite(3, 4)), 4.0 / 10, 1e-6);
  EXPECT_NEAR(fastest(bipartite(1, 7)), 7.0 / 9, 1e-6);
  EXPECT_NEAR(fastest(bipartite(4, 4)), 1.0 / 3, 1e-6);
  EXPECT_NEAR(fastest(make_graph("torus", 16)),
              spectrum(*make_mixing("best-constant", make_graph("torus", 16))).zeta, 1e-6);
  EXPECT_NEAR(fastest(make_graph("complete", 9)), 0, 1e-6);
  EXPECT_NEAR(fastest(make_graph("ring", 2)), 0, 1e-6);
  EXPECT_EQ(fastest(make_graph("ring", 1)), 0);
}

// Boyd, Diaconis, Sun, Xiao 2006: weights 1/2 on a path, zeta = cos(pi / N).
TEST(Fastest, OnAPathIsHalfOnEachEdge) {
  for (const uint32_t nodes : {3u, 4u, 7u, 12u, 30u}) {
    SCOPED_TRACE(nodes);
    EXPECT_NEAR(fastest(path(nodes)), std::cos(std::numbers::pi / nodes), 1e-6);
    for (const double w : fastest_weights(*path(nodes))) EXPECT_NEAR(w, 0.5, 1e-3);
  }
}

// Symmetry leaves three weights of a barbell: bridge, edges at its ends, all others. Their optimum
// by cyclic golden sections from many starts would stall at kinks; a shrinking grid does not.
TEST(Fastest, OnABarbellIsTheBestOfItsThreeWeights) {
  for (const uint32_t clique : {3u, 4u, 6u}) {
    SCOPED_TRACE(clique);
    const auto graph = barbell(clique);
    const std::vector<Edge> edges = edges_of(*graph);
    const auto zeta = [&](const VectorXd& three) {
      VectorXd weights(static_cast<Index>(edges.size()));
      for (size_t e = 0; e < edges.size(); ++e) {
        const auto [a, b] = edges[e];
        const bool first = a == clique - 1 || b == clique - 1;
        const bool second = a == clique || b == clique;
        weights[static_cast<Index>(e)] = three[first && second ? 0 : first || second ? 1 : 2];
      }
      return zeta_of(matrix_of(*graph, edges, weights));
    };
    VectorXd best = VectorXd::Constant(3, 1.0 / clique);
    double lowest = zeta(best);
    for (double reach = 0.3; reach > 1e-7;) {
      VectorXd next = best;
      for (int point = 0; point < 125; ++point) {
        VectorXd tried = best;
        tried[0] += reach * (point % 5 - 2) / 2;
        tried[1] += reach * (point / 5 % 5 - 2) / 2;
        tried[2] += reach * (point / 25 - 2) / 2;
        const double reached = zeta(tried);
        if (reached < lowest) {
          lowest = reached;
          next = tried;
        }
      }
      if (next == best) reach *= 0.7;
      best = next;
    }
    EXPECT_NEAR(fastest(graph), lowest, 1e-5);
    EXPECT_LE(fastest(graph), lowest + 1e-6);
    EXPECT_LT(fastest(graph), spectrum(*make_mixing("best-constant", graph)).zeta - 1e-3);
    EXPECT_LT(fastest(graph), spectrum(*make_mixing("metropolis", graph)).zeta - 1e-3);
  }
}

// Xiao and Boyd's subgradient of max |eigenvalue of W - J|, with the step 1 / (sqrt(k) |g|) / 8.
double by_subgradient(const Graph& graph) {
  const std::vector<Edge> edges = edges_of(graph);
  const auto count = static_cast<Index>(edges.size());
  VectorXd weights = VectorXd::Constant(count, 0.1);
  double best = HUGE_VAL;
  for (int k = 1; k <= 6000; ++k) {
    MatrixXd w = matrix_of(graph, edges, weights);
    w.array() -= 1.0 / static_cast<double>(w.rows());
    const Eigen::SelfAdjointEigenSolver<MatrixXd> solver(w);
    const VectorXd& values = solver.eigenvalues();
    const Index last = values.size() - 1;
    const bool low = -values[0] > values[last];
    best = std::min(best, low ? -values[0] : values[last]);
    const VectorXd v = solver.eigenvectors().col(low ? 0 : last);
    VectorXd g(count);
    for (Index e = 0; e < count; ++e) {
      const auto [a, b] = edges[static_cast<size_t>(e)];
      g[e] = (low ? 1 : -1) * std::pow(v[a] - v[b], 2);
    }
    weights -= 0.125 / (std::sqrt(static_cast<double>(k)) * g.norm()) * g;
  }
  return best;
}

TEST(Fastest, IsWhereASubgradientGoesOnRandomGraphs) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    std::vector<Edge> edges;
    const auto nodes = static_cast<uint32_t>(5 + rng.below(8));
    for (uint32_t i = 1; i < nodes; ++i) {
      edges.emplace_back(static_cast<uint32_t>(rng.below(i)), i);
      for (uint32_t j = 0; j < i; ++j) {
        if (edges.back() != Edge{j, i} && rng.uniform() < 0.25) edges.emplace_back(j, i);
      }
      std::ranges::sort(edges);
      edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    }
    const auto graph = of(nodes, edges);
    const double found = fastest(graph);
    const double other = by_subgradient(*graph);
    EXPECT_LE(found, other + 1e-6);
    EXPECT_GE(found, other - 5e-3);  // how far it stalls
    EXPECT_LE(found, spectrum(*make_mixing("best-constant", graph)).zeta + 1e-6);
  }
}

}  // namespace
}  // namespace kith
