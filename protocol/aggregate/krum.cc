// Krum (Blanchard, El Mhamdi, Guerraoui, Stainer 2017, "Machine Learning with Adversaries:
// Byzantine Tolerant Gradient Descent", NeurIPS):
//
//   s(i) = sum of |v_i - v_k|^2 over the n - f - 2 vectors nearest to v_i
//   y = v_i with the smallest s(i)
//
// What it takes is one of the vectors, and near the good ones where n >= 2f + 3. It does not look
// at weights. Nothing is averaged, so the noise of a step is that of one node; with unequal data it
// takes one node's view.
//
// Costs: n vectors decoded, n^2 / 2 distances.
#include "protocol/aggregate.h"
#include "protocol/kernels.h"
#include "protocol/nearest_vectors.h"

namespace kith {

namespace {

class Krum final : public AggregateRule {
 public:
  explicit Krum(size_t byzantine) : byzantine_(byzantine) {}

  void combine(std::span<const Candidate> candidates, std::span<const float>, std::span<float> y,
               Pool&) override {
    const size_t best = nearest_.rank(candidates, byzantine_).front();
    kernels::scale(1.0f, candidates[best].values, y);
  }

 private:
  size_t byzantine_;
  NearestVectors nearest_;
};

}  // namespace

extern const AggregateInfo krum_aggregate;
const AggregateInfo krum_aggregate = {
    .name = "krum",
    .help = "the vector that is nearest to its n - f - 2 nearest ones (Blanchard et al. 2017)",
    .options = {option_byzantine()},
    .make = [](const Options& options) -> std::unique_ptr<AggregateRule> {
      return std::make_unique<Krum>(static_cast<size_t>(options.integer("byzantine")));
    },
    .fewest =
        [](const Options& options) {
          return 2 * static_cast<uint32_t>(options.integer("byzantine")) + 3;
        },
};

}  // namespace kith
