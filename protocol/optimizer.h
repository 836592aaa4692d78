// First-order update rules and learning-rate schedules, as deterministic arithmetic. Used by the
// local steps of a learner and by the hub of a star alike.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kith {

struct Schedule {
  enum class Kind : uint8_t { kConstant, kStep, kCosine };
  Kind kind = Kind::kConstant;
  uint64_t warm_up_steps = 0;  // linear from lr/warm_up to lr over these steps
  // kStep: multiply by `factor` at each of these fractions of the run, e.g. {0.5, 0.75}.
  std::vector<double> milestones;
  double factor = 0.1;
  // kCosine: falls from lr to lr * floor_fraction at the last step.
  double floor_fraction = 0;

  // Multiplier of the base learning rate at `step` of `total_steps`.
  double at(uint64_t step, uint64_t total_steps) const;
};

struct OptimizerSpec {
  float learning_rate = 0.1f;
  float momentum = 0;      // v <- momentum v + g
  bool nesterov = false;   // direction g + momentum v instead of v
  float weight_decay = 0;  // g <- g + weight_decay x, on every parameter
  Schedule schedule;

  float rate_at(uint64_t step, uint64_t total_steps) const;
};

// SGD with optional momentum. One vector of state with momentum, none without.
class Optimizer {
 public:
  explicit Optimizer(const OptimizerSpec& spec) : spec_(spec) {}

  // y = x - rate * direction(g, x), where momentum is advanced. `y` may be `x`. One pass.
  void step(float rate, std::span<const float> x, std::span<const float> g, std::span<float> y);

  // step() is y = x - rate g and keeps nothing.
  bool plain() const { return spec_.momentum == 0 && spec_.weight_decay == 0; }

  const OptimizerSpec& spec() const { return spec_; }
  std::span<const float> velocity() const { return velocity_; }

 private:
  OptimizerSpec spec_;
  std::vector<float> velocity_;  // empty until the first step with momentum
};

}  // namespace kith
