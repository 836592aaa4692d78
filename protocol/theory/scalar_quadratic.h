// The scalar problem on which the coordinator's algorithms have exact error theory.
//
//   f(x) = h/2 x^2 for every node      g = (h + xi_1) x + xi_2
//   Var xi_1 = slope_noise, Var xi_2 = sigma^2, all draws independent
//
// x is the distance from the optimum that all nodes share, so offsets do not appear here. In d
// dimensions with equal curvature every coordinate is such a problem. c = eta h, a = 1 - c and
// s2 = eta^2 sigma^2 are the letters of ALGORITHMS 4.
//
// A process (KSyncProcess, KAsyncProcess, LocalSgdProcess, ...) holds the exact moments of one
// algorithm on it: step() is one update of the coordinator's model, loss() is E F after it
// (`wall_clock.h` turns updates into seconds). Processes are small values: copy one to look ahead.
#pragma once

#include <cstdint>

namespace kith {

struct ScalarQuadratic {
  double curvature = 1;  // h > 0
  double sigma = 1;
  double slope_noise = 0;
  double rate = 0.1;  // eta, constant
  double start = 0;   // x of every node before the first update

  double pull() const { return rate * curvature; }              // c
  double keep() const { return 1 - pull(); }                    // a
  double noise() const { return rate * rate * sigma * sigma; }  // s2
  double slope_gain() const { return rate * rate * slope_noise; }
  double loss(double second_moment) const { return curvature / 2 * second_moment; }
};

struct ScalarMoments {
  double mean = 0;    // E x
  double second = 0;  // E x^2, about the optimum

  double variance() const { return second - mean * mean; }
};

}  // namespace kith
