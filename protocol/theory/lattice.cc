#include "protocol/theory/lattice.h"

#include <algorithm>
#include <boost/math/quadrature/gauss.hpp>
#include <complex>
#include <unsupported/Eigen/FFT>

#include "topology/assert.h"

namespace kith {

Lattice discretised(const Delay& law, double plus, double step, size_t size) {
  KITH_ASSERT(step > 0 && size > 0);
  std::vector<double> breakpoints;
  law.append_breakpoints(breakpoints);
  for (double& point : breakpoints) point += plus;
  std::ranges::sort(breakpoints);
  auto next = std::ranges::upper_bound(breakpoints, 0.0);
  const auto survival = [&](double x) { return law.survival(x - plus); };
  const auto integral = [&](double a, double b) {
    return boost::math::quadrature::gauss<double, 7>::integrate(survival, a, b);
  };

  // P(X = j step) = A_{j-1} - A_j, A_j the average of P(X > x) over [j step, (j + 1) step).
  Lattice lattice{step, std::vector<double>(size)};
  double before = 1;
  for (size_t j = 0; j < size; ++j) {
    double from = static_cast<double>(j) * step;
    const double to = static_cast<double>(j + 1) * step;
    double sum = 0;
    for (; next != breakpoints.end() && *next < to; ++next) {
      if (*next > from) sum += integral(from, *next);
      from = *next;
    }
    const double average = std::min((sum + integral(from, to)) / step, before);
    lattice.mass[j] = before - average;
    before = average;
  }
  return lattice;
}

Lattice convolved(const Lattice& a, const Lattice& b) {
  KITH_ASSERT(a.step == b.step && a.mass.size() == b.mass.size());
  const size_t size = a.mass.size();
  Eigen::FFT<double> fft;
  fft.SetFlag(Eigen::FFT<double>::HalfSpectrum);
  std::vector<double> padded = a.mass;
  padded.resize(2 * size);
  std::vector<std::complex<double>> first, second;
  fft.fwd(first, padded);
  padded = b.mass;
  padded.resize(2 * size);
  fft.fwd(second, padded);
  for (size_t i = 0; i < first.size(); ++i) first[i] *= second[i];
  fft.inv(padded, first, static_cast<Eigen::Index>(2 * size));
  padded.resize(size);
  for (double& mass : padded) mass = std::max(mass, 0.0);
  return {a.step, std::move(padded)};
}

}  // namespace kith
