// How work under way learns that its result is not wanted any more.
#pragma once

#include <atomic>

namespace kith {

// `flag` may be null: cannot be cancelled.
inline bool is_set(const std::atomic<bool>* flag) {
  return flag != nullptr && flag->load(std::memory_order_relaxed);
}

}  // namespace kith
