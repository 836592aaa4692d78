// Measured delays from a text file.
//
//   file = { line }     line = [ seconds ] [ "#" comment ]     seconds: a number from 0 to 1e9
#pragma once

#include <string>
#include <vector>

namespace kith {

// The numbers, in the order of the file; at least one. Throws OperatorError naming file and line.
std::vector<double> read_delay_trace(const std::string& path);

}  // namespace kith
