#include "topology/matcha.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <string>

#include "topology/assert.h"
#include "topology/error.h"
#include "topology/lanczos.h"
#include "topology/laplacian.h"
#include "topology/reach.h"
#include "topology/weight_program.h"

namespace kith {

namespace {

constexpr double kLargestAlpha = 2;  // E[W_t^2] grows beyond I well before
constexpr double kAlphaTolerance = 1e-8;

// y += weight_j L_j x, summed over j.
void add_laplacians(const std::vector<Matching>& matchings, const std::vector<double>& weights,
                    std::span<const double> x, std::span<double> y) {
  for (size_t j = 0; j < matchings.size(); ++j) {
    for (const auto& [a, b] : matchings[j]) {
      const double flow = weights[j] * (x[a] - x[b]);
      y[a] += flow;
      y[b] -= flow;
    }
  }
}

// (I - alpha Lb)^2 + 2 alpha^2 Lt, which is E[W_t^2].
class MeanSquare {
 public:
  MeanSquare(uint32_t nodes, const std::vector<Matching>& matchings,
             const std::vector<double>& probabilities)
      : matchings_(matchings),
        probabilities_(probabilities),
        once_(nodes),
        minus_alpha_p_(probabilities.size()),
        spread_(probabilities.size()) {}

  double largest(double alpha) {
    for (size_t j = 0; j < matchings_.size(); ++j) {
      minus_alpha_p_[j] = -alpha * probabilities_[j];
      spread_[j] = 2 * alpha * alpha * probabilities_[j] * (1 - probabilities_[j]);
    }
    const auto nodes = static_cast<uint32_t>(once_.size());
    const auto apply = [&](std::span<const double> x, std::span<double> y) {
      std::ranges::copy(x, once_.begin());
      add_laplacians(matchings_, minus_alpha_p_, x, once_);
      std::ranges::copy(once_, y.begin());
      add_laplacians(matchings_, minus_alpha_p_, once_, y);
      add_laplacians(matchings_, spread_, x, y);
    };
    if (const auto found = largest_eigenvalue(nodes, apply)) return *found;
    return largest_dense(nodes, apply);
  }

 private:
  static double largest_dense(uint32_t nodes, const SymmetricOperator& apply) {
    Eigen::MatrixXd matrix(nodes, nodes);
    Eigen::VectorXd unit = Eigen::VectorXd::Zero(nodes);
    for (uint32_t i = 0; i < nodes; ++i) {
      unit[i] = 1;
      apply({unit.data(), nodes}, {matrix.col(i).data(), nodes});
      unit[i] = 0;
    }
    matrix.array() -= 1.0 / nodes;
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(matrix, Eigen::EigenvaluesOnly);
    return solver.eigenvalues()[nodes - 1];
  }

