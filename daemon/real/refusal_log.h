// Says once what is refused from whom. What comes again is counted elsewhere, so that nobody fills
// a disk by trying.
#pragma once

#include <set>
#include <string>
#include <utility>

#include "daemon/real/log.h"
#include "daemon/real/origin.h"
#include "protocol/status.h"

namespace kith {

class RefusalLog {
 public:
  explicit RefusalLog(Log& log) : log_(log) {}  // which outlives it

  // What an honest network does as well (a message twice, too early, too late) is told at the level
  // debug alone.
  void note(Reason reason, const Origin& origin);

 private:
  bool first(Reason reason, const Origin& origin);

  Log& log_;
  std::set<std::pair<Reason, std::string>> told_;  // by who()
};

}  // namespace kith
