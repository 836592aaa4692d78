// Random bits for vectors of values: 16 generators xoshiro128+ (Blackman, Vigna 2021), seeded from
// the caller's stream at each call. A codec takes the bits of value i from generator i % 16, so
// that they are the same whatever the vector width. random_lanes-inl.h draws them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "topology/rng.h"

namespace kith {

constexpr size_t kRandomLanes = 16;

struct RandomLanes {
  uint32_t state[4][kRandomLanes];
};

inline RandomLanes seed_lanes(Rng& rng) {
  RandomLanes lanes;
  for (auto& word : lanes.state) {
    for (size_t lane = 0; lane < kRandomLanes; lane += 2) {
      const uint64_t bits = rng.next();
      word[lane] = static_cast<uint32_t>(bits);
      word[lane + 1] = static_cast<uint32_t>(bits >> 32);
    }
  }
  return lanes;
}

}  // namespace kith
