// Laws on the multiples of a step, for sums that have no closed form: discretise, convolve.
#pragma once

#include <cstddef>
#include <vector>

#include "protocol/theory/delay.h"

namespace kith {

// mass[j] = P(X = j step); what is missing to 1 lies at mass.size() steps or beyond.
struct Lattice {
  double step = 0;  // s
  std::vector<double> mass;
};

// X + plus >= 0 with every value split between the two multiples beside it so that the mean stays:
// the error of a smooth functional falls with step^2 (Gerber 1982, "local moment matching"). Cost:
// seven calls of survival() a step and a breakpoint.
Lattice discretised(const Delay& law, double plus, double step, size_t size);

// The law of the sum of two independent ones with one step and size, kept up to that size. By fast
// Fourier transform: O(size log size), absolute error about 1e-16 a mass.
Lattice convolved(const Lattice& a, const Lattice& b);

}  // namespace kith
