// "Did you mean": the known word that a mistyped one is closest to.
#pragma once

#include <string>
#include <vector>

namespace kith {

// Empty when none is near (more than two fifths of its letters differ). Distance: insertions,
// deletions, substitutions, and swaps of two adjacent letters count one each.
std::string nearest(const std::string& word, const std::vector<std::string>& known);

}  // namespace kith
