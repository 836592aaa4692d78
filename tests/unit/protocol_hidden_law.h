#pragma once

#include <memory>
#include <string>
#include <vector>

#include "protocol/theory/delay.h"

namespace kith {

// A law behind a face without closed forms, so that quadrature, convolution or simulation has to
// answer and can be held against them.
class HiddenLaw final : public Delay {
 public:
  explicit HiddenLaw(const std::string& spec) : law_(make_delay(spec)) {}
  double sample(Rng& rng) const override { return law_->sample(rng); }
  double mean() const override { return law_->mean(); }
  double cdf(double x) const override { return law_->cdf(x); }
  double survival(double x) const override { return law_->survival(x); }
  double quantile(double u) const override { return law_->quantile(u); }
  std::string describe() const override { return law_->describe(); }
  void append_breakpoints(std::vector<double>& out) const override {
    law_->append_breakpoints(out);
  }

  bool new_longer_than_used() const override { return law_->new_longer_than_used(); }

 private:
  std::unique_ptr<Delay> law_;
};

}  // namespace kith
