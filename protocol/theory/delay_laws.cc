// Sampling is by inversion of one exponential or uniform draw, except for the log-normal law (one
// normal draw) and the hyperexponential one (uniform, then exponential).
#include "protocol/theory/delay_laws.h"

#include <algorithm>
#include <boost/math/special_functions/erf.hpp>
#include <cmath>
#include <limits>
#include <numbers>

#include "topology/options.h"

namespace kith {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class Constant final : public Delay {
 public:
  explicit Constant(double value) : value_(value) {}
  double sample(Rng&) const override { return value_; }
  double mean() const override { return value_; }
  double cdf(double x) const override { return x < value_ ? 0 : 1; }
  double survival(double x) const override { return x < value_ ? 1 : 0; }
  double quantile(double) const override { return value_; }
  std::string describe() const override { return "constant:" + to_text(value_); }
  void append_breakpoints(std::vector<double>& out) const override { out.push_back(value_); }
  std::optional<ExponentialForm> exponential_form() const override { return {{value_, 0}}; }
  bool new_longer_than_used() const override { return true; }
  std::optional<double> order_statistic(uint32_t, uint32_t) const override { return value_; }

 private:
  double value_;
};

class ShiftedExponential final : public Delay {
 public:
  ShiftedExponential(double shift, double scale) : shift_(shift), scale_(scale) {}
  double sample(Rng& rng) const override { return shift_ + scale_ * rng.exponential(); }
  double mean() const override { return shift_ + scale_; }
  double cdf(double x) const override { return x < shift_ ? 0 : -std::expm1(-excess(x)); }
  double survival(double x) const override { return x < shift_ ? 1 : std::exp(-excess(x)); }
  double quantile(double u) const override {
    return scale_ == 0 ? shift_ : shift_ - scale_ * std::log1p(-u);
  }
  std::string describe() const override {
    return shift_ == 0 ? "exponential:" + to_text(scale_)
                       : "shifted-exponential:" + to_text(shift_) + ":" + to_text(scale_);
  }
  void append_breakpoints(std::vector<double>& out) const override { out.push_back(shift_); }
  std::optional<ExponentialForm> exponential_form() const override { return {{shift_, scale_}}; }
  bool new_longer_than_used() const override { return true; }
  // shift + (H_N - H_{N-K}) mean (Renyi).
  std::optional<double> order_statistic(uint32_t k, uint32_t n) const override {
    double sum = 0;
    for (uint32_t i = n - k + 1; i <= n; ++i) sum += 1.0 / i;
    return shift_ + scale_ * sum;
  }

 private:
  double excess(double x) const { return scale_ == 0 ? kInfinity : (x - shift_) / scale_; }

  double shift_;
  double scale_;
};

class Uniform final : public Delay {
 public:
  Uniform(double from, double to) : from_(from), to_(to) {}
  double sample(Rng& rng) const override { return from_ + (to_ - from_) * rng.uniform(); }
  double mean() const override { return (from_ + to_) / 2; }
  double cdf(double x) const override {
    return x < from_ ? 0 : x >= to_ ? 1 : (x - from_) / (to_ - from_);
  }
  double survival(double x) const override {
    return x < from_ ? 1 : x >= to_ ? 0 : (to_ - x) / (to_ - from_);
  }
  double quantile(double u) const override { return from_ + (to_ - from_) * u; }
  std::string describe() const override { return "uniform:" + to_text(from_) + ":" + to_text(to_); }
  void append_breakpoints(std::vector<double>& out) const override {
    out.insert(out.end(), {from_, to_});
  }
  std::optional<ExponentialForm> exponential_form() const override {
    if (from_ < to_) return std::nullopt;
    return {{from_, 0}};
  }
  bool new_longer_than_used() const override { return true; }
  std::optional<double> order_statistic(uint32_t k, uint32_t n) const override {
    return from_ + (to_ - from_) * k / (n + 1.0);
  }

 private:
  double from_;
  double to_;
};

class Pareto final : public Delay {
 public:
  Pareto(double xm, double alpha) : xm_(xm), alpha_(alpha) {}
  double sample(Rng& rng) const override { return xm_ * std::exp(rng.exponential() / alpha_); }
  double mean() const override { return xm_ * alpha_ / (alpha_ - 1); }
  double cdf(double x) const override {
    return x <= xm_ ? 0 : -std::expm1(-alpha_ * std::log(x / xm_));
  }
  double survival(double x) const override { return x <= xm_ ? 1 : std::pow(x / xm_, -alpha_); }
  double quantile(double u) const override { return xm_ * std::exp(-std::log1p(-u) / alpha_); }
  std::string describe() const override { return "pareto:" + to_text(xm_) + ":" + to_text(alpha_); }
  void append_breakpoints(std::vector<double>& out) const override { out.push_back(xm_); }
  // xm G(N+1) G(N-K+1-1/A) / (G(N-K+1) G(N+1-1/A)), as the product it is.
  std::optional<double> order_statistic(uint32_t k, uint32_t n) const override {
    double value = xm_;
    for (uint32_t i = n - k + 1; i <= n; ++i) value *= i / (i - 1 / alpha_);
    return value;
  }

