// Normal deviates for private gradients, as many as there are parameters in every step.
//
// Bits are those of Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC'11), whose outputs nobody is
// known to tell from chance, and not of a faster linear generator: who knows all rows but one could
// hold what is left of a gradient against that. Deviates are Box-Muller's, in floats, with 32 bits
// for the length: they end at 6.8 standard deviations.
#pragma once

#include <span>

#include "topology/rng.h"

namespace kith {

// y += deviation * N(0, 1), independent for each value: a function of the two words that it takes
// from `rng`. About 4 ns a value with wide vectors. Like matrix products, the same bits whatever
// ran before, but not on all instruction sets.
void add_normal(Rng& rng, float deviation, std::span<float> y);

}  // namespace kith
