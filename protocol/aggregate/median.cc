// Coordinate-wise median (Yin, Chen, Ramchandran, Bartlett 2018, "Byzantine-Robust Distributed
// Learning: Towards Optimal Statistical Rates", ICML, definition 1):
//
//   y_j = med(v_1j, .., v_nj), for an even n the mean of the two in the middle
//
// f < n / 2 bad vectors leave every y_j within the range of the good values of that coordinate. It
// does not look at weights. Bias: where good vectors differ, as with unequal data, the median of
// skew values is not their mean, whatever n is.
//
// Costs: n vectors decoded and, coordinate by coordinate, sorted (sorted_columns.h).
#include "protocol/aggregate.h"
#include "protocol/kernels.h"
#include "protocol/sorted_columns.h"

namespace kith {

namespace {

class Middle final : public BlockRule {
 public:
  explicit Middle(size_t count) : count_(count) {}

  void combine(const SortedBlock& block, std::span<float> y) const override {
    const std::span<const float> upper = block.row(count_ / 2);
    if (count_ % 2 == 1) return kernels::scale(1.0f, upper, y);
    // Halves first: the sum of two values may be beyond all floats.
    kernels::scale(0.5f, block.row(count_ / 2 - 1), y);
    kernels::axpy(0.5f, upper, y);
  }

 private:
  size_t count_;
};

class Median final : public AggregateRule {
 public:
  void combine(std::span<const Candidate> candidates, std::span<const float>, std::span<float> y,
               Pool& pool) override {
    combine_sorted(candidates, Middle(candidates.size()), y, pool);
  }
};

}  // namespace

extern const AggregateInfo median_aggregate;
const AggregateInfo median_aggregate = {
    .name = "median",
    .help = "of each coordinate the median; stands fewer bad vectors than half (Yin et al. 2018)",
    .make = [](const Options&) -> std::unique_ptr<AggregateRule> {
      return std::make_unique<Median>();
    },
    .fewest = [](const Options&) { return 3u; },
};

}  // namespace kith
