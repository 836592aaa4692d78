// What reads positions from a wire hands them to one of these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kith {

// Positions as they are read, a few at a time.
class PositionSink {
 public:
  static constexpr size_t kMost = 64;

  virtual ~PositionSink() = default;
  virtual void take(std::span<const uint32_t> indices) = 0;  // 1 to kMost
};

}  // namespace kith
