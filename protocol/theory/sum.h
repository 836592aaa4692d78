// The law of a sum of draws: a worker's time for several local steps.
#pragma once

#include <cstdint>
#include <memory>

#include "protocol/theory/delay.h"

namespace kith {

// The law of the sum of `count` >= 1 independent draws of `law`. Exact for constants and shifted
// exponentials (Erlang). Else a lattice of at most 2^16 steps, and beyond it P(sum > x) is taken
// to fall as one long draw among usual ones makes it, P(X > x - (count - 1) usual), continued from
// the lattice's end: the single big jump of heavy-tailed sums. Cost: log2(count) convolutions, tens
// of milliseconds.
std::shared_ptr<const Delay> sum_of_draws(const std::shared_ptr<const Delay>& law, uint32_t count);

}  // namespace kith
