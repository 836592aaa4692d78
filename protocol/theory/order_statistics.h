// Expected order statistics: how long until K of N independent workers are done (ALGORITHMS 3).
//
//   E X_{K:N} = integral over x >= 0 of P(fewer than K of the N are done by x)
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "protocol/theory/delay.h"

namespace kith {

// X + plus: a draw of a law and a constant, such as a worker's communication time.
struct DelayTerm {
  const Delay* law;  // not owned; the same object means the same law
  double plus = 0;   // s, >= 0
};

struct DelayGroup {
  DelayTerm term;
  uint32_t count = 0;
};

// Equal terms together, in the order of their first.
std::vector<DelayGroup> grouped(std::span<const DelayTerm> terms);

struct Expectation {
  double value = 0;  // s
  bool closed_form = false;
};

// The k-th smallest of n independent draws of one law: in closed form where the law has one, else
// by quadrature, with a relative error below 1e-6 (heavy tails included). Needs 1 <= k <= n.
Expectation expected_order_statistic(const Delay& law, uint32_t k, uint32_t n);

// The same for independent terms of different laws and constants. With G different terms among N
// one point of the integrand costs O(N + G K min(K, N/G)), and there are some hundred points a
// term.
Expectation expected_order_statistic(std::span<const DelayTerm> terms, uint32_t k);

}  // namespace kith
