#include "topology/spectral.h"

// g++ 12 sees a use after free in Eigen's storage once Spectra is inlined; there is none.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuse-after-free"
#endif
#include <Spectra/GenEigsSolver.h>

#include <Eigen/Dense>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "topology/error.h"
#include "topology/laplacian.h"

namespace kith {

namespace {

using Eigen::Index;
using Eigen::VectorXd;

constexpr double kTolerance = 1e-10;
constexpr double kResidual = 1e-7;
constexpr Index kKrylov = 60;
constexpr Index kRestarts = 300;

// The diagonal is taken as 1 - (sum of the row), in doubles: rows sum to 1 better than floats can.
double self_weight(const SparseRows& rows, uint32_t node) {
  double sum = 0;
  for (uint64_t e = rows.begin[node]; e < rows.begin[node + 1]; ++e) {
    sum += static_cast<double>(rows.edges[e].weight);
  }
  return 1 - sum;
}

Eigen::MatrixXd dense(const SparseRows& rows) {
  Eigen::MatrixXd w = Eigen::MatrixXd::Zero(rows.nodes(), rows.nodes());
  for (uint32_t i = 0; i < rows.nodes(); ++i) {
    w(i, i) = self_weight(rows, i);
    for (uint64_t e = rows.begin[i]; e < rows.begin[i + 1]; ++e) {
      w(i, index_of(rows.edges[e].peer)) = static_cast<double>(rows.edges[e].weight);
    }
  }
  return w;
}

// x -> W x - mean(W x): W with its eigenvalue 1 (right vector 1) replaced by 0, the others kept
// (Brauer's theorem), whether or not W is doubly stochastic.
struct Deflated {
  using Scalar = double;
  const SparseRows& weights;

