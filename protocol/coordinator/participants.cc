#include "protocol/coordinator/participants.h"

#include <algorithm>
#include <set>

#include "topology/assert.h"
#include "topology/rng.h"

namespace kith {

// Floyd's sampling (Bentley, Floyd 1987).
std::vector<NodeId> participants(uint64_t seed, Round round, uint32_t nodes, uint32_t count) {
  KITH_ASSERT(count <= nodes);
  std::vector<NodeId> all;
  if (count == 0 || count == nodes) {
    for (uint32_t i = 0; i < nodes; ++i) all.push_back(NodeId{i});
    return all;
  }
  Rng rng(seed, NodeId{0}, Purpose::kParticipants, round);
  std::set<NodeId> chosen;
  for (uint32_t last = nodes - count; last < nodes; ++last) {
    const NodeId drawn{static_cast<uint32_t>(rng.below(last + 1))};
    if (!chosen.insert(drawn).second) chosen.insert(NodeId{last});
  }
  return {chosen.begin(), chosen.end()};
}

Round next_round_of(NodeId node, uint64_t seed, Round round, Round end, uint32_t nodes,
                    uint32_t count) {
  while (round < end &&
         !std::ranges::binary_search(participants(seed, round, nodes, count), node)) {
    ++round;
  }
  return round;
}

}  // namespace kith
