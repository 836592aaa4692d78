// First-order update rules and learning-rate schedules, as deterministic arithmetic. Used by the
// local steps of a learner and by the hub of a star alike. A further rule is one kind more.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kith {

class Archive;

struct Schedule {
  enum class Kind : uint8_t { kConstant, kStep, kCosine };
  Kind kind = Kind::kConstant;
  uint64_t warm_up_steps = 0;  // linear from lr/warm_up to lr over these steps
  // kStep: multiply by `factor` at each of these fractions of the run, e.g. {0.5, 0.75}.
  std::vector<double> milestones;
  double factor = 0.1;
  // kCosine: falls from lr to lr * floor_fraction at the last step.
  double floor_fraction = 0;
  // Of a run that is counted anew on its way: the fraction that was over by then. Steps and
  // total_steps are of the rest.
  double done = 0;

  // Of the whole run that is over before `step`.
  double fraction(uint64_t step, uint64_t total_steps) const;
  // Multiplier of the base learning rate at `step` of `total_steps`.
  double at(uint64_t step, uint64_t total_steps) const;
};

// Of a hub's outer step the gradient g is the pseudo-gradient: x minus the mean of the x that its
// workers reached.
struct OptimizerSpec {
  enum class Kind : uint8_t {
    kSgd,
    kAdamW,    // Loshchilov, Hutter 2019, Algorithm 2: as torch.optim.AdamW
    kAdam,     // the server rules of FedOpt, Reddi et al. 2021, Algorithm 2: no bias correction,
    kYogi,     // epsilon outside the root, v starts at epsilon^2, no weight decay
    kAdagrad,  // (without momentum: beta1 = 0)
  };
  Kind kind = Kind::kSgd;
  float learning_rate = 0.1f;
  // kSgd: added to the gradient, g <- g + weight_decay x. kAdamW: x <- (1 - rate weight_decay) x,
  // apart from the gradient.
  float weight_decay = 0;
  // kSgd alone.
  float momentum = 0;     // v <- momentum v + g
  bool nesterov = false;  // direction g + momentum v instead of v
  // All others. In doubles: 1 - beta2 in floats would be off by 5e-5.
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  Schedule schedule = {};

  float rate_at(uint64_t step, uint64_t total_steps) const;

  // A step is y = x - rate g and keeps nothing.
  bool plain() const { return kind == Kind::kSgd && momentum == 0 && weight_decay == 0; }
};

// One update rule and its state: one vector with momentum, two with the adaptive kinds, else none.
class Optimizer {
 public:
  explicit Optimizer(const OptimizerSpec& spec);

  // y = x - rate * direction(g, x), where the state is advanced. `y` may be `x`. One pass.
  void step(float rate, std::span<const float> x, std::span<const float> g, std::span<float> y);

  bool plain() const { return spec_.plain(); }

  // take_back() makes the state what it was at the last mark(), once. Neither copies anything: the
  // first step after mark() leaves the state that it reads and writes the next one beside it. So
  // marking doubles the memory of the state and adds no pass to any step.
  void mark();
  void take_back();

  // Forgets the state, as before the first step. Not between a mark() and the step after it.
  void reset();

  // The state, as it stands between two steps.
  void persist(Archive& archive);

  const OptimizerSpec& spec() const { return spec_; }
  std::span<const float> velocity() const { return state_.first; }        // m of the adaptive kinds
  std::span<const float> second_moment() const { return state_.second; }  // v of these

 private:
  struct State {
    std::vector<float> first;  // empty until the first step that needs it
    std::vector<float> second;
    uint64_t steps = 0;
  };

  State& next_state(size_t n);
  void adaptive_step(float rate, std::span<const float> x, std::span<const float> g,
                     std::span<float> y, State& next) const;

  OptimizerSpec spec_;
  State state_;
  State marked_;        // at the last mark, when `moved_`; else spare memory
  bool apart_ = false;  // marked, and no step since
  bool moved_ = false;  // marked, and stepped since
};

}  // namespace kith
