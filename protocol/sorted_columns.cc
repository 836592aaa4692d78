#include "protocol/sorted_columns.h"

#include <algorithm>
#include <bit>

#include "protocol/kernels.h"

namespace kith {

namespace {

constexpr size_t kBlock =
    1024;  // coordinates; the rows of a few tens of nodes stay in the L2 cache

// Knuth's t, p, q, r, d, with rows for records.
void sort_rows(const SortedBlock& block, size_t rows) {
  if (rows < 2) return;
  const size_t top = std::bit_ceil(rows) / 2;
  for (size_t p = top; p > 0; p /= 2) {
    size_t r = 0;
    size_t d = p;
    for (size_t q = top;; q /= 2) {
      for (size_t i = 0; i + d < rows; ++i) {
        if ((i & p) == r) kernels::sort_two(block.row(i), block.row(i + d));
      }
      if (q == p) break;
      d = q - p;
      r = p;
    }
  }
}

}  // namespace

void combine_sorted(std::span<const Candidate> candidates, const BlockRule& rule,
                    std::span<float> y, Pool& pool) {
  if (y.empty()) return;
  const size_t rows = candidates.size();
  Buffer scratch = pool.acquire_floats(rows * std::min(kBlock, y.size()));
  for (size_t first = 0; first < y.size(); first += kBlock) {
    const size_t width = std::min(kBlock, y.size() - first);
    const SortedBlock block(scratch.floats(), width);
    for (size_t k = 0; k < rows; ++k) {
      std::ranges::copy(candidates[k].values.subspan(first, width), block.row(k).begin());
    }
    sort_rows(block, rows);
    rule.combine(block, y.subspan(first, width));
  }
}

}  // namespace kith
