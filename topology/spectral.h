// Spectra of mixing matrices: how fast gossip forgets where it started.
#pragma once

#include <complex>
#include <vector>

#include "topology/mixing.h"

namespace kith {

struct Spectrum {
  double zeta = 0;          // second largest |eigenvalue| of W
  double spectral_gap = 1;  // 1 - zeta
  double lambda_min = 0;    // smallest real part of an eigenvalue
};

// Of W in round 0. Dense for small N, Lanczos or Arnoldi (Spectra) above a few hundred nodes. Where
// W is symmetric, 1 - lambda_2 keeps its digits however small it is. Throws OperatorError where W
// has too many entries or the iteration does not converge.
Spectrum spectrum(const Mixing& mixing);

// All eigenvalues of W in round 0, largest modulus first; O(N^3), for N up to about a thousand.
std::vector<std::complex<double>> eigenvalues(const Mixing& mixing);

}  // namespace kith
