// Exact error of SYNC with rand-k messages on the scalar problem (ALGORITHMS 4.2 E10, E11).
//
// Every value is sent with probability p = k/d, drawn anew by each worker in each round; g_i is the
// gradient of worker i at x.
//   without memory   x+ = x - (eta/N) sum_i (b_i / p) g_i      b_i = 1 with probability p, else 0
//   with memory      u_i = e_i + g_i    x+ = x - (eta/N) sum_i b_i u_i    e_i+ = (1 - b_i) u_i
// The second moments of x and of the memories, and those between them, follow a linear recursion.
#pragma once

#include "protocol/theory/scalar_quadratic.h"

namespace kith {

class RandKProcess {
 public:
  // `share`: p in (0, 1].
  RandKProcess(const ScalarQuadratic& problem, uint32_t workers, double share, bool error_feedback);

  void step();
  const ScalarMoments& moments() const { return x_; }
  // E e^2 of one worker; 0 without memory.
  double memory() const { return memory_; }

 private:
  // E u_i^2 and E u_i u_j of what is coded, for moments M of x.
  struct Coded {
    double own = 0;
    double other = 0;
  };
  Coded coded() const;
  void step_with_memory();

  ScalarQuadratic problem_;
  double workers_;
  double share_;
  bool error_feedback_;
  ScalarMoments x_;
  double mean_memory_ = 0;  // E e_i
  double memory_ = 0;       // E e_i^2
  double memories_ = 0;     // E e_i e_j, i != j
  double with_memory_ = 0;  // E x e_i
};

// The limit of E x^2 without memory, E10 with w = (1 - p) / p:
//   s2 (1 + w) / (N (1 - a^2 - eta^2 (w h^2 + (1 + w) v) / N))
double rand_k_variance(const ScalarQuadratic& problem, uint32_t workers, double share);

// The limits with memory for one worker and no slope noise, E11:
//   E x^2 = s2 / (c (2 + c - 2 c / p)),  E e^2 = 2 c (1 - p) / p E x^2 in units of eta e
// stable where c < 2 p / (2 - p).
double rand_k_memory_variance(const ScalarQuadratic& problem, double share);

}  // namespace kith
