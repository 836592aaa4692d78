// Error against wall-clock time: the exact moments of a process give E F after J updates, and the
// run-time theory gives E T, the mean time of one update, so F(t) is read at J = t / E T.
//
// Only whole updates count: F(t) is that of the last update completed by t = J E T, and a target is
// met at the end of the first update whose E F is at most the target. These are the conventions of
// the times in ALGORITHMS 7.
#pragma once

#include <cstdint>
#include <optional>

#include "topology/assert.h"

namespace kith {

// Updates until E F <= target; nothing if `limit` updates do not get there (a floor above the
// target). O(updates).
template <class Process>
std::optional<uint64_t> updates_to_loss(Process process, double target, uint64_t limit) {
  for (uint64_t updates = 0;; ++updates) {
    if (process.loss() <= target) return updates;
    if (updates == limit) return std::nullopt;
    process.step();
  }
}

// E F at `seconds`, when an update takes `seconds_per_update` > 0 in the mean. O(updates).
template <class Process>
double loss_at(Process process, double seconds, double seconds_per_update) {
  KITH_ASSERT(seconds >= 0 && seconds_per_update > 0);
  // A time that is meant as a whole number of updates may lie one rounding error below it.
  const auto updates = static_cast<uint64_t>(seconds / seconds_per_update * (1 + 1e-12));
  for (uint64_t i = 0; i < updates; ++i) process.step();
  return process.loss();
}

}  // namespace kith
