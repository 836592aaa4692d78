// Norm clipping (Sun, Kairouz, Suresh, McMahan 2019, "Can You Really Backdoor Federated
// Learning?"):
//
//   y = sum_i w_i min(1, tau / |v_i|) v_i
//
// Bad vectors of weight b move y by b tau at the most; where they only point the wrong way they
// count like a good one. Without `radius` tau is the median of the |v_i|: with fewer bad vectors
// than half no longer than the longest good one. For gradients and steps, which are near 0; of
// models over a graph the length says nothing, and centred clipping is this rule for differences.
//
// Costs: n vectors decoded, two passes over each.
#include <cmath>
#include <vector>

#include "protocol/aggregate.h"
#include "protocol/kernels.h"

namespace kith {

namespace {

class NormClipping final : public AggregateRule {
 public:
  explicit NormClipping(double radius) : radius_(radius) {}

  void combine(std::span<const Candidate> candidates, std::span<const float>, std::span<float> y,
               Pool&) override {
    lengths_.clear();
    for (const Candidate& candidate : candidates) {
      lengths_.push_back(std::sqrt(kernels::squared_norm(candidate.values)));
    }
    double radius = radius_;
    if (radius == 0) {
      sorted_ = lengths_;
      radius = median_length(sorted_);
    }
    const auto weight = [&](size_t i) {
      return candidates[i].weight * clip_to(radius, lengths_[i]);
    };
    kernels::scale(weight(0), candidates[0].values, y);
    for (size_t i = 1; i < candidates.size(); ++i) {
      kernels::axpy(weight(i), candidates[i].values, y);
    }
  }

 private:
  double radius_;                // 0 = chosen anew each time
  std::vector<double> lengths_;  // scratch, kept for their capacity
  std::vector<double> sorted_;
};

}  // namespace

extern const AggregateInfo norm_clipping_aggregate;
const AggregateInfo norm_clipping_aggregate = {
    .name = "norm-clipping",
    .help = "the mean of vectors cut to a length (Sun et al. 2019); at a hub alone",
    .options = {option_radius("tau: longest vector that counts in full; 0 = their median length")},
    .make = [](const Options& options) -> std::unique_ptr<AggregateRule> {
      return std::make_unique<NormClipping>(options.number("radius"));
    },
    .of_models = false,
};

}  // namespace kith
