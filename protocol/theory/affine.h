// Moments follow affine maps s+ = M s + m. A process knows how to apply its map; what it converges
// to, and whether it converges, is read off by applying it to the unit vectors.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace kith {

struct AffineLimit {
  std::vector<double> fixed_point;  // empty if there is none
  double spectral_radius = 0;       // of M: below 1 the fixed point attracts every start
};

// `map` replaces a vector of `size` numbers by its image, and must be affine. O(size^3), and
// size + 1 calls of `map`.
AffineLimit affine_limit(size_t size, const std::function<void(std::vector<double>&)>& map);

}  // namespace kith
