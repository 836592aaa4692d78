// For algorithms over a graph whose messages must arrive as they are.
#pragma once

#include "protocol/algorithm.h"

namespace kith {

// Refuses a codec that loses something; `why` ends "... but algorithm.kind = NAME ".
void check_lossless(const Setting& setting, const char* name, const char* why);

}  // namespace kith
