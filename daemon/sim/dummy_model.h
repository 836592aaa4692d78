// A model of any size that learns nothing: for what a job does to vectors, whatever is in them.
#pragma once

#include <algorithm>

#include "daemon/learn/model.h"

namespace kith {

// Of a job that is tried out before it begins: more would take longer than a moment where weights
// or matchings are solved for.
inline constexpr uint32_t kMostNodesTried = 64;

class DummyModel final : public Model {
 public:
  enum class Gradient : uint8_t {
    kRandom,     // normal numbers in every batch
    kFirstAlone  // of each node's first batch; then none, so that gossip is all there is
  };

  // `parameters` values in `tensors`, or in one vector where that is empty.
  DummyModel(Layout tensors, size_t parameters, Gradient gradient)
      : tensors_(std::move(tensors)), parameters_(parameters), gradient_(gradient) {}

  size_t parameters() const override { return parameters_; }
  Layout tensors() const override { return tensors_; }
  void initialise(Rng& rng, std::span<float> x) const override { rng.fill_normal(x); }

  double gradient(std::span<const float>, const Batch& batch, std::span<float> gradient,
                  Workspace&) const override {
    if (gradient_ == Gradient::kFirstAlone && batch.index > 0) {
      std::ranges::fill(gradient, 0.0f);
      return 0;
    }
    Rng rng(batch.seed, batch.node, Purpose::kGradientNoise, batch.index);
    rng.fill_normal(gradient);
    return 1;
  }
  Score score(std::span<const float>, const Batch&, Workspace&) const override { return {}; }
  bool needs_data() const override { return false; }

 private:
  Layout tensors_;
  size_t parameters_;
  Gradient gradient_;
};

}  // namespace kith
