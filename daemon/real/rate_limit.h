// How often each of many may do something: what goes beyond is for the caller to drop, so that
// nobody keeps a daemon from its training by asking.
#pragma once

#include <map>
#include <string>

#include "protocol/time.h"

namespace kith {

class RateLimit {
 public:
  // `burst` = how many may come at once, by someone who has been silent for long enough.
  RateLimit(double per_second, double burst) : per_second_(per_second), burst_(burst) {}

  // Whether `who` may once more. `now` never falls.
  bool take(const std::string& who, Duration now);

 private:
  struct Budget {
    double left = 0;
    Duration counted{};  // when that was so
  };
  double left(const Budget& budget, Duration now) const;
  void forget_idle(Duration now);

  double per_second_;
  double burst_;
  std::map<std::string, Budget> budgets_;
};

}  // namespace kith
