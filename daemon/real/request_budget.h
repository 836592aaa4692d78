// How many requests each client may make: what goes beyond is dropped, so that nobody keeps a
// daemon from its training by asking.
#pragma once

#include <map>
#include <string>

#include "protocol/limits.h"
#include "protocol/time.h"

namespace kith {

class RequestBudget {
 public:
  // Whether `who` may make one more request. `now` never falls.
  bool take(const std::string& who, Duration now);

 private:
  struct Budget {
    double left = limits::kRequestsPerSecond;  // requests
    Duration counted{};                        // when that was so
  };
  void forget_idle(Duration now);

  std::map<std::string, Budget> budgets_;
};

}  // namespace kith
