// The two names that every part of Kith shares: who, and when.
#pragma once

#include <cstdint>

namespace kith {

// Dense within one job: 0 .. N-1. Never an address, never reused for another machine.
enum class NodeId : uint32_t {};

constexpr uint32_t index_of(NodeId id) { return static_cast<uint32_t>(id); }

// Communication round, counted from 0. What one round is, each algorithm states.
using Round = uint64_t;

struct Neighbor {
  NodeId peer;
  float weight;  // entry of the mixing matrix W, dimensionless
};

}  // namespace kith
