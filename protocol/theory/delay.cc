#include "protocol/theory/delay.h"

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "protocol/status.h"

namespace kith {

namespace {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", value);
  return text;
}

class Constant final : public Delay {
 public:
  explicit Constant(double value) : value_(value) {}
  double sample(Rng&) const override { return value_; }
  double mean() const override { return value_; }
  std::string describe() const override { return "constant:" + number(value_); }

 private:
  double value_;
};

class ShiftedExponential final : public Delay {
 public:
  ShiftedExponential(double shift, double scale) : shift_(shift), scale_(scale) {}
  double sample(Rng& rng) const override { return shift_ + scale_ * rng.exponential(); }
  double mean() const override { return shift_ + scale_; }
  std::string describe() const override {
    return shift_ == 0 ? "exponential:" + number(scale_)
                       : "shifted-exponential:" + number(shift_) + ":" + number(scale_);
  }

 private:
  double shift_;
  double scale_;
};

class Uniform final : public Delay {
 public:
  Uniform(double from, double to) : from_(from), to_(to) {}
  double sample(Rng& rng) const override { return from_ + (to_ - from_) * rng.uniform(); }
  double mean() const override { return (from_ + to_) / 2; }
  std::string describe() const override { return "uniform:" + number(from_) + ":" + number(to_); }

 private:
  double from_;
  double to_;
};

[[noreturn]] void refuse(const std::string& spec) {
  throw OperatorError("the delay \"" + spec +
                      "\" is none that exists: write constant:S, exponential:MEAN, "
                      "shifted-exponential:SHIFT:MEAN or uniform:FROM:TO, in seconds");
}

std::vector<double> arguments(const std::string& spec, size_t colon) {
  std::vector<double> values;
  while (colon != std::string::npos) {
    const char* begin = spec.c_str() + colon + 1;
    char* end = nullptr;
    const double value = std::strtod(begin, &end);
    if (end == begin || (*end != ':' && *end != '\0') || !(value >= 0 && value < 1e9)) refuse(spec);
    values.push_back(value);
    colon = spec.find(':', colon + 1);
  }
  return values;
}

}  // namespace

std::unique_ptr<Delay> make_delay(const std::string& spec) {
  const size_t colon = spec.find(':');
  const std::string name = spec.substr(0, colon);
  const std::vector<double> values = arguments(spec, colon);
  const size_t wanted = name == "constant" || name == "exponential" ? 1 : 2;
  if (values.size() != wanted) refuse(spec);
  if (name == "constant") return std::make_unique<Constant>(values[0]);
  if (name == "exponential") return std::make_unique<ShiftedExponential>(0, values[0]);
  if (name == "shifted-exponential") {
    return std::make_unique<ShiftedExponential>(values[0], values[1]);
  }
  if (name == "uniform" && values[0] <= values[1]) {
    return std::make_unique<Uniform>(values[0], values[1]);
  }
  refuse(spec);
}

}  // namespace kith
