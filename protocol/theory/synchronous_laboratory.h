// Exact error of SYNC, K-SYNC and K-BATCH-SYNC on the scalar problem (ALGORITHMS 4.2 E1).
//
//   x+ = x - (eta/K) sum over K gradients at x
//
// Nodes are alike, so which K gradients arrive first does not depend on their values and the three
// algorithms differ only in K and in the time of an update; SYNC is K = N.
//   E x+ = a E x      E x+^2 = (a^2 + eta^2 v / K) E x^2 + s2 / K
#pragma once

#include <cstdint>

#include "protocol/theory/scalar_quadratic.h"

namespace kith {

class KSyncProcess {
 public:
  KSyncProcess(const ScalarQuadratic& problem, uint32_t k);

  void wait_for(uint32_t k);  // from the next update on; k >= 1
  void step();
  const ScalarMoments& moments() const { return moments_; }
  double loss() const { return problem_.loss(moments_.second); }

 private:
  ScalarQuadratic problem_;
  double k_ = 1;
  ScalarMoments moments_;
};

// a^2 + eta^2 v / K < 1: the second moment has a limit.
bool ksync_stable(const ScalarQuadratic& problem, uint32_t k);

// That limit: s2 / (K (1 - a^2) - eta^2 v), which is s2 / (K (1 - a^2)) without slope noise.
// Needs ksync_stable.
double ksync_variance(const ScalarQuadratic& problem, uint32_t k);

}  // namespace kith
