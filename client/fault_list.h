// A list of faults as text, one a line in order of time, so that what the fault hunter has drawn
// can be kept, cut down by hand and run again:
//
//   12.500000000 crash 3          seconds, kind, node
//   14.000000000 cut 1 2          and peer
//   15.250000000 slow 3 4.5       and how much
//   20.000000000 go-back          or nobody
#pragma once

#include <span>
#include <string>
#include <vector>

#include "daemon/sim/faults.h"

namespace kith {

std::string render_faults(std::span<const Fault> faults);

// Blank lines and what follows a '#' are passed over. `where` names the list in the OperatorError
// that tells of the first bad line.
std::vector<Fault> parse_faults(const std::string& text, uint32_t nodes, const std::string& where);

}  // namespace kith
