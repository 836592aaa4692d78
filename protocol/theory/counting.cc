#include "protocol/theory/counting.h"

#include <algorithm>

namespace kith {

void add_counts(size_t bound, const std::vector<double>& a, const std::vector<double>& b,
                std::vector<double>& out) {
  out.assign(std::min(bound, a.size() + b.size() - 1), 0);
  for (size_t i = 0; i < std::min(a.size(), out.size()); ++i) {
    const size_t end = std::min(b.size(), out.size() - i);
    for (size_t j = 0; j < end; ++j) out[i + j] += a[i] * b[j];
  }
}

}  // namespace kith
