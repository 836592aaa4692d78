// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace kith {

std::string bytes_text(double bytes);       // "0 B", "12.3 kB", "4.56 MB": powers of 1000
std::string duration_text(double seconds);  // "0.42 s", "12.3 s", "3 min 05 s", "2 h 07 min"
std::string percent_text(double fraction);  // "87.31 %"
std::string count_text(uint64_t count);     // "12,345"
std::string number_text(double value);      // four significant digits: "0.3142", "1.2e-05"

// Columns that the text takes on a terminal: code points of UTF-8.
size_t columns(const std::string& text);

}  // namespace kith
