#include "daemon/learn/batch_schedule.h"

#include <algorithm>
#include <cmath>

namespace kith {

namespace {

// The first batch with index >= fraction total, as of Schedule's milestones.
uint64_t first_from(double fraction, uint64_t total) {
  return static_cast<uint64_t>(std::ceil(fraction * static_cast<double>(total)));
}

}  // namespace

uint32_t BatchSchedule::at(uint64_t index, uint64_t total) const {
  double samples = size;
  for (const double fraction : milestones) {
    if (index >= first_from(fraction, total)) samples *= factor;
  }
  return static_cast<uint32_t>(std::lround(samples));
}

uint64_t BatchSchedule::before(uint64_t index, uint64_t total, uint64_t most) const {
  uint64_t sum = 0;
  uint64_t begin = 0;
  double samples = size;
  const auto add_through = [&](uint64_t end) {
    sum += (end - begin) * std::min<uint64_t>(most, static_cast<uint64_t>(std::lround(samples)));
    begin = end;
  };
  for (const double fraction : milestones) {
    add_through(std::min(index, first_from(fraction, total)));
    samples *= factor;
  }
  add_through(index);
  return sum;
}

}  // namespace kith
