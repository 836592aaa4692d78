#include "protocol/theory/decentralised_laboratory.h"

#include <Eigen/Dense>
#include <cmath>
#include <numbers>

#include "topology/assert.h"

namespace kith {

namespace {

using Kind = GossipRule::Kind;
template <class Scalar>
using MatrixOf = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>;
using Matrix = MatrixOf<double>;
using Vector = Eigen::VectorXd;

// (x, s, u) -> (x+, s+): blocks of N columns and rows. `steps`: tau.
template <class Scalar>
MatrixOf<Scalar> combination(const GossipRule& rule, const MatrixOf<Scalar>& w, double rate,
                             uint32_t steps) {
  const Eigen::Index n = w.rows();
  const MatrixOf<Scalar> one = MatrixOf<Scalar>::Identity(n, n);
  const MatrixOf<Scalar> apart = w - one;
  MatrixOf<Scalar> map = MatrixOf<Scalar>::Zero(2 * n, 3 * n);
  const auto set = [&](Eigen::Index row, const auto& x, const auto& s, const auto& u) {
    map.block(row * n, 0, n, n) = x;
    map.block(row * n, n, n, n) = s;
    map.block(row * n, 2 * n, n, n) = u;
  };
  const MatrixOf<Scalar> none = MatrixOf<Scalar>::Zero(n, n);
  const double beta = rule.beta;
  const double rest = 1 - rule.mu;
  const double way = rule.global_rate;
  switch (rule.kind) {
    case Kind::kAdaptThenCombine: set(0, none, none, w); break;
    case Kind::kCombineThenAdapt: set(0, apart, none, one); break;
    case Kind::kD2:
      set(0, none, w, w);
      set(1, none, w, apart);
      break;
    case Kind::kExtra:
      set(0, apart, one, one);
      set(1, 0.5 * apart, one, none);
      break;
    case Kind::kGradientTracking:
      set(0, none, -rate * w, w);
      set(1, apart / rate, w, -apart / rate);
      break;
    case Kind::kKGt:
      set(0, (1 - way) * w, none, way * w);
      set(1, apart / (steps * rate), one, -apart / (steps * rate));
      break;
    case Kind::kDmsgd:
      set(0, none, -rate * beta * w, w);
      set(1, w / rate, beta * w, -w / rate);
      break;
    case Kind::kQuasiGlobalMomentum:
      set(0, none, -rate * beta * w, w);
      set(1, rest / rate * one, rule.mu * one + rest * beta * w, -rest / rate * w);
      break;
  }
  return map;
}

// Mean and covariance of (x, s, u), u being what the round's local steps work on.
struct Stacked {
  Vector mean;
  Matrix covariance;
};

Vector per_node(const std::vector<double>& values) {
  return Eigen::Map<const Vector>(values.data(), static_cast<Eigen::Index>(values.size()));
}

void local_step(const GossipRule& rule, const Laboratory& lab, Stacked& at) {
  const auto n = static_cast<Eigen::Index>(lab.curvature.size());
  const Vector pull = lab.rate * per_node(lab.curvature);
  const Vector offset = per_node(lab.offset);
  const Vector squares =
      (at.mean.tail(n) - offset).array().square() + at.covariance.diagonal().tail(n).array();
  Matrix map = Matrix::Identity(3 * n, 3 * n);
  map.bottomRightCorner(n, n) -= Matrix(pull.asDiagonal());
  if (rule.kind == Kind::kKGt) map.block(2 * n, n, n, n) = -lab.rate * Matrix::Identity(n, n);
  at.mean = (map * at.mean).eval();
  at.mean.tail(n) += pull.cwiseProduct(offset);
  at.covariance = (map * at.covariance * map.transpose()).eval();
  at.covariance.diagonal().tail(n) +=
      lab.rate * lab.rate *
      (Vector::Constant(n, lab.sigma * lab.sigma) + lab.slope_noise * squares);
}

// What the next round begins with: u = x.
void combine(const Matrix& combination, Stacked& at) {
  const Eigen::Index n = combination.rows() / 2;
  Matrix map(3 * n, 3 * n);
  map << combination, combination.topRows(n);
  at.mean = (map * at.mean).eval();
  at.covariance = (map * at.covariance * map.transpose()).eval();
}

// Of x, the first block.
LaboratoryMoments summary(const Stacked& at, Eigen::Index n) {
  const auto nodes = static_cast<double>(n);
  const Vector x = at.mean.head(n);
  const auto covariance = at.covariance.topLeftCorner(n, n);
  const double mean = x.mean();
  const double of_average = covariance.sum() / (nodes * nodes);
  const double spread = (x.array() - mean).square().sum() / nodes;
  return {.mean_of_average = mean,
          .variance_of_average = of_average,
          .consensus = covariance.trace() / nodes - of_average + spread};
}

bool takes_local_steps(Kind kind) {
  return kind == Kind::kAdaptThenCombine || kind == Kind::kCombineThenAdapt || kind == Kind::kKGt;
}

// One round of a mode: (x, s)+ = map (x, s) + gain (c b + noise), noise of variance s2.
struct ModeMap {
  Eigen::Matrix2cd map;
  Eigen::Vector2cd gain;
};

ModeMap mode_map(const GossipRule& rule, const ScalarQuadratic& problem,
                 std::complex<double> lambda) {
  using Complex = std::complex<double>;
  MatrixOf<Complex> w(1, 1);
  w(0, 0) = lambda;
  const MatrixOf<Complex> combined = combination(rule, w, problem.rate, 1);
  MatrixOf<Complex> step(3, 2);  // (x, s) -> (x, s, u)
  step << 1, 0, 0, 1, problem.keep(), rule.kind == Kind::kKGt ? -problem.rate : 0;
  return {combined * step, combined.col(2)};
}

double radius_of(const Eigen::Matrix2cd& map) { return map.eigenvalues().cwiseAbs().maxCoeff(); }

// P = map P map* + noise gain gain*; its first entry.
double lyapunov(const ModeMap& mode, double noise) {
  Eigen::Matrix4cd system = Eigen::Matrix4cd::Identity();
  Eigen::Vector4cd added;
  for (int i = 0; i < 4; ++i) {
    added(i) = noise * mode.gain(i % 2) * std::conj(mode.gain(i / 2));
    for (int j = 0; j < 4; ++j) {
      system(i, j) -= mode.map(i % 2, j % 2) * std::conj(mode.map(i / 2, j / 2));
    }
  }
  return system.fullPivLu().solve(added)(0).real();
}

Matrix square(const std::vector<double>& by_rows, Eigen::Index n) {
  using ByRows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  KITH_ASSERT(by_rows.size() == static_cast<size_t>(n * n));
  return Eigen::Map<const ByRows>(by_rows.data(), n, n);
}

std::vector<Matrix> matrices(std::span<const MixingOutcome> law, Eigen::Index n) {
  std::vector<Matrix> all;
  double total = 0;
  for (const MixingOutcome& outcome : law) {
    all.push_back(square(outcome.weights, n));
    total += outcome.probability;
  }
  KITH_ASSERT(std::abs(total - 1) < 1e-9);
  return all;
}

double spread(const Matrix& second) {
  const auto n = static_cast<double>(second.rows());
  return second.trace() / n - second.sum() / (n * n);
}

}  // namespace

LaboratoryMoments predict_gossip(const GossipRule& rule, const Laboratory& laboratory,
                                 const Mixing& mixing, uint64_t rounds) {
  const auto n = static_cast<Eigen::Index>(laboratory.curvature.size());
  KITH_ASSERT(n > 0 && laboratory.offset.size() == laboratory.curvature.size());
  KITH_ASSERT(mixing.graph().nodes() == laboratory.curvature.size());
  KITH_ASSERT(laboratory.local_steps == 1 || takes_local_steps(rule.kind));
  const Round period = mixing.graph().period();
  std::vector<Matrix> maps;
  for (Round round = 0; round < std::min<Round>(period, rounds); ++round) {
    maps.push_back(combination(rule, square(dense_weights(mixing, round), n), laboratory.rate,
                               laboratory.local_steps));
  }
  Stacked at{Vector::Zero(3 * n), Matrix::Zero(3 * n, 3 * n)};
  at.mean.head(n).setConstant(laboratory.start);
  at.mean.tail(n).setConstant(laboratory.start);
  for (Round round = 0; round < rounds; ++round) {
    for (uint32_t i = 0; i < laboratory.local_steps; ++i) local_step(rule, laboratory, at);
    combine(maps[round % period], at);
  }
  return summary(at, n);
}

double gossip_radius(const GossipRule& rule, const ScalarQuadratic& problem,
                     std::complex<double> lambda) {
  return radius_of(mode_map(rule, problem, lambda).map);
}

GossipMode gossip_mode(const GossipRule& rule, const ScalarQuadratic& problem,
                       std::complex<double> lambda) {
  const ModeMap mode = mode_map(rule, problem, lambda);
  GossipMode result;
  result.radius = radius_of(mode.map);
  KITH_ASSERT(result.radius < 1);
  result.variance = lyapunov(mode, problem.noise());
  const Eigen::Matrix2cd system = Eigen::Matrix2cd::Identity() - mode.map;
  result.bias = system.fullPivLu().solve(problem.pull() * mode.gain)(0);
  return result;
}

double gossip_consensus(const GossipRule& rule, const ScalarQuadratic& problem,
                        std::span<const std::complex<double>> eigenvalues) {
  double sum = 0;
  for (const std::complex<double>& lambda : eigenvalues.subspan(1)) {
    sum += gossip_mode(rule, problem, lambda).variance;
  }
  return sum / static_cast<double>(eigenvalues.size());
}

LaboratoryMoments random_mixing_limit(const ScalarQuadratic& problem, uint32_t nodes,
                                      std::span<const MixingOutcome> law) {
  const auto n = static_cast<Eigen::Index>(nodes);
  const std::vector<Matrix> outcomes = matrices(law, n);
  const double kept = problem.keep() * problem.keep();
  Matrix system = Matrix::Identity(n * n, n * n);
  Matrix added = Matrix::Zero(n, n);
  for (size_t k = 0; k < law.size(); ++k) {
    const Matrix& w = outcomes[k];
    added += law[k].probability * problem.noise() * w * w.transpose();
    // vec(W C W') = (W (x) W) vec C, by columns.
    for (Eigen::Index i = 0; i < n; ++i) {
      for (Eigen::Index j = 0; j < n; ++j) {
        system.block(i * n, j * n, n, n) -= law[k].probability * kept * w(i, j) * w;
      }
    }
  }
  const Vector solved =
      system.partialPivLu().solve(Eigen::Map<const Vector>(added.data(), added.size()));
  const Matrix covariance = Eigen::Map<const Matrix>(solved.data(), n, n);
  return {.mean_of_average = 0,
          .variance_of_average = covariance.sum() / static_cast<double>(n * n),
          .consensus = spread(covariance)};
}

std::vector<double> random_mixing_decay(const ScalarQuadratic& problem,
                                        std::span<const double> start,
                                        std::span<const MixingOutcome> law, uint64_t rounds) {
  const auto n = static_cast<Eigen::Index>(start.size());
  const std::vector<Matrix> outcomes = matrices(law, n);
  const Eigen::Map<const Vector> x(start.data(), n);
  Matrix second = x * x.transpose();
  std::vector<double> consensus;
  for (uint64_t round = 0; round < rounds; ++round) {
    const Matrix stepped =
        problem.keep() * problem.keep() * second + problem.noise() * Matrix::Identity(n, n);
    second.setZero();
    for (size_t k = 0; k < law.size(); ++k) {
      second += law[k].probability * outcomes[k] * stepped * outcomes[k].transpose();
    }
    consensus.push_back(spread(second));
  }
  return consensus;
}

double mean_square_contraction(uint32_t nodes, std::span<const MixingOutcome> law) {
  const auto n = static_cast<Eigen::Index>(nodes);
  const std::vector<Matrix> outcomes = matrices(law, n);
  Matrix mean = Matrix::Constant(n, n, -1.0 / nodes);  // E[W'W] - J
  for (size_t k = 0; k < law.size(); ++k) {
    mean += law[k].probability * outcomes[k].transpose() * outcomes[k];
  }
  return Eigen::SelfAdjointEigenSolver<Matrix>(mean).eigenvalues().cwiseAbs().maxCoeff();
}

double ring_gap_limit(uint32_t nodes) {
  const double angle = 2 * std::numbers::pi / nodes;
  return angle * angle / 3;
}

std::vector<double> dense_weights(const Mixing& mixing, Round round) {
  const size_t n = mixing.graph().nodes();
  std::vector<double> w(n * n);
  MixingRow row;
  for (size_t i = 0; i < n; ++i) {
    mixing.row(NodeId{static_cast<uint32_t>(i)}, round, row);
    w[i * n + i] = static_cast<double>(row.self);
    for (const Neighbor& neighbor : row.neighbors) {
      w[i * n + index_of(neighbor.peer)] = static_cast<double>(neighbor.weight);
    }
  }
  return w;
}

}  // namespace kith
