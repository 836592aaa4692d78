// phi(w, t) = t / mu + log det A + [log det B] + [sum log w_k + log(1 - w_k) + log(budget - sum w)]
//   A = L(w) - t (I - J) + J,   B = (2 - t) (I - J) - L(w) + J
// Both have the eigenvalue 1 along the vector 1, which leaves their determinants alone. With
// L(w) = sum_e w_e b_e b_e^T and S = A^-1 (Vandenberghe, Boyd, Wu 1998):
//   d log det A / dw_k = sum_{e in k} b_e^T S b_e,   d / dt = 1 - tr S
//   - d2 / dw_k dw_l = sum (b_e^T S b_f)^2,   - d2 / dt2 = tr S^2 - 1,   d2 / dw_k dt = sum b_e^T
//   S^2 b_e
// The point where phi is largest lies within mu times the number of bounds of the best t.
#include "topology/weight_program.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "topology/assert.h"

namespace kith {

namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double kTolerance = 1e-7;  // of t, relative
constexpr double kShrink = 0.15;     // of mu from one centre to the next
constexpr int kCentres = 60;
constexpr int kStepsPerCentre = 40;

class Barrier {
 public:
  explicit Barrier(const WeightProgram& program)
      : program_(program),
        n_(program.nodes),
        groups_(static_cast<Index>(program.groups.size())),
        laplacian_(n_, n_),
        gradient_(groups_ + 1),
        curvature_(groups_ + 1, groups_ + 1) {
    for (Index k = 0; k < groups_; ++k) {
      for (const Edge& edge : program.groups[static_cast<size_t>(k)]) {
        edges_.push_back({edge.first, edge.second, k});
      }
    }
  }

  // Largest and smallest t that `w` allows lie at the ends of its spectrum; half of it is inside.
  double inner_bound(const VectorXd& w) {
    lay_out(w);
    const Eigen::SelfAdjointEigenSolver<MatrixXd> solver(laplacian_, Eigen::EigenvaluesOnly);
    const VectorXd& values = solver.eigenvalues();
    const double low = values[1];
    return program_.two_sided ? std::min(low, 2 - values[n_ - 1]) / 2 : low / 2;
  }

  double bounds() const {
    double count = static_cast<double>(n_ - 1) * (program_.two_sided ? 2 : 1);
    if (program_.budget) count += 2 * static_cast<double>(groups_) + 1;
    return count;
  }

  // Moves x = (w, t) to the centre of `mu`.
  void centre(double mu, VectorXd& x) {
    double height = phi(mu, x);
    KITH_ASSERT(std::isfinite(height));
    for (int step = 0; step < kStepsPerCentre; ++step) {
      differentiate(mu, x);
      const VectorXd move = curvature_.selfadjointView<Eigen::Upper>().llt().solve(gradient_);
      const double decrement = gradient_.dot(move);
      if (!(decrement > 1e-9)) return;
      const double before = height;
      for (double length = 1; length > 1e-10; length /= 2) {
        const VectorXd tried = x + length * move;
        const double reached = phi(mu, tried);
        if (reached < before + 0.1 * length * decrement) continue;
        x = tried;
        height = reached;
        break;
      }
      if (height <= before) return;  // rounding is all that is left
    }
  }

 private:
  struct GroupEdge {
    Index from, to, group;
  };

  void lay_out(const VectorXd& w) {
    laplacian_.setZero();
    for (const GroupEdge& e : edges_) {
      laplacian_(e.from, e.from) += w[e.group];
      laplacian_(e.to, e.to) += w[e.group];
      laplacian_(e.from, e.to) -= w[e.group];
      laplacian_(e.to, e.from) -= w[e.group];
    }
  }

  // sign (L - shift (I - J)) + J
  MatrixXd slack(double sign, double shift) const {
    MatrixXd result = sign * laplacian_;
    result.diagonal().array() -= sign * shift;
    result.array() += (1 + sign * shift) / static_cast<double>(n_);
    return result;
  }

