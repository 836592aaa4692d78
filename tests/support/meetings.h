// What the tests of daemons that meet again share.
#pragma once

#include <vector>

#include "daemon/real/meeting.h"

namespace kith {

using Entries = std::vector<Restart>;

// Of a process that began so many milliseconds after the first.
constexpr uint64_t life(uint32_t generation, uint64_t begun_ms = 1) {
  return life_of(generation, begun_ms << 20);
}

inline Roll roll_of(const std::vector<Entries>& kept, uint32_t generation = 1) {
  Roll roll(static_cast<uint32_t>(kept.size()));
  for (uint32_t i = 0; i < kept.size(); ++i) roll.enter(NodeId{i}, {life(generation), kept[i]});
  return roll;
}

}  // namespace kith
