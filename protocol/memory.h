// What a stream of coded vectors remembers of what it has not sent; see compressor.h.
#pragma once

#include <cstdint>

#include "topology/types.h"

namespace kith {

enum class MemoryKind : uint8_t {
  kNone,
  kErrorFeedback,  // what one message leaves out is added to the next
  kEf21,           // messages are differences to an estimate that both ends hold
  kDgc             // momentum and its sum, of which the largest are sent
};

struct MemorySpec {
  MemoryKind kind = MemoryKind::kNone;
  float momentum = 0;  // kEf21, kDgc
  float clip = 0;      // kDgc: longest gradient of one node; 0 = any
  Round warm_up = 0;   // kDgc: rounds until as little is sent as the codec says
};

inline constexpr MemorySpec kErrorFeedback = {.kind = MemoryKind::kErrorFeedback};

}  // namespace kith