  // -infinity outside the bounds.
  double phi(double mu, const VectorXd& x) {
    const auto w = x.head(groups_);
    const double t = x[groups_];
    double value = t / mu;
    if (program_.budget) {
      const double left = *program_.budget - w.sum();
      if (left <= 0 || w.minCoeff() <= 0 || w.maxCoeff() >= 1) return -HUGE_VAL;
      value += w.array().log().sum() + (1 - w.array()).log().sum() + std::log(left);
    }
    lay_out(w);
    value += log_determinant(slack(1, t));
    if (program_.two_sided) value += log_determinant(slack(-1, 2 - t));
    return value;
  }

  static double log_determinant(const MatrixXd& matrix) {
    const Eigen::LLT<MatrixXd> factor(matrix);
    if (factor.info() != Eigen::Success) return -HUGE_VAL;
    return 2 * factor.matrixLLT().diagonal().array().log().sum();
  }

  // Gradient of phi and minus its Hessian; laplacian_ is that of x already.
  void differentiate(double mu, const VectorXd& x) {
    const auto w = x.head(groups_);
    const double t = x[groups_];
    lay_out(w);
    gradient_.setZero();
    curvature_.setZero();
    gradient_[groups_] = 1 / mu;
    add_slack(slack(1, t), 1);
    if (program_.two_sided) add_slack(slack(-1, 2 - t), -1);
    if (program_.budget) add_bounds(w);
  }

  // `sign`: how the matrix grows with L.
  void add_slack(const MatrixXd& matrix, double sign) {
    const MatrixXd inverse = matrix.llt().solve(MatrixXd::Identity(n_, n_));
    gradient_[groups_] -= inverse.trace() - 1;
    curvature_(groups_, groups_) += inverse.squaredNorm() - 1;
    VectorXd at(n_);  // S b_e
    for (size_t e = 0; e < edges_.size(); ++e) {
      const GroupEdge& edge = edges_[e];
      at = inverse.col(edge.from) - inverse.col(edge.to);
      gradient_[edge.group] += sign * (at[edge.from] - at[edge.to]);
      curvature_(edge.group, groups_) -= sign * at.squaredNorm();
      // Groups stand one after the other: the upper triangle is met first.
      for (size_t f = e; f < edges_.size(); ++f) {
        const double overlap = at[edges_[f].from] - at[edges_[f].to];
        const bool twice = f != e && edges_[f].group == edge.group;
        curvature_(edge.group, edges_[f].group) += (twice ? 2 : 1) * overlap * overlap;
      }
    }
  }

  void add_bounds(const Eigen::Ref<const VectorXd>& w) {
    const double left = *program_.budget - w.sum();
    curvature_.topLeftCorner(groups_, groups_).array() += 1 / (left * left);
    for (Index k = 0; k < groups_; ++k) {
      gradient_[k] += 1 / w[k] - 1 / (1 - w[k]) - 1 / left;
      curvature_(k, k) += 1 / (w[k] * w[k]) + 1 / ((1 - w[k]) * (1 - w[k]));
    }
  }

  const WeightProgram& program_;
  Index n_;
  Index groups_;
  std::vector<GroupEdge> edges_;
  MatrixXd laplacian_;
  VectorXd gradient_;   // by w, then t
  MatrixXd curvature_;  // minus the Hessian, upper triangle
};

}  // namespace

WeightSolution solve(const WeightProgram& program, const std::vector<double>& start) {
  KITH_ASSERT(program.nodes > 1 && start.size() == program.groups.size());
  Barrier barrier(program);
  const auto groups = static_cast<Index>(start.size());
  VectorXd x(groups + 1);
  x.head(groups) = Eigen::Map<const VectorXd>(start.data(), groups);
  x[groups] = barrier.inner_bound(x.head(groups));
  double mu = x[groups];
  for (int centre = 0; centre < kCentres; ++centre) {
    barrier.centre(mu, x);
    if (mu * barrier.bounds() <= kTolerance * x[groups]) break;
    mu *= kShrink;
  }
  return {{x.data(), x.data() + groups}, x[groups]};
}

}  // namespace kith