  Index rows() const { return weights.nodes(); }
  Index cols() const { return weights.nodes(); }
  void perform_op(const double* x, double* y) const {
    double mean = 0;
    for (uint32_t i = 0; i < weights.nodes(); ++i) {
      double moved = 0;
      for (uint64_t e = weights.begin[i]; e < weights.begin[i + 1]; ++e) {
        const Neighbor& edge = weights.edges[e];
        moved += static_cast<double>(edge.weight) * (x[index_of(edge.peer)] - x[i]);
      }
      y[i] = x[i] + moved;
      mean += y[i];
    }
    mean /= weights.nodes();
    for (uint32_t i = 0; i < weights.nodes(); ++i) y[i] -= mean;
  }
};

// |A x - value x| for a unit vector x.
double residual(const Deflated& deflated, const Eigen::VectorXcd& x, std::complex<double> value) {
  const VectorXd real = x.real();
  const VectorXd imaginary = x.imag();
  VectorXd real_image(x.size());
  VectorXd imaginary_image(x.size());
  deflated.perform_op(real.data(), real_image.data());
  deflated.perform_op(imaginary.data(), imaginary_image.data());
  Eigen::VectorXcd error = -value * x;
  error.real() += real_image;
  error.imag() += imaginary_image;
  return error.norm();
}

// The residual is checked here, since Spectra may call garbage a success where the Krylov space
// ends early.
std::complex<double> end_of_spectrum(const SparseRows& rows, Spectra::SortRule end) {
  Deflated deflated{rows};
  Spectra::GenEigsSolver<Deflated> solver(deflated, 2, kKrylov);
  try {
    solver.init();
    solver.compute(end, kRestarts, kTolerance, end);
    if (solver.info() == Spectra::CompInfo::Successful) {
      const std::complex<double> value = solver.eigenvalues()[0];
      if (residual(deflated, solver.eigenvectors(1).col(0), value) < kResidual) return value;
    }
  } catch (const std::runtime_error&) {  // Spectra's own; told below
  }
  throw OperatorError("the spectrum of this graph of " + std::to_string(rows.nodes()) +
                      " nodes did not converge; try fewer nodes");
}

std::vector<std::complex<double>> dense_eigenvalues(const SparseRows& rows) {
  std::vector<std::complex<double>> values;
  if (symmetric(rows)) {
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(dense(rows),
                                                                Eigen::EigenvaluesOnly);
    for (const double value : solver.eigenvalues()) values.emplace_back(value);
  } else {
    const Eigen::EigenSolver<Eigen::MatrixXd> solver(dense(rows), false);
    for (const std::complex<double> value : solver.eigenvalues()) values.push_back(value);
  }
  std::ranges::stable_sort(values, [](auto a, auto b) { return std::abs(a) > std::abs(b); });
  return values;
}

Eigen::MatrixXd dense_round(const Mixing& mixing, Round round) {
  const uint32_t nodes = mixing.graph().nodes();
  Eigen::MatrixXd w = Eigen::MatrixXd::Zero(nodes, nodes);
  MixingRow row;
  for (uint32_t i = 0; i < nodes; ++i) {
    mixing.row(NodeId{i}, round, row);
    w(i, i) = static_cast<double>(row.self);
    for (const Neighbor& n : row.neighbors) w(i, index_of(n.peer)) = static_cast<double>(n.weight);
  }
  return w;
}

// Second largest |eigenvalue| of a matrix with W 1 = 1 or 1^T W = 1^T: one side is enough to take
// the eigenvalue 1 out and leave the others (Brauer).
double dense_zeta(const Eigen::MatrixXd& w, Stochastic sums) {
  Eigen::MatrixXd rest = sums == Stochastic::kColumns ? Eigen::MatrixXd(w.transpose()) : w;
  rest.rowwise() -= Eigen::RowVectorXd(rest.colwise().mean());
  if (rest == rest.transpose()) {
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(rest, Eigen::EigenvaluesOnly);
    return solver.eigenvalues().cwiseAbs().maxCoeff();
  }
  return Eigen::EigenSolver<Eigen::MatrixXd>(rest, false).eigenvalues().cwiseAbs().maxCoeff();
}

// Rows that sum to 1 and have the eigenvalues of W: W^T where only the columns of W sum to 1.
SparseRows rows_of(const Mixing& mixing) {
  SparseRows rows = off_diagonal(mixing);
  return mixing.stochastic() == Stochastic::kColumns ? transposed(rows) : rows;
}

Spectrum symmetric_spectrum(const SparseRows& rows) {
  const LaplacianEnds ends = laplacian_ends(rows);
  Spectrum result;
  result.spectral_gap = std::min(ends.connectivity, 2 - ends.largest);
  result.zeta = 1 - result.spectral_gap;
  result.lambda_min = 1 - ends.largest;
  return result;
}

Spectrum directed_spectrum(const SparseRows& rows) {
  Spectrum result;
  if (rows.nodes() < kDenseNodes) {
    const auto values = dense_eigenvalues(rows);
    result.zeta = std::abs(values[1]);
    result.lambda_min = std::ranges::min(values, {}, [](auto v) { return v.real(); }).real();
  } else {
    result.zeta = std::abs(end_of_spectrum(rows, Spectra::SortRule::LargestMagn));
    result.lambda_min = end_of_spectrum(rows, Spectra::SortRule::SmallestReal).real();
  }
  result.spectral_gap = 1 - result.zeta;
  return result;
}

}  // namespace

Spectrum spectrum(const Mixing& mixing) {
  if (mixing.graph().nodes() == 1) return {.zeta = 0, .spectral_gap = 1, .lambda_min = 1};
  const SparseRows rows = rows_of(mixing);
  return symmetric(rows) ? symmetric_spectrum(rows) : directed_spectrum(rows);
}

RoundSpectrum round_spectrum(const Mixing& mixing) {
  const uint32_t nodes = mixing.graph().nodes();
  RoundSpectrum result;
  result.rounds = rounds_shown(mixing.graph());
  if (std::pow(nodes, 3) * static_cast<double>(result.rounds) > 0x1p31) {
    throw OperatorError("this graph changes from round to round, and " + std::to_string(nodes) +
                        " nodes are too many to see how its " + std::to_string(result.rounds) +
                        " rounds mix together; take " + std::to_string(nodes / 2) +
                        " nodes or fewer");
  }
  Eigen::MatrixXd product = Eigen::MatrixXd::Identity(nodes, nodes);
  for (Round round = 0; round < result.rounds; ++round) {
    const Eigen::MatrixXd w = dense_round(mixing, round);
    result.zeta.push_back(dense_zeta(w, mixing.stochastic()));
    product = w * product;
  }
  result.zeta_product = dense_zeta(product, mixing.stochastic());
  return result;
}

std::vector<std::complex<double>> eigenvalues(const Mixing& mixing) {
  return dense_eigenvalues(rows_of(mixing));
}

}  // namespace kith
