// What the machines with a coordinator have in common.
#pragma once

#include "protocol/algorithm.h"

namespace kith {

// The hub of the star, a node like the others otherwise.
inline constexpr NodeId kHub{0};

// For rules that look at the training loss now and then (AdaSync, AdaComm).
OptionSpec option_adapt_every();

}  // namespace kith
