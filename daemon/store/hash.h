// One number for the parameters of a whole run: equal hashes, equal bits.
#pragma once

#include <span>
#include <string>

namespace kith {

// XXH3-128 (canonical hexadecimal, 32 digits) over the little-endian bytes of all vectors, in the
// order given; for a run that is NodeId order.
std::string hash_parameters(std::span<const std::span<const float>> vectors);

}  // namespace kith
