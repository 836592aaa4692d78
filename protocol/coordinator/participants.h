// Who takes part in a round of federated learning.
#pragma once

#include <vector>

#include "topology/types.h"

namespace kith {

// `count` (at most `nodes`) distinct nodes, each set equally likely, a function of (seed, round)
// alone; sorted. All of them where count is 0. O(count log count).
std::vector<NodeId> participants(uint64_t seed, Round round, uint32_t nodes, uint32_t count);

// The first of `round` to `end` - 1 that `node` is in; `end` where there is none. Draws each.
Round next_round_of(NodeId node, uint64_t seed, Round round, Round end, uint32_t nodes,
                    uint32_t count);

}  // namespace kith
