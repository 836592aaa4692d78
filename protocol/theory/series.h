#pragma once

#include <cstdint>

namespace kith {

// 1 + r + .. + r^(terms-1), without the cancellation of (1 - r^terms) / (1 - r). O(terms).
inline double geometric_sum(double r, uint32_t terms) {
  double sum = 0;
  for (uint32_t i = 0; i < terms; ++i) sum = 1 + r * sum;
  return sum;
}

}  // namespace kith