  const std::vector<Matching>& matchings_;
  const std::vector<double>& probabilities_;
  std::vector<double> once_;           // (I - alpha Lb) x
  std::vector<double> minus_alpha_p_;  // - alpha p_j
  std::vector<double> spread_;         // 2 alpha^2 p_j (1 - p_j)
};

// Golden section: where the convex `f` is smallest on [low, high].
template <class Function>
double minimise(double low, double high, const Function& f) {
  constexpr double kStep = 1 / std::numbers::phi;
  double left = high - kStep * (high - low);
  double right = low + kStep * (high - low);
  double at_left = f(left);
  double at_right = f(right);
  while (high - low > kAlphaTolerance) {
    if (at_left <= at_right) {
      high = right;
      right = left;
      at_right = at_left;
      left = high - kStep * (high - low);
      at_left = f(left);
    } else {
      low = left;
      left = right;
      at_left = at_right;
      right = low + kStep * (high - low);
      at_right = f(right);
    }
  }
  return (low + high) / 2;
}

// Of the whole graph.
LaplacianEnds ends_of(uint32_t nodes, const std::vector<Matching>& matchings) {
  std::vector<Edge> edges;
  for (const Matching& matching : matchings) {
    edges.insert(edges.end(), matching.begin(), matching.end());
  }
  return laplacian_ends(unit_weights(AdjacencyGraph(nodes, edges)));
}

uint64_t edges_in(const std::vector<Matching>& matchings) {
  uint64_t edges = 0;
  for (const Matching& matching : matchings) edges += matching.size();
  return edges;
}

void check(uint32_t nodes, uint64_t edges, double budget) {
  if (!(budget > 0 && budget <= 1)) {
    throw OperatorError(
        "the budget of MATCHA is the share of the exchanges of a round: above 0 "
        "and at most 1, such as 0.5");
  }
  if (nodes < 2) throw OperatorError("MATCHA needs 2 nodes at least");
  if (nodes > kMatchaNodes || edges > kMatchaEdges) {
    throw OperatorError("MATCHA's probabilities are computed for at most " +
                        std::to_string(kMatchaNodes) + " nodes and " +
                        std::to_string(kMatchaEdges) + " edges, but this graph has " +
                        std::to_string(nodes) + " and " + std::to_string(edges) +
                        "; take fewer nodes or a sparser graph");
  }
}

void choose_probabilities(uint32_t nodes, const LaplacianEnds& ends, MatchaDesign& design) {
  const size_t count = design.matchings.size();
  if (design.budget == 1) {  // lambda_2 grows with every p_j
    design.probabilities.assign(count, 1.0);
    design.connectivity = ends.connectivity;
    return;
  }
  const WeightProgram program{.nodes = nodes,
                              .groups = design.matchings,
                              .budget = design.budget * static_cast<double>(count)};
  WeightSolution found = solve(program, std::vector<double>(count, 0.9 * design.budget));
  design.probabilities = std::move(found.weights);
  design.connectivity = found.bound;
}

}  // namespace

double MatchaDesign::expected_matchings() const {
  return std::accumulate(probabilities.begin(), probabilities.end(), 0.0);
}

double matcha_rho(uint32_t nodes, const std::vector<Matching>& matchings,
                  const std::vector<double>& probabilities, double alpha) {
  return MeanSquare(nodes, matchings, probabilities).largest(alpha);
}

MatchaDesign design_matcha(uint32_t nodes, std::vector<Matching> matchings, double budget) {
  check(nodes, edges_in(matchings), budget);
  const LaplacianEnds ends = ends_of(nodes, matchings);
  if (ends.connectivity < 1e-12 * ends.largest) {
    throw OperatorError("MATCHA needs a connected graph, and on this one some nodes never meet");
  }
  MatchaDesign design;
  design.budget = budget;
  design.matchings = std::move(matchings);
  choose_probabilities(nodes, ends, design);
  const double zeta = (ends.largest - ends.connectivity) / (ends.largest + ends.connectivity);
  design.periodic_alpha = 2 / (ends.connectivity + ends.largest);
  design.periodic_rho = 1 - budget * (1 - zeta * zeta);
  if (budget == 1) {  // no round differs from another
    design.alpha = design.periodic_alpha;
    design.rho = design.periodic_rho;
    return design;
  }
  MeanSquare mean_square(nodes, design.matchings, design.probabilities);
  design.alpha =
      minimise(0, kLargestAlpha, [&](double alpha) { return mean_square.largest(alpha); });
  design.rho = mean_square.largest(design.alpha);
  return design;
}

void check_matcha(const Graph& graph, double budget) {
  if (!graph.undirected()) {
    throw OperatorError("MATCHA needs an undirected graph, and this one is directed");
  }
  check(graph.nodes(), edges_of(graph).size(), budget);
}

MatchaDesign design_matcha(const Graph& graph, double budget) {
  check_matcha(graph, budget);
  return design_matcha(graph.nodes(), edge_matchings(graph), budget);
}

}  // namespace kith
