// Replicas of a random scalar against what theory says of their mean.
#pragma once

#include <gtest/gtest.h>

#include <cmath>

namespace kith {

class Samples {
 public:
  void add(double value) {
    count_ += 1;
    const double distance = value - mean_;
    mean_ += distance / count_;
    squares_ += distance * (value - mean_);
  }
  double mean() const { return mean_; }
  double standard_error() const { return std::sqrt(squares_ / (count_ - 1) / count_); }

 private:
  double count_ = 0;
  double mean_ = 0;
  double squares_ = 0;
};

// Within 4 standard errors, estimated from the samples: false alarm 6e-5 a call.
inline void expect_mean(const Samples& samples, double expected, const char* what) {
  EXPECT_NEAR(samples.mean(), expected, 4 * samples.standard_error() + 1e-12) << what;
}

}  // namespace kith
