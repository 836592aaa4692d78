// Exact error of ASYNC, K-ASYNC and K-BATCH-ASYNC on the scalar problem, when the N workers'
// computing times are exponential with one mean (ALGORITHMS 4.2 E8 and E9).
//
// Without memory in the times, whoever is next is uniform among those at work. So the model x and
// the models y_i that the workers compute at form a Markov chain, and since the workers are alike
// four second moments close:  A = E x^2, B = E x y_i, C = E y_i^2, D = E y_i y_j.
// E T is (H_N - H_{N-K}) mean for K-async and K mean / N for K-batch-async.
#pragma once

#include <cstdint>

#include "protocol/theory/scalar_quadratic.h"

namespace kith {

// A, B, C and D, and the means.
struct StaleMoments {
  double model = 0;       // A
  double model_read = 0;  // B
  double read = 0;        // C
  double reads = 0;       // D
  double mean = 0;        // E x
  double read_mean = 0;   // E y_i
};

// K-ASYNC: S, K distinct workers, uniform;  x+ = x - (eta/K) sum_S g(y_i);  y_i = x+ for i in S.
// K = 1 is ASYNC, whose E x is exactly a heavy ball: momentum 1 - 1/N, step eta/N; for any K,
// momentum 1 - K/N, step eta K/N, begun at x_{-1} = (1 + c) x_0 since every first gradient is at
// x_0. K = N is SYNC.
class KAsyncProcess {
 public:
  KAsyncProcess(const ScalarQuadratic& problem, uint32_t nodes, uint32_t k);

  // From the next update on, 1 <= k <= N: AdaSync. Exact, since no worker idles after an update.
  void wait_for(uint32_t k);
  void step();
  ScalarMoments moments() const { return {stale_.mean, stale_.model}; }
  double loss() const { return problem_.loss(stale_.model); }

 private:
  ScalarQuadratic problem_;
  double nodes_;
  double k_ = 1;
  StaleMoments stale_;
};

// K-BATCH-ASYNC: K arrivals make an update. Each arriving worker i adds g(y_i) to the sum and takes
// y_i = x at once; the one that completes the sum takes x+. K = 1 is ASYNC; K = N is not SYNC.
class KBatchAsyncProcess {
 public:
  KBatchAsyncProcess(const ScalarQuadratic& problem, uint32_t nodes, uint32_t k);

  void step();
  ScalarMoments moments() const { return {stale_.mean, stale_.model}; }
  double loss() const { return problem_.loss(stale_.model); }

 private:
  ScalarQuadratic problem_;
  double nodes_;
  uint32_t k_;
  StaleMoments stale_;
};

// The limit of E x^2 under K-async:
//   D = A u / (u + w c), B = A - ((1-q)/q) c D, u = 2q - q2, w = 2 (1 - q2/q),
//   q = K/N, q2 = K (K-1) / (N (N-1));  K = 1: s2 (1 + N c) / (c (2 + c - N c^2)).
// Needs kasync_stable.
double kasync_variance(const ScalarQuadratic& problem, uint32_t nodes, uint32_t k);

// The second moment has a limit. Without slope noise exactly if 0 < c < kasync_pull_limit.
bool kasync_stable(const ScalarQuadratic& problem, uint32_t nodes, uint32_t k);

// The largest c = eta h that is stable in mean square without slope noise. K = 1:
// (1 + sqrt(1 + 8N)) / (2N); K = N: 2.
double kasync_pull_limit(uint32_t nodes, uint32_t k);

// gamma of bound B2 in the limit: E (grad F(x) - grad F(y_i))^2 / E grad F(x)^2 = 2 (1 - B/A).
// K = 1: 2 (N-1) c / (1 + N c).
double kasync_staleness(const ScalarQuadratic& problem, uint32_t nodes, uint32_t k);

// The limit of E x^2 under K-batch-async, by solving the four moments' equations.
// Asserts that there is one.
double kbatch_async_variance(const ScalarQuadratic& problem, uint32_t nodes, uint32_t k);

}  // namespace kith
