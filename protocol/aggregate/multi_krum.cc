// Multi-Krum (Blanchard, El Mhamdi, Guerraoui, Stainer 2017, section 4): the mean of the m vectors
// with the smallest scores of Krum (krum.cc).
//
// n >= 2f + 3. Without `select` m = n - f - 2, as many as a good vector's score counts; with m = n
// it is the plain mean, to rounding. It does not look at weights. Sums run in the order of the
// vectors, not of the scores.
//
// Costs: n vectors decoded, n^2 / 2 distances.
#include <algorithm>
#include <vector>

#include "protocol/aggregate.h"
#include "protocol/kernels.h"
#include "protocol/limits.h"
#include "protocol/nearest_vectors.h"

namespace kith {

namespace {

class MultiKrum final : public AggregateRule {
 public:
  MultiKrum(size_t byzantine, size_t select) : byzantine_(byzantine), select_(select) {}

  void combine(std::span<const Candidate> candidates, std::span<const float>, std::span<float> y,
               Pool&) override {
    const std::span<const size_t> best =
        nearest_.rank(candidates, byzantine_).first(selected(candidates.size()));
    chosen_.assign(best.begin(), best.end());
    std::ranges::sort(chosen_);
    const float share = 1.0f / static_cast<float>(chosen_.size());
    kernels::scale(share, candidates[chosen_[0]].values, y);
    for (size_t k = 1; k < chosen_.size(); ++k) {
      kernels::axpy(share, candidates[chosen_[k]].values, y);
    }
  }

 private:
  size_t selected(size_t n) const {
    if (select_ > 0) return std::min(select_, n);
    return n > byzantine_ + 2 ? n - byzantine_ - 2 : 1;
  }

  size_t byzantine_;
  size_t select_;
  NearestVectors nearest_;
  std::vector<size_t> chosen_;  // scratch, kept for its capacity
};

}  // namespace

extern const AggregateInfo multi_krum_aggregate;
const AggregateInfo multi_krum_aggregate = {
    .name = "multi-krum",
    .help = "the mean of the m vectors with the best scores of Krum (Blanchard et al. 2017)",
    .options = {option_byzantine(),
                {"select", OptionSpec::Type::kInteger, int64_t{0},
                 "m: vectors that are averaged; 0 = n - f - 2", 0,
                 static_cast<double>(limits::kNodes)}},
    .make = [](const Options& options) -> std::unique_ptr<AggregateRule> {
      return std::make_unique<MultiKrum>(static_cast<size_t>(options.integer("byzantine")),
                                         static_cast<size_t>(options.integer("select")));
    },
    .fewest =
        [](const Options& options) {
          return 2 * static_cast<uint32_t>(options.integer("byzantine")) + 3;
        },
};

}  // namespace kith
