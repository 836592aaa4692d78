#include "protocol/nearest_vectors.h"

#include <algorithm>
#include <numeric>

#include "protocol/kernels.h"

namespace kith {

void NearestVectors::measure(std::span<const Candidate> candidates) {
  const size_t n = candidates.size();
  distances_.assign(n * n, 0);
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = i + 1; k < n; ++k) {
      const double d = kernels::squared_distance(candidates[i].values, candidates[k].values);
      distances_[i * n + k] = d;
      distances_[k * n + i] = d;
    }
  }
}

std::span<const size_t> NearestVectors::rank(std::span<const Candidate> candidates,
                                             size_t byzantine) {
  const size_t n = candidates.size();
  measure(candidates);
  const size_t near = n > byzantine + 3 ? n - byzantine - 2 : std::min<size_t>(1, n - 1);
  scores_.assign(n, 0);
  for (size_t i = 0; i < n; ++i) {
    row_.clear();
    for (size_t k = 0; k < n; ++k) {
      if (k != i) row_.push_back(distances_[i * n + k]);
    }
    std::ranges::sort(row_);
    scores_[i] = std::accumulate(row_.begin(), row_.begin() + static_cast<ptrdiff_t>(near), 0.0);
  }
  order_.resize(n);
  std::iota(order_.begin(), order_.end(), size_t{0});
  std::ranges::sort(order_, [&](size_t a, size_t b) {
    return scores_[a] != scores_[b] ? scores_[a] < scores_[b] : a < b;
  });
  return order_;
}

}  // namespace kith
