#include "protocol/theory/affine.h"

#include <Eigen/Dense>

namespace kith {

AffineLimit affine_limit(size_t size, const std::function<void(std::vector<double>&)>& map) {
  const auto n = static_cast<Eigen::Index>(size);
  std::vector<double> image(size, 0.0);
  map(image);
  const Eigen::VectorXd shift = Eigen::Map<const Eigen::VectorXd>(image.data(), n);
  Eigen::MatrixXd m(n, n);
  for (Eigen::Index k = 0; k < n; ++k) {
    image.assign(size, 0.0);
    image[static_cast<size_t>(k)] = 1;
    map(image);
    m.col(k) = Eigen::Map<const Eigen::VectorXd>(image.data(), n) - shift;
  }
  AffineLimit limit;
  limit.spectral_radius = m.eigenvalues().cwiseAbs().maxCoeff();
  const Eigen::FullPivLU<Eigen::MatrixXd> lu(Eigen::MatrixXd::Identity(n, n) - m);
  if (lu.isInvertible()) {
    const Eigen::VectorXd fixed = lu.solve(shift);
    limit.fixed_point.assign(fixed.begin(), fixed.end());
  }
  return limit;
}

}  // namespace kith
