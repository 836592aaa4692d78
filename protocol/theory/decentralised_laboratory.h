// Exact error of gossip in lockstep on quadratics (ALGORITHMS 4.2 E5, E6, E7, E13, E14).
//
// In each round node i goes from x_i to u_i by local steps u <- u - eta (g_i(u) + correction), and
// all nodes combine x, u and what they keep, s, by a map that is linear in W:
//                          x+                      s+
//   kAdaptThenCombine      W u                     0
//   kCombineThenAdapt      W x + u - x             0
//   kD2                    W (u + s)               x+ - u
//   kExtra                 W x + u - x + s         s + (W - I) x / 2
//   kGradientTracking      W (u - eta s)           s + (W - I) (s + g)
//   kKGt                   W (x - eta_s (x - u))   s + (W - I) (x - u) / (tau eta)
//   kDmsgd                 W (u - eta beta s)      W (beta s + g)
//   kQuasiGlobalMomentum   W (u - eta beta s)      mu s + (1 - mu) (x - x+) / eta
// with g = (x - u) / eta; the correction is s for kKGt, else 0.
// So the mean and the covariance of all that nodes hold follow a recursion, and where all nodes are
// alike every eigenvector of W is a problem of its own.
//
// Sources: Lian et al. 2017; Tang et al. 2018; Shi et al. 2015; Nedic et al. 2017; Liu et al. 2023;
// Yu et al. 2019; Lin et al. 2021. The moments are derived here.
#pragma once

#include <complex>
#include <span>
#include <vector>

#include "protocol/theory/laboratory.h"
#include "protocol/theory/scalar_quadratic.h"

namespace kith {

struct GossipRule {
  enum class Kind : uint8_t {
    kAdaptThenCombine,
    kCombineThenAdapt,
    kD2,
    kExtra,
    kGradientTracking,
    kKGt,
    kDmsgd,
    kQuasiGlobalMomentum
  };
  Kind kind = Kind::kAdaptThenCombine;
  double beta = 0;         // of kDmsgd and kQuasiGlobalMomentum
  double mu = 0;           // of kQuasiGlobalMomentum
  double global_rate = 1;  // eta_s of kKGt
};

// After `rounds` rounds of `laboratory` (whose adapt_first is not looked at). More than one local
// step for kAdaptThenCombine, kCombineThenAdapt and kKGt alone. O((3 N)^3) a local step.
LaboratoryMoments predict_gossip(const GossipRule& rule, const Laboratory& laboratory,
                                 const Mixing& mixing, uint64_t rounds);

// The part of all x along an eigenvector of W, of length 1, with this eigenvalue, where all nodes
// have the same curvature and no slope noise, one local step a round. Offsets along it: b.
struct GossipMode {
  double radius = 0;              // largest modulus of an eigenvalue: below 1 it converges
  double variance = 0;            // limit of E |x - E x|^2
  std::complex<double> bias = 0;  // limit of E x, in units of b
};
// Of `problem` curvature, sigma and rate count. Asserts that the mode converges; that of the
// average (lambda = 1) does not where a rule has a memory that stays what it is there (kD2, kExtra,
// kKGt, kGradientTracking).
//   E5  kAdaptThenCombine  l^2 s2 / (1 - l^2 a^2)        kCombineThenAdapt  s2 / (1 - |l - c|^2)
//   E6  kAdaptThenCombine  l c / (1 - l a)               kCombineThenAdapt  c / (1 - l + c)
//   E7  kD2, kExtra, kGradientTracking: by solving the Lyapunov equation of (x, s); bias 0
GossipMode gossip_mode(const GossipRule& rule, const ScalarQuadratic& problem,
                       std::complex<double> lambda);
double gossip_radius(const GossipRule& rule, const ScalarQuadratic& problem,
                     std::complex<double> lambda);

// (1/N) sum_i E (x_i - xbar)^2 in the limit, for all eigenvalues of a normal W (symmetric, or
// circulant), of which the first is that of the average; equal offsets.
double gossip_consensus(const GossipRule& rule, const ScalarQuadratic& problem,
                        std::span<const std::complex<double>> eigenvalues);

// One value of a random W, by rows: N x N.
struct MixingOutcome {
  double probability = 0;
  std::vector<double> weights = {};
};

// E13: the limit of adapt-then-combine with W drawn anew in each round, every outcome with rows
// that sum to 1; all nodes alike, equal offsets. Cov = a^2 E[W Cov W'] + s2 E[W W'], solved as a
// linear system of N^2 unknowns: O(N^6).
LaboratoryMoments random_mixing_limit(const ScalarQuadratic& problem, uint32_t nodes,
                                      std::span<const MixingOutcome> law);

// E (1/N) sum_i (x_i - xbar)^2 after each of `rounds` rounds of steps and mixing from x = `start`,
// the same W_t x as above; without steps (rate 0) it is gossip alone.
std::vector<double> random_mixing_decay(const ScalarQuadratic& problem,
                                        std::span<const double> start,
                                        std::span<const MixingOutcome> law, uint64_t rounds);

// E14: rho = |E[W'W] - J|, by which E |x - xbar|^2 falls in each round of gossip alone, at least;
// for doubly stochastic outcomes.
double mean_square_contraction(uint32_t nodes, std::span<const MixingOutcome> law);

// E14: 1 - zeta of the ring of N >= 3 with weights 1/3 where N is large: 4 pi^2 / (3 N^2).
double ring_gap_limit(uint32_t nodes);

// W of `round`, by rows.
std::vector<double> dense_weights(const Mixing& mixing, Round round);

}  // namespace kith
