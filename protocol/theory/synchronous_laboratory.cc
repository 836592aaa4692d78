#include "protocol/theory/synchronous_laboratory.h"

#include "topology/assert.h"

namespace kith {

namespace {

// K (1 - m), where m multiplies the second moment in one update.
double decay(const ScalarQuadratic& problem, uint32_t k) {
  return k * (1 - problem.keep() * problem.keep()) - problem.slope_gain();
}

}  // namespace

KSyncProcess::KSyncProcess(const ScalarQuadratic& problem, uint32_t k)
    : problem_(problem), moments_{problem.start, problem.start * problem.start} {
  wait_for(k);
}

void KSyncProcess::wait_for(uint32_t k) {
  KITH_ASSERT(k >= 1);
  k_ = k;
}

void KSyncProcess::step() {
  const double a = problem_.keep();
  moments_.mean *= a;
  moments_.second = (a * a + problem_.slope_gain() / k_) * moments_.second + problem_.noise() / k_;
}

bool ksync_stable(const ScalarQuadratic& problem, uint32_t k) { return decay(problem, k) > 0; }

double ksync_variance(const ScalarQuadratic& problem, uint32_t k) {
  KITH_ASSERT(ksync_stable(problem, k));
  return problem.noise() / decay(problem, k);
}

}  // namespace kith
