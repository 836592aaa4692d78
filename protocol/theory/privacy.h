// What noisy gradients give away: the Renyi accountant of the sampled Gaussian mechanism.
//
// A step clips the gradient of each row that it looks at to length C, sums them up and adds
// N(0, (sigma C)^2) to every coordinate. Two data sets are neighbours where one has a row more.
// Where a step looks at each row with probability q, by itself (Poisson sampling), its Renyi
// divergence of order a is at most (Mironov, Talwar, Zhang 2019, "Renyi Differential Privacy of the
// Sampled Gaussian Mechanism", theorem 4 and section 3.3)
//
//   R(a) = 1/(a - 1) log E [(1 - q + q exp((2z - 1) / (2 sigma^2)))^a],   z ~ N(0, sigma^2)
//
// and steps add up. From Renyi to (epsilon, delta), Canonne, Kamath, Steinke 2020 ("The Discrete
// Gaussian for Differential Privacy", proposition 12; Balle et al. 2020 theorem 21 is the same):
//
//   epsilon = min over a > 1 of R(a) + log((a - 1) / a) - (log delta + log a) / (a - 1)
//
// Accountants that work with distributions of the privacy loss in place of its moments (PRV, PLD)
// prove a smaller epsilon of the same steps, typically by a tenth.
#pragma once

#include <cstdint>
#include <span>

namespace kith {

// A stretch of a run.
struct NoisySteps {
  double sampling = 1;  // q, in (0, 1]
  double noise = 1;     // sigma, the noise multiplier; 0 = none at all
  uint64_t steps = 0;
};

// R(a) of one step, for a > 1. The expectation by the trapezoidal rule, whose error falls
// exponentially (below 1e-6 of E for sigma >= 0.05): about 16 (a / sigma + 28) evaluations.
double renyi_divergence(double sampling, double noise, double order);

// Of all stretches together; infinite where one of them has no noise. `delta` in (0, 1). a is found
// by golden section: epsilon is quasi-convex in a, (a - 1) times it being convex.
double privacy_epsilon(std::span<const NoisySteps> stretches, double delta);

}  // namespace kith
