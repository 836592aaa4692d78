// What the gossip algorithms that have a momentum of their own share.
#pragma once

#include "protocol/algorithm.h"

namespace kith {

// u = beta m + g, with g the gradient at x and the weight decay of [train]; m empty = 0. The block
// of g itself where nothing is to be added.
SharedBuffer momentum_direction(const NodeState& state, const SharedBuffer& g, float beta,
                                const SharedBuffer& m);

// x - eta u, with the rate of the round under way, one batch a round.
SharedBuffer plain_step(const NodeState& state, const SharedBuffer& u);

// The option "beta", 0.9 unless said.
OptionSpec option_gossip_momentum(const char* help);

// Throws OperatorError where [train] has another optimiser than SGD without momentum.
void check_own_momentum(const char* name, const Setting& setting);

}  // namespace kith