 private:
  double xm_;
  double alpha_;
};

class Weibull final : public Delay {
 public:
  Weibull(double scale, double shape) : scale_(scale), shape_(shape) {}
  double sample(Rng& rng) const override {
    return scale_ * std::pow(rng.exponential(), 1 / shape_);
  }
  double mean() const override { return scale_ * std::tgamma(1 + 1 / shape_); }
  double cdf(double x) const override { return x <= 0 ? 0 : -std::expm1(-hazard(x)); }
  double survival(double x) const override { return x <= 0 ? 1 : std::exp(-hazard(x)); }
  double quantile(double u) const override {
    return scale_ * std::pow(-std::log1p(-u), 1 / shape_);
  }
  std::string describe() const override {
    return "weibull:" + to_text(scale_) + ":" + to_text(shape_);
  }
  void append_breakpoints(std::vector<double>& out) const override { out.push_back(0); }
  bool new_longer_than_used() const override { return shape_ >= 1; }
  // The least of n is Weibull again; the largest is an alternating sum, which loses log10 C(n, n/2)
  // digits: 1e-10 relative are left at n = 24.
  std::optional<double> order_statistic(uint32_t k, uint32_t n) const override {
    if (k == 1) return mean() * std::pow(n, -1 / shape_);
    if (k < n || n > 24) return std::nullopt;
    double sum = 0;
    double choose = 1;  // C(n, j)
    for (uint32_t j = 1; j <= n; ++j) {
      choose = choose * (n - j + 1) / j;
      sum += (j % 2 == 1 ? choose : -choose) * std::pow(j, -1 / shape_);
    }
    return mean() * sum;
  }

 private:
  double hazard(double x) const { return std::pow(x / scale_, shape_); }

  double scale_;
  double shape_;
};

class LogNormal final : public Delay {
 public:
  LogNormal(double median, double sigma) : median_(median), sigma_(sigma) {}
  double sample(Rng& rng) const override { return median_ * std::exp(sigma_ * rng.normal()); }
  double mean() const override { return median_ * std::exp(sigma_ * sigma_ / 2); }
  double cdf(double x) const override { return x <= 0 ? 0 : std::erfc(-score(x)) / 2; }
  double survival(double x) const override { return x <= 0 ? 1 : std::erfc(score(x)) / 2; }
  double quantile(double u) const override {
    if (u <= 0) return 0;
    if (u >= 1) return kInfinity;
    const double score = -boost::math::erfc_inv(2 * u);
    return median_ * std::exp(sigma_ * std::numbers::sqrt2 * score);
  }
  std::string describe() const override {
    return "log-normal:" + to_text(median_) + ":" + to_text(sigma_);
  }
  void append_breakpoints(std::vector<double>& out) const override { out.push_back(0); }

 private:
  double score(double x) const { return std::log(x / median_) / (sigma_ * std::numbers::sqrt2); }

  double median_;
  double sigma_;
};

class Hyperexponential final : public Delay {
 public:
  Hyperexponential(double p, double mean1, double mean2) : p_(p), first_(mean1), second_(mean2) {}
  double sample(Rng& rng) const override {
    const double mean = rng.uniform() < p_ ? first_ : second_;
    return mean * rng.exponential();
  }
  double mean() const override { return p_ * first_ + (1 - p_) * second_; }
  double cdf(double x) const override {
    return x < 0 ? 0
                 : -p_ * std::expm1(-ratio(x, first_)) - (1 - p_) * std::expm1(-ratio(x, second_));
  }
  double survival(double x) const override {
    return x < 0 ? 1 : p_ * std::exp(-ratio(x, first_)) + (1 - p_) * std::exp(-ratio(x, second_));
  }
  // Bisection between the quantiles of the two parts, in survival where that is the precise one.
  double quantile(double u) const override {
    if (u >= 1) return kInfinity;
    double low = -std::min(first_, second_) * std::log1p(-u);
    double high = -std::max(first_, second_) * std::log1p(-u);
    if (reaches(low, u)) return low;
    for (;;) {
      const double middle = low + (high - low) / 2;
      if (middle <= low || middle >= high) return high;
      (reaches(middle, u) ? high : low) = middle;
    }
  }
  std::string describe() const override {
    return "hyperexponential:" + to_text(p_) + ":" + to_text(first_) + ":" + to_text(second_);
  }
  void append_breakpoints(std::vector<double>& out) const override { out.push_back(0); }

 private:
  static double ratio(double x, double mean) { return mean == 0 ? kInfinity : x / mean; }
  bool reaches(double x, double u) const { return u < 0.5 ? cdf(x) >= u : survival(x) <= 1 - u; }

  double p_;
  double first_;
  double second_;
};

}  // namespace

std::unique_ptr<Delay> constant_delay(DelayParameters p) {
  return std::make_unique<Constant>(p[0]);
}

std::unique_ptr<Delay> exponential_delay(DelayParameters p) {
  return std::make_unique<ShiftedExponential>(0, p[0]);
}

std::unique_ptr<Delay> shifted_exponential_delay(DelayParameters p) {
  return std::make_unique<ShiftedExponential>(p[0], p[1]);
}

std::unique_ptr<Delay> uniform_delay(DelayParameters p) {
  return std::make_unique<Uniform>(p[0], p[1]);
}

std::unique_ptr<Delay> pareto_delay(DelayParameters p) {
  return std::make_unique<Pareto>(p[0], p[1]);
}

std::unique_ptr<Delay> weibull_delay(DelayParameters p) {
  return std::make_unique<Weibull>(p[0], p[1]);
}

std::unique_ptr<Delay> log_normal_delay(DelayParameters p) {
  return std::make_unique<LogNormal>(p[0], p[1]);
}

std::unique_ptr<Delay> hyperexponential_delay(DelayParameters p) {
  return std::make_unique<Hyperexponential>(p[0], p[1], p[2]);
}

}  // namespace kith
