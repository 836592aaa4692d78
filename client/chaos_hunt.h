// Many cases of the fault hunter, each in a process of its own, so that one that crashes names its
// seed and spares the others.
#pragma once

#include <string>

#include "client/chaos_case.h"

namespace kith {

// "7" or "1-500". Throws OperatorError.
struct SeedRange {
  uint64_t first = 0;
  uint64_t last = 0;
};
SeedRange parse_seeds(const std::string& text);

// One seed is told in full; of several each that is not good has a line, and all a summary.
// `processes`: at once; 0 = one for each core. The exit code is that of the worst: crashed, no
// progress, wrong result, good.
int hunt(const ChaosOptions& options, const SeedRange& seeds, unsigned processes, bool json);

}  // namespace kith
