// What a job's options come to among some of its nodes (protocol/view.h).
#pragma once

#include "protocol/algorithm.h"
#include "protocol/view.h"

namespace kith {

// Of an algorithm with a hub. No more gradients are waited for and no more participants drawn than
// there are members, and each keeps the number of local steps that is its own.
Options options_within(const AlgorithmInfo& info, const Options& options, const View& view);

}  // namespace kith
