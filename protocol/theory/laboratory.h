// The exact laboratory: SGD on quadratics is linear, so the mean and the covariance of all nodes'
// iterates follow a recursion in closed form, for any N, W, curvature, offset, noise and round.
//
//   f_i(x) = h_i/2 (x - b_i)^2      g_i = (h_i + xi_1)(x - b_i) + xi_2
//   Var xi_1 = slope_noise, Var xi_2 = sigma^2, all independent
//   adapt then combine:  x+ = W (x - eta g)      combine then adapt:  x+ = W x - eta g
// With `local_steps` steps between two mixings. Synchronous SGD is adapt-then-combine with W = J.
// The stationary closed forms (modes of W) are special cases: Cooperative SGD, Wang & Joshi 2018.
#pragma once

#include <vector>

#include "topology/mixing.h"

namespace kith {

struct Laboratory {
  std::vector<double> curvature;  // h_i, by node
  std::vector<double> offset;     // b_i, by node
  double sigma = 1;
  double slope_noise = 0;
  double rate = 0.1;  // eta, constant
  double start = 0;   // x of every node at round 0
  uint32_t local_steps = 1;
  bool adapt_first = true;
};

struct LaboratoryMoments {
  double mean_of_average = 0;      // E xbar
  double variance_of_average = 0;  // Var xbar
  double consensus = 0;            // (1/N) sum_i E (x_i - xbar)^2
};

// After `rounds` rounds. O(N^3) a round: for N up to about a hundred.
LaboratoryMoments predict(const Laboratory& laboratory, const Mixing& mixing, uint64_t rounds);

// The same for W = J in every round.
LaboratoryMoments predict_synchronous(const Laboratory& laboratory, uint64_t rounds);

}  // namespace kith
