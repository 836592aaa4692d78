#include "protocol/theory/laboratory.h"

#include <Eigen/Dense>
#include <functional>

#include "protocol/theory/decentralised_laboratory.h"
#include "topology/assert.h"

namespace kith {

namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

// Mean and covariance of the N iterates of one coordinate.
struct Moments {
  Vector mean;
  Matrix covariance;
};

Vector to_vector(const std::vector<double>& values) {
  return Eigen::Map<const Vector>(values.data(), static_cast<Eigen::Index>(values.size()));
}

// Covariance that one step's noise adds, a diagonal: eta^2 (sigma^2 + slope_noise E (x - b)^2).
Vector noise(const Laboratory& lab, const Moments& at) {
  const Vector distance = at.mean - to_vector(lab.offset);
  const Vector squares = distance.array().square() + at.covariance.diagonal().array();
  return lab.rate * lab.rate *
         (Vector::Constant(squares.size(), lab.sigma * lab.sigma) + lab.slope_noise * squares);
}

void local_step(const Laboratory& lab, Moments& x) {
  const Vector pull = lab.rate * to_vector(lab.curvature);
  const Vector keep = Vector::Ones(pull.size()) - pull;
  const Vector added = noise(lab, x);
  x.mean = keep.cwiseProduct(x.mean) + pull.cwiseProduct(to_vector(lab.offset));
  x.covariance = keep.asDiagonal() * x.covariance * keep.asDiagonal();
  x.covariance.diagonal() += added;
}

void combine(const Matrix& w, Moments& x) {
  x.mean = w * x.mean;
  x.covariance = w * x.covariance * w.transpose();
}

// x+ = (W - I) x + T(x): the steps' map acts on x, the mixing as well, on the same x.
void combine_then_adapt(const Laboratory& lab, const Matrix& w, Moments& x) {
  Moments stepped = x;
  Vector keep = Vector::Ones(x.mean.size());
  const Vector one_step = keep - lab.rate * to_vector(lab.curvature);
  for (uint32_t i = 0; i < lab.local_steps; ++i) {
    local_step(lab, stepped);
    keep = keep.cwiseProduct(one_step);
  }
  // T(x) = keep * x + independent noise + constant.
  const Matrix kept = keep.asDiagonal() * x.covariance * keep.asDiagonal();
  const Matrix added = stepped.covariance - kept;
  const Matrix map = w - Matrix::Identity(w.rows(), w.cols()) + Matrix(keep.asDiagonal());
  x.mean = (w * x.mean - x.mean + stepped.mean).eval();
  x.covariance = (map * x.covariance * map.transpose() + added).eval();
}

Matrix dense(const Mixing& mixing, Round round) {
  const std::vector<double> w = dense_weights(mixing, round);
  const auto n = static_cast<Eigen::Index>(mixing.graph().nodes());
  return Eigen::Map<const Matrix>(w.data(), n, n).transpose();  // by rows
}

LaboratoryMoments summary(const Moments& x) {
  const auto n = static_cast<double>(x.mean.size());
  const double mean = x.mean.mean();
  const double of_average = x.covariance.sum() / (n * n);
  const double spread = (x.mean.array() - mean).square().sum() / n;
  return {.mean_of_average = mean,
          .variance_of_average = of_average,
          .consensus = x.covariance.trace() / n - of_average + spread};
}

LaboratoryMoments run(const Laboratory& lab, uint64_t rounds,
                      const std::function<const Matrix&(Round)>& weights) {
  const auto n = static_cast<Eigen::Index>(lab.curvature.size());
  KITH_ASSERT(n > 0 && lab.offset.size() == lab.curvature.size());
  Moments x{Vector::Constant(n, lab.start), Matrix::Zero(n, n)};
  for (Round round = 0; round < rounds; ++round) {
    const Matrix& w = weights(round);
    if (!lab.adapt_first) {
      combine_then_adapt(lab, w, x);
      continue;
    }
    for (uint32_t i = 0; i < lab.local_steps; ++i) local_step(lab, x);
    combine(w, x);
  }
  return summary(x);
}

}  // namespace

LaboratoryMoments predict(const Laboratory& laboratory, const Mixing& mixing, uint64_t rounds) {
  KITH_ASSERT(mixing.graph().nodes() == laboratory.curvature.size());
  const Round period = mixing.graph().period();
  std::vector<Matrix> weights;
  for (Round round = 0; round < std::min<Round>(period, rounds); ++round) {
    weights.push_back(dense(mixing, round));
  }
  return run(laboratory, rounds,
             [&](Round round) -> const Matrix& { return weights[round % period]; });
}

LaboratoryMoments predict_synchronous(const Laboratory& laboratory, uint64_t rounds) {
  const auto n = static_cast<Eigen::Index>(laboratory.curvature.size());
  const Matrix j = Matrix::Constant(n, n, 1.0 / static_cast<double>(n));
  return run(laboratory, rounds, [&](Round) -> const Matrix& { return j; });
}

}  // namespace kith
