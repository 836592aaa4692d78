#include "topology/lanczos.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "topology/rng.h"

namespace kith {

namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr uint32_t kSteps = 400;
constexpr uint32_t kBasisEntries = 1u << 26;  // half a gigabyte: fewer steps above 160,000 nodes
constexpr Index kStepsPerCheck = 20;          // a check costs O(steps^2)
constexpr double kTolerance = 1e-11;          // error of the value, in parts of the largest modulus
// Who is this far off by now has a dense end of the spectrum: expanders of 10,000 nodes stand at
// 1e-6 and end at 240 steps, a ring stands at 3e-4 and would need thousands.
constexpr Index kHopelessSteps = 180;
constexpr double kHopeless = 1e-4;
constexpr double kExhausted = 1e-13;  // next basis vector is rounding error

VectorXd random_start(uint32_t size) {
  Rng rng(0, NodeId{0}, Purpose::kGraph, 1);
  VectorXd v(size);
  for (double& value : v) value = rng.uniform() - 0.5;
  v.array() -= v.mean();
  return v.normalized();
}

struct Ritz {
  double value;  // the largest
  double error;  // estimate: min(r, r^2 / distance to the next Ritz value), r = |A x - value x|
  double scale;  // largest modulus of the Ritz values
};

// Of the tridiagonal matrix alpha, beta; beta's last entry leads out of it.
Ritz largest_ritz(const VectorXd& alpha, const VectorXd& beta, Index steps) {
  Eigen::SelfAdjointEigenSolver<MatrixXd> solver;
  solver.computeFromTridiagonal(alpha.head(steps), beta.head(steps - 1));
  const VectorXd& values = solver.eigenvalues();
  const double value = values[steps - 1];
  const double residual = beta[steps - 1] * std::abs(solver.eigenvectors()(steps - 1, steps - 1));
  const double distance = steps > 1 ? value - values[steps - 2] : 0;
  const double error = distance > residual ? residual * residual / distance : residual;
  return {value, error, std::max(std::abs(values[0]), std::abs(value))};
}

}  // namespace

std::optional<double> largest_eigenvalue(uint32_t size, const SymmetricOperator& apply) {
  const Index most = std::min({size - 1, kSteps, kBasisEntries / size});
  MatrixXd basis(size, most);
  VectorXd alpha(most);
  VectorXd beta(most);
  VectorXd overlap(most);
  VectorXd w(size);
  double norm = 0;  // of A, from below
  basis.col(0) = random_start(size);
  for (Index k = 0; k < most; ++k) {
    apply({basis.col(k).data(), size}, {w.data(), size});
    w.array() -= w.mean();
    norm = std::max(norm, w.norm());
    alpha[k] = basis.col(k).dot(w);
    w -= alpha[k] * basis.col(k);
    if (k > 0) w -= beta[k - 1] * basis.col(k - 1);
    // What is left overlaps by rounding alone; once more makes it orthogonal to the last digits.
    overlap.head(k + 1).noalias() = basis.leftCols(k + 1).transpose() * w;
    w.noalias() -= basis.leftCols(k + 1) * overlap.head(k + 1);
    beta[k] = w.norm();
    const Index steps = k + 1;
    const bool exhausted = beta[k] <= kExhausted * norm || steps == size - 1;
    if (exhausted || steps % kStepsPerCheck == 0) {
      const Ritz ritz = largest_ritz(alpha, beta, steps);
      if (exhausted || ritz.error <= kTolerance * ritz.scale) return ritz.value;
      if (steps >= kHopelessSteps && ritz.error > kHopeless * ritz.scale) return std::nullopt;
    }
    if (steps < most) basis.col(steps) = w / beta[k];
  }
  return std::nullopt;
}

}  // namespace kith
