#include "protocol/theory/delay.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "protocol/theory/delay_laws.h"
#include "topology/assert.h"
#include "topology/error.h"
#include "topology/options.h"

namespace kith {

namespace {

constexpr double kLongest = 1e9;  // s
constexpr const char* kTrace = "trace:";

struct Parameter {
  enum class Unit : uint8_t { kSeconds, kNone };
  const char* name;
  double low;
  double high;         // inclusive
  bool above = false;  // low itself is outside
  Unit unit = Unit::kSeconds;
};

struct Law {
  const char* name;
  std::vector<Parameter> parameters;
  const char* help;
  std::unique_ptr<Delay> (*make)(DelayParameters);
};

// The bounds of shape parameters keep mean and quantiles inside what a double holds.
const std::vector<Law>& laws() {
  constexpr auto kNone = Parameter::Unit::kNone;
  static const std::vector<Law> kLaws = {
      {"constant", {{"S", 0, kLongest}}, "always S", constant_delay},
      {"exponential", {{"MEAN", 0, kLongest}}, "memoryless", exponential_delay},
      {"shifted-exponential",
       {{"SHIFT", 0, kLongest}, {"MEAN", 0, kLongest}},
       "SHIFT and an exponential time of that mean",
       shifted_exponential_delay},
      {"uniform",
       {{"FROM", 0, kLongest}, {"TO", 0, kLongest}},
       "anything from FROM to TO alike",
       uniform_delay},
      {"pareto",
       {{"XM", 0, kLongest, true}, {"ALPHA", 1, 1000, true, kNone}},
       "at least XM; longer than x with probability (XM/x)^ALPHA",
       pareto_delay},
      {"weibull",
       {{"SCALE", 0, kLongest, true}, {"SHAPE", 0.1, 100, false, kNone}},
       "longer than x with probability exp(-(x/SCALE)^SHAPE)",
       weibull_delay},
      {"log-normal",
       {{"MEDIAN", 0, kLongest, true}, {"SIGMA", 0, 3, true, kNone}},
       "the logarithm is normal with deviation SIGMA",
       log_normal_delay},
      {"hyperexponential",
       {{"P", 0, 1, false, kNone}, {"MEAN1", 0, kLongest}, {"MEAN2", 0, kLongest}},
       "exponential, of mean MEAN1 with probability P, else of MEAN2",
       hyperexponential_delay},
  };
  return kLaws;
}

std::string form(const Law& law) {
  std::string text = law.name;
  for (const Parameter& parameter : law.parameters) text += std::string(":") + parameter.name;
  return text;
}

// "from 0 to 1000000000 s", "above 1, at most 1000".
std::string range(const Parameter& parameter) {
  const std::string unit = parameter.unit == Parameter::Unit::kSeconds ? " s" : "";
  return (parameter.above ? "above " : "from ") + to_text(parameter.low) +
         (parameter.above ? ", at most " : " to ") + to_text(parameter.high) + unit;
}

std::string ranges(const Law& law) {
  std::string text;
  for (const Parameter& parameter : law.parameters) {
    text += (text.empty() ? "" : "; ") + std::string(parameter.name) + " " + range(parameter);
  }
  return text;
}

[[noreturn]] void refuse(const std::string& spec, const std::string& why) {
  throw OperatorError("the delay \"" + spec + "\" " + why);
}

const Law& find_law(const std::string& spec, const std::string& name) {
  const auto law =
      std::ranges::find_if(laws(), [&](const Law& candidate) { return candidate.name == name; });
  if (law != laws().end()) return *law;
  std::string known;
  for (const Law& each : laws()) known += (known.empty() ? "" : ", ") + form(each);
  refuse(spec, "names no law that exists: there are " + known + ", " + kTrace +
                   "PATH (ALPHA, SHAPE, SIGMA and P are plain numbers, all else is in seconds)");
}

double parse(const std::string& spec, const Law& law, size_t index, const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  const Parameter& parameter = law.parameters[index];
  const bool read = error == std::errc{} && stopped == end;
  if (read && value <= parameter.high &&
      (parameter.above ? value > parameter.low : value >= parameter.low)) {
    return value;
  }
  const bool infinite = law.make == pareto_delay && parameter.low == 1;
  refuse(spec, "has \"" + text + "\" for " + parameter.name + " of " + form(law) +
                   ", which must be a number " + range(parameter) +
                   (infinite ? ": at 1 or below the mean is infinite" : ""));
}

std::vector<std::string> split(const std::string& spec) {
  std::vector<std::string> parts(1);
  for (const char c : spec) {
    if (c == ':') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

class Empirical final : public Delay {
 public:
  Empirical(std::vector<double> values, std::string name)
      : values_(std::move(values)), name_(std::move(name)) {
    std::ranges::sort(values_);
    for (const double value : values_) mean_ += value / size();
  }
  double sample(Rng& rng) const override { return values_[rng.below(values_.size())]; }
  double mean() const override { return mean_; }
  double cdf(double x) const override { return static_cast<double>(up_to(x)) / size(); }
  double survival(double x) const override {
    return static_cast<double>(values_.size() - up_to(x)) / size();
  }
  double quantile(double u) const override {
    // The least count with count/n >= u, as cdf() rounds it.
    auto count = static_cast<size_t>(std::clamp(std::ceil(u * size()), 1.0, size()));
    while (count > 1 && static_cast<double>(count - 1) / size() >= u) --count;
    while (count < values_.size() && static_cast<double>(count) / size() < u) ++count;
    return values_[count - 1];
  }
  std::string describe() const override { return name_; }
  void append_breakpoints(std::vector<double>& out) const override {
    std::ranges::unique_copy(values_, std::back_inserter(out));
  }
  std::optional<ExponentialForm> exponential_form() const override {
    if (values_.front() < values_.back()) return std::nullopt;
    return {{values_.front(), 0}};
  }
  bool new_longer_than_used() const override { return exponential_form().has_value(); }

 private:
  double size() const { return static_cast<double>(values_.size()); }
  size_t up_to(double x) const {
    return static_cast<size_t>(std::ranges::upper_bound(values_, x) - values_.begin());
  }

  std::vector<double> values_;  // s, sorted
  std::string name_;
  double mean_ = 0;
};

class Scaled final : public Delay {
 public:
  Scaled(std::shared_ptr<const Delay> law, double factor) : law_(std::move(law)), factor_(factor) {}
  double sample(Rng& rng) const override { return factor_ * law_->sample(rng); }
  double mean() const override { return factor_ * law_->mean(); }
  double cdf(double x) const override { return law_->cdf(x / factor_); }
  double survival(double x) const override { return law_->survival(x / factor_); }
  double quantile(double u) const override { return factor_ * law_->quantile(u); }
  std::string describe() const override { return to_text(factor_) + " x " + law_->describe(); }
  void append_breakpoints(std::vector<double>& out) const override {
    const size_t first = out.size();
    law_->append_breakpoints(out);
    for (size_t i = first; i < out.size(); ++i) out[i] *= factor_;
  }
  std::optional<ExponentialForm> exponential_form() const override {
    const std::optional<ExponentialForm> form = law_->exponential_form();
    if (!form) return std::nullopt;
    return {{factor_ * form->shift, factor_ * form->mean}};
  }
  bool new_longer_than_used() const override { return law_->new_longer_than_used(); }
  std::optional<double> order_statistic(uint32_t k, uint32_t n) const override {
    const std::optional<double> value = law_->order_statistic(k, n);
    if (!value) return std::nullopt;
    return factor_ * *value;
  }

 private:
  std::shared_ptr<const Delay> law_;
  double factor_;
};

}  // namespace

std::unique_ptr<Delay> make_delay(const std::string& spec) {
  if (trace_path(spec)) refuse(spec, "is a list of values in a file, which is not read here");
  const std::vector<std::string> parts = split(spec);
  const Law& law = find_law(spec, parts.front());
  if (parts.size() - 1 != law.parameters.size()) {
    refuse(spec, "must have the form " + form(law) + " with " + ranges(law));
  }
  std::vector<double> values;
  for (size_t i = 0; i < law.parameters.size(); ++i) {
    values.push_back(parse(spec, law, i, parts[i + 1]));
  }
  if (law.make == uniform_delay && values[0] > values[1]) {
    refuse(spec, "has FROM above TO, but FROM must be from 0 to TO");
  }
  return law.make(values);
}

std::optional<std::string> trace_path(const std::string& spec) {
  if (!spec.starts_with(kTrace)) return std::nullopt;
  return spec.substr(std::string(kTrace).size());
}

std::unique_ptr<Delay> make_empirical_delay(std::vector<double> values, std::string name) {
  if (values.empty()) throw OperatorError("the delay \"" + name + "\" holds no value");
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= 0 && values[i] <= kLongest) continue;
    refuse(name, "has " + to_text(values[i]) + " as its value " + std::to_string(i + 1) +
                     ", but every value must be from 0 to " + to_text(kLongest) + " s");
  }
  return std::make_unique<Empirical>(std::move(values), std::move(name));
}

std::shared_ptr<const Delay> scaled(std::shared_ptr<const Delay> law, double factor) {
  KITH_ASSERT(factor > 0 && factor < std::numeric_limits<double>::infinity());
  if (factor == 1) return law;
  return std::make_shared<Scaled>(std::move(law), factor);
}

std::string delay_help() {
  std::string text;
  for (const Law& law : laws()) {
    text += form(law) + "  " + law.help + " (" + ranges(law) + ")\n";
  }
  return text + kTrace + "PATH  drawn from a file with replacement (one value a line, from 0 to " +
         to_text(kLongest) + " s)\n";
}

}  // namespace kith
