// Laws of small counts, P(count = j) at index j, of which only those below a bound matter.
#pragma once

#include <cstddef>
#include <vector>

namespace kith {

// The sum of two independent counts, below `bound`. `out` must be neither of the two.
void add_counts(size_t bound, const std::vector<double>& a, const std::vector<double>& b,
                std::vector<double>& out);

}  // namespace kith
