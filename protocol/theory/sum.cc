#include "protocol/theory/sum.h"

#include <algorithm>
#include <bit>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <limits>

#include "protocol/theory/lattice.h"
#include "topology/assert.h"
#include "topology/options.h"

namespace kith {

namespace {

constexpr size_t kMostSteps = 1 << 16;
constexpr double kStepsInBody = 128;  // between the quartiles of one draw

// What every sum has: `count` draws of a law.
class Sum : public Delay {
 public:
  Sum(std::shared_ptr<const Delay> law, uint32_t count) : law_(std::move(law)), count_(count) {}
  double sample(Rng& rng) const override {
    double sum = 0;
    for (uint32_t i = 0; i < count_; ++i) sum += law_->sample(rng);
    return sum;
  }
  double mean() const override { return count_ * law_->mean(); }
  std::string describe() const override {
    return "sum of " + std::to_string(count_) + " x " + law_->describe();
  }
  // Sums of independent lifetimes that are new-better-than-used are so too (Barlow, Proschan 1975).
  bool new_longer_than_used() const override { return law_->new_longer_than_used(); }

 protected:
  const Delay& law() const { return *law_; }
  uint32_t count() const { return count_; }

 private:
  std::shared_ptr<const Delay> law_;
  uint32_t count_;
};

class Erlang final : public Sum {
 public:
  Erlang(std::shared_ptr<const Delay> law, ExponentialForm form, uint32_t count)
      : Sum(std::move(law), count), shift_(count * form.shift), scale_(form.mean) {}
  double cdf(double x) const override {
    return x <= shift_ ? 0 : boost::math::gamma_p(count(), (x - shift_) / scale_);
  }
  double survival(double x) const override {
    return x <= shift_ ? 1 : boost::math::gamma_q(count(), (x - shift_) / scale_);
  }
  double quantile(double u) const override {
    if (u >= 1) return std::numeric_limits<double>::infinity();
    return shift_ + scale_ * boost::math::gamma_p_inv(count(), u);
  }
  void append_breakpoints(std::vector<double>& out) const override { out.push_back(shift_); }

 private:
  double shift_;  // s
  double scale_;  // s
};

class LatticeSum final : public Sum {
 public:
  LatticeSum(std::shared_ptr<const Delay> one, uint32_t count)
      : Sum(std::move(one), count), lower_(law().quantile(0)) {
    choose_step();
    sum_up();
  }
  double cdf(double x) const override { return 1 - survival(x); }
  double survival(double x) const override {
    if (!(x < std::numeric_limits<double>::max())) return 0;
    // A value at j steps stands for what lies within half a step of it.
    const double at = (x - count() * lower_) / step_ + 0.5;
    if (at <= 0) return 1;
    if (at >= size()) return end_ == 0 ? 0 : end_ * long_draw(x) / long_draw(end_at());
    const auto cell = static_cast<size_t>(at);
    const double fraction = at - static_cast<double>(cell);
    const double left = cell == 0 ? 1 : survival_[cell - 1];
    return left + fraction * (survival_[cell] - left);
  }
  double quantile(double u) const override {
    if (u >= 1) return count() * law().quantile(1);
    double low = 0;
    double high = end_at();
    while (cdf(high) < u) high *= 2;
    for (double middle = high / 2; middle > low && middle < high; middle = low + (high - low) / 2) {
      (cdf(middle) >= u ? high : low) = middle;
    }
    return high;
  }
  void append_breakpoints(std::vector<double>& out) const override {
    out.insert(out.end(), {count() * lower_, end_at()});
  }

 private:
  double size() const { return static_cast<double>(survival_.size()); }
  double end_at() const { return count() * lower_ + (size() - 0.5) * step_; }
  // P(one draw is as long as makes the sum exceed x when the others are what draws within the
  // lattice are on the average).
  double long_draw(double x) const { return law().survival(x - (count() - 1) * usual_); }

  // The body of one draw is resolved, and four times the mean of the sum fits; a law with a short
  // tail needs fewer steps than there may be.
  void choose_step() {
    const double body = law().quantile(0.75) - law().quantile(0.25);
    const double spread = law().mean() - lower_;
    step_ = std::max(body / kStepsInBody, 4 * count() * spread / kMostSteps);
    const double longest = count() * (law().quantile(1 - 1e-13) - lower_);
    const double steps = std::min(longest / step_ + 2, static_cast<double>(kMostSteps));
    survival_.resize(std::bit_ceil(static_cast<size_t>(steps)));
  }

  void sum_up() {
    Lattice power = discretised(law(), -lower_, step_, survival_.size());
    double held = 0;
    for (size_t j = 0; j < survival_.size(); ++j) {
      held += power.mass[j];
      usual_ += power.mass[j] * static_cast<double>(j) * step_;
    }
    usual_ = lower_ + usual_ / held;
    Lattice sum;
    for (uint32_t rest = count();; power = convolved(power, power)) {
      if (rest % 2 == 1) sum = sum.mass.empty() ? power : convolved(sum, power);
      rest /= 2;
      if (rest == 0) break;
    }
    double left = 1;
    for (size_t j = 0; j < survival_.size(); ++j) {
      left = std::max(left - sum.mass[j], 0.0);
      survival_[j] = left;
    }
    end_ = left > 1e-12 && long_draw(end_at()) > 0 ? left : 0;
  }

  double lower_;  // s, least value of one draw
  double step_ = 0;
  double usual_ = 0;              // s, mean of one draw, given that the lattice holds it
  std::vector<double> survival_;  // P(sum - count lower > j step)
  double end_ = 0;                // the last of them, 0 where it is rounding
};

}  // namespace

std::shared_ptr<const Delay> sum_of_draws(const std::shared_ptr<const Delay>& law, uint32_t count) {
  KITH_ASSERT(count >= 1);
  if (count == 1) return law;
  const std::optional<ExponentialForm> form = law->exponential_form();
  if (!form) return std::make_shared<LatticeSum>(law, count);
  if (form->mean == 0) return scaled(law, count);
  return std::make_shared<Erlang>(law, *form, count);
}

}  // namespace kith
