// Exact error of synchronous elastic averaging (EASGD) on the scalar problem (ALGORITHMS 4.2 E12).
//
// N workers x_i and the centre z, moving rate alpha, tau local steps between two exchanges. T is
// what tau local steps do to a worker, b = a^tau.
//   kTogether:   x_i+ = T(x_i) - alpha (x_i - z)    z+ = z + alpha sum_i (x_i - z)
//   kStepFirst:  y_i = T(x_i);  x_i+ = y_i - alpha (y_i - z)    z+ = z + alpha sum_i (y_i - z)
//   kFirstStep:  kTogether with one step, then tau - 1 steps alone
// kFirstStep is EASGD as published; E12 is tau = 1, where it is kTogether. kStepFirst is
// Cooperative SGD's, with W applied after the steps.
//
// The workers are alike, so (xbar, z) and the distances x_i - xbar move apart from one another: a
// 2x2 map with noise s2/N on xbar, [[b - alpha, alpha], [N alpha, 1 - N alpha]] for kTogether and
// [[(1 - alpha) b, alpha], [N alpha b, 1 - N alpha]] for kStepFirst; and the factor b - alpha or
// (1 - alpha) b. Slope noise couples them through E x_i^2.
#pragma once

#include <cstdint>

#include "protocol/theory/scalar_quadratic.h"

namespace kith {

enum class ElasticOrder : uint8_t { kTogether, kFirstStep, kStepFirst };

struct ElasticSpec {
  uint32_t nodes = 1;  // workers, without the centre
  double alpha = 0;
  uint32_t period = 1;  // tau >= 1
  ElasticOrder order = ElasticOrder::kTogether;
};

struct ElasticMoments {
  ScalarMoments centre;   // z
  ScalarMoments average;  // xbar
  double product = 0;     // E xbar z
  double consensus = 0;   // (1/N) sum E (x_i - xbar)^2
};

class ElasticProcess {
 public:
  ElasticProcess(const ScalarQuadratic& problem, const ElasticSpec& spec);

  void step();        // one round
  void local_step();  // of every worker, without an exchange
  const ElasticMoments& moments() const { return moments_; }
  double loss() const { return problem_.loss(moments_.centre.second); }  // E F at the centre

 private:
  ScalarQuadratic problem_;
  ElasticSpec spec_;
  ElasticMoments moments_;
};

// The limit at the ends of rounds, by solving the moments' equations. Asserts that there is one.
ElasticMoments elastic_limit(const ScalarQuadratic& problem, const ElasticSpec& spec);

// Means, and without slope noise variances, converge exactly for 0 < alpha < this; of spec.alpha
// nothing is used. `pull` is c = eta h, 0 <= c < 2; 0 stands for c -> 0, where all are 2 / (N + 1).
//   kTogether   2 (1 + b) / (N + 2 + N b), for tau = 1  (2 - c) / (N + 1 - N c / 2)
//   kStepFirst  2 (1 + b) / (N + (N + 2) b) for b >= 0; for b < 0 also (1 - 1/b) / (N + 1)
//   kFirstStep  with d = a^(tau - 1): 2 (1 + b) / (N + 2 d + N b), where that is positive; also
//               (1 - b) / (-d (1 + N a)), where that is; and a + 1/|d| for N > 1
double elastic_alpha_limit(double pull, const ElasticSpec& spec);

// The same for c -> 0 of squares in the mean, where messages are coded without bias and with
// E|q - d|^2 = w |d|^2, each of itself (rand-k: exactly). With A = sum_i |d_i|^2 and
// C = |sum_i d_i|^2 of the displacements d_i = x_i - z an exchange is
//   A+ = (1 - 2 a + a^2 (1 + w (N + 3))) A + ((N + 2) a^2 - 2 a) C
//   C+ = (N + 1)^2 a^2 w A + (1 - (N + 1) a)^2 C
// whose eigenvalues are below 1 for alpha below (N + 2 + 2 w - sqrt(N^2 + 4 w (1 + w))) /
// ((N + 1) (1 + w)). w = 0 gives 2 / (N + 1).
double elastic_coded_alpha_limit(uint32_t nodes, double variance);

// Where each node exchanges with the centre alone: d+ = d - 2 alpha q, so 1 / (1 + w).
double elastic_pair_alpha_limit(double variance);

// Second largest |eigenvalue| of the exchange alone: max(|1 - alpha|, |1 - (N+1) alpha|). It is
// least, N / (N+2), at alpha = 2 / (N+2).
double elastic_zeta(uint32_t nodes, double alpha);
double elastic_best_alpha(uint32_t nodes);

}  // namespace kith
