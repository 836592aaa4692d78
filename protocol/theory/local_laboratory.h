// Exact error of local SGD (PASGD) on the scalar problem, inside a period as well as between them,
// with periods that may change from round to round (ALGORITHMS 4.2 E2 and E3).
//
//   each node: x_i <- x_i - eta g_i(x_i), tau times; then x_i <- mean x
//
// All nodes are alike, so three numbers describe them: E x_i, P = E x_i^2 and Q = E x_i x_j.
//   local step: P+ = m P + s2, m = a^2 + eta^2 v;  Q+ = a^2 Q      average: P = Q = E xbar^2
//   E xbar^2 = P/N + (1 - 1/N) Q                   consensus = (1 - 1/N) (P - Q)
// Unequal curvatures and offsets: `laboratory.h`, at the ends of periods.
#pragma once

#include <cstdint>

#include "protocol/theory/laboratory.h"
#include "protocol/theory/scalar_quadratic.h"

namespace kith {

class LocalSgdProcess {
 public:
  LocalSgdProcess(const ScalarQuadratic& problem, uint32_t nodes, uint32_t period);

  void set_period(uint32_t period);  // from the next round on; >= 1
  void step();                       // one round: a period of local steps, then the average

  // The two halves of a round, to look inside it.
  void local_step();
  void average();

  LaboratoryMoments moments() const;
  double loss() const;  // E F at the average of the nodes

 private:
  double average_second() const;

  ScalarQuadratic problem_;
  double nodes_;
  uint32_t period_ = 1;
  double mean_;
  double own_;   // P
  double pair_;  // Q
};

// The limit of Var xbar at the ends of periods (E3):
//   [s2 (1 - m^tau) / ((1 - m) N)] / [1 - m^tau / N - (1 - 1/N) a^(2 tau)]
// Without slope noise it is that of synchronous SGD for every tau (E2). Needs the denominator > 0,
// which holds whenever m < 1.
double local_variance(const ScalarQuadratic& problem, uint32_t nodes, uint32_t period);

// Consensus distance (1/N) sum E (x_i - xbar)^2 in the limit after `steps` < tau local steps of a
// period, and its mean over steps = 0 .. tau-1, which is what a gradient sees.
double local_consensus(const ScalarQuadratic& problem, uint32_t nodes, uint32_t period,
                       uint32_t steps);
double mean_local_consensus(const ScalarQuadratic& problem, uint32_t nodes, uint32_t period);

}  // namespace kith
