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

// How a graph that changes mixes, over the rounds that rounds_shown() names.
struct RoundSpectrum {
  Round rounds = 0;  // R, looked at
  std::vector<double> zeta =
      {};                   // of W in each of them; 1 where the round's graph is not connected
  double zeta_product = 0;  // second largest |eigenvalue| of W_{R-1} .. W_1 W_0
};

// Dense, O(N^3 R). Throws OperatorError where that is over 2^31.
RoundSpectrum round_spectrum(const Mixing& mixing);

// All eigenvalues of W in round 0, largest modulus first; O(N^3), for N up to about a thousand.
std::vector<std::complex<double>> eigenvalues(const Mixing& mixing);

}  // namespace kith
