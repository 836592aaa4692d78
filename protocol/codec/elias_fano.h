// Increasing positions in few bits (Elias 1974; Fano 1971; Vigna 2013), for k positions below n:
//
//   l = floor(log2(n / k))      low = position mod 2^l      high = floor(position / 2^l)
//   bits: k + floor((n - 1) / 2^l) for the highs: bit high_i + i is 1 for the i-th position,
//         then, from the next whole byte, k l for the lows, one after the other
// Lowest bits of a byte first; the unused bits of the last byte of either part are 0.
//
// The size follows from n and k alone. 8.56 bits a position where 1 % of many are sent; no code of
// random ones takes less than 8.08. Golomb-Rice would take 8.11, in a size that depends on the
// data, and where one position ends is known only when it is read: here each 1 is found by itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "protocol/codec/position_sink.h"
#include "protocol/status.h"

namespace kith::elias_fano {

// n <= limits::kParameters, k <= n.
size_t bytes(size_t n, size_t k);

// `indices`: k, strictly increasing, below n. Fills `out`, of bytes(n, k).
void encode(std::span<const uint32_t> indices, size_t n, std::span<std::byte> out);

// Hands the positions over as they are read; kMalformed unless `coded`, of bytes(n, k), is what
// encode writes for k positions: all handed over before are then increasing and below n.
Status decode(std::span<const std::byte> coded, size_t n, size_t k, PositionSink& sink);

// The same, without the positions.
Status check(std::span<const std::byte> coded, size_t n, size_t k);

}  // namespace kith::elias_fano
