// Time is an argument. Nothing deterministic may ask for it: NodeClock has no now().
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace kith {

using Duration = std::chrono::nanoseconds;

struct NodeClock {
  using rep = int64_t;
  using period = std::nano;
  using duration = Duration;
};

// Nanoseconds since the job started on this node.
using Time = std::chrono::time_point<NodeClock, Duration>;

constexpr double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }
constexpr double seconds(Time t) { return seconds(t.time_since_epoch()); }

// Rounds to the nearest nanosecond.
constexpr Duration from_seconds(double s) {
  return Duration(static_cast<int64_t>(s * 1e9 + (s < 0 ? -0.5 : 0.5)));
}

// For draws and quotients, which may be of any size: 1e9 s (32 years) at the most.
constexpr Duration bounded_seconds(double s) { return from_seconds(std::min(s, 1e9)); }

}  // namespace kith
