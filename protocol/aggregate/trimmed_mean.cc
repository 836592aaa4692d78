// Coordinate-wise trimmed mean (Yin, Chen, Ramchandran, Bartlett 2018, definition 2; over a graph
// BRIDGE, Fang, Yang, Bajwa 2022):
//
//   y_j = mean of v_1j, .., v_nj without the f largest and the f smallest
//
// f bad vectors leave every y_j within the range of the good values of that coordinate; n >= 2f
// + 1. Where vectors are missing so that n is less, one or two values in the middle remain. It does
// not look at weights. With f = 0 it is the plain mean, to rounding.
//
// Costs: n vectors decoded and, coordinate by coordinate, sorted (sorted_columns.h).
#include <algorithm>

#include "protocol/aggregate.h"
#include "protocol/kernels.h"
#include "protocol/sorted_columns.h"

namespace kith {

namespace {

// Rows first .. end - 1, in the order of size.
class MeanOfRows final : public BlockRule {
 public:
  MeanOfRows(size_t first, size_t end) : first_(first), end_(end) {}

  void combine(const SortedBlock& block, std::span<float> y) const override {
    const float share = 1.0f / static_cast<float>(end_ - first_);
    kernels::scale(share, block.row(first_), y);
    for (size_t k = first_ + 1; k < end_; ++k) kernels::axpy(share, block.row(k), y);
  }

 private:
  size_t first_;
  size_t end_;
};

class TrimmedMean final : public AggregateRule {
 public:
  explicit TrimmedMean(size_t byzantine) : byzantine_(byzantine) {}

  void combine(std::span<const Candidate> candidates, std::span<const float>, std::span<float> y,
               Pool& pool) override {
    const size_t n = candidates.size();
    const size_t cut = std::min(byzantine_, (n - 1) / 2);
    combine_sorted(candidates, MeanOfRows(cut, n - cut), y, pool);
  }

 private:
  size_t byzantine_;
};

}  // namespace

extern const AggregateInfo trimmed_mean_aggregate;
const AggregateInfo trimmed_mean_aggregate = {
    .name = "trimmed-mean",
    .help = "of each coordinate the mean without the f largest and smallest (Yin et al. 2018)",
    .options = {option_byzantine()},
    .make = [](const Options& options) -> std::unique_ptr<AggregateRule> {
      return std::make_unique<TrimmedMean>(static_cast<size_t>(options.integer("byzantine")));
    },
    .fewest =
        [](const Options& options) {
          return 2 * static_cast<uint32_t>(options.integer("byzantine")) + 1;
        },
};

}  // namespace kith
