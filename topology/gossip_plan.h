// How many rounds of gossip alone bring all nodes within a tolerance of their average.
#pragma once

#include "topology/mixing.h"

namespace kith {

struct GossipRounds {
  Round rounds = 0;  // of the graph, from its round 0 on
  double zeta = 0;   // of W, where Chebyshev's polynomials make it faster; 0 = plain products
};

// The fewest rounds after which sum_i |x_i - mean|^2 is at most tolerance^2 of what it was,
// whatever the x_i: the accelerated form where W is symmetric and never changes, T = arcosh(1 /
// tolerance) / arcosh(1 / zeta); else plain products, whose norm |W_T-1 .. W_0 - J| is found by the
// power method (an estimate from below, taken 5 % larger; O(T N degree) time for each of some T). 0
// < tolerance < 1. Throws OperatorError where the columns of W do not sum to 1, or where it never
// comes so far.
GossipRounds plan_gossip(const Mixing& mixing, double tolerance);

}  // namespace kith
