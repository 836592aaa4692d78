// Votes of one bit a value, and their majority: what signSGD sends (algorithm/signsgd.cc).
//
// A ballot of n values is ceil(n / 8) bytes: bit i, lowest of a byte first, is 1 where value i is
// below 0, so that a zero counts as +1. The bits behind the last value are 0.
//
// Counting is bit-sliced: bit b of the counts of 64 values stands in one word, so that a ballot is
// added by a ripple of carries over log2(N) words, and no vector of floats or of counts is ever
// there. All of it is arithmetic on integers: the same on every instruction set.
#pragma once

#include <cstddef>
#include <span>

#include "protocol/status.h"

namespace kith::votes {

constexpr size_t ballot_bytes(size_t n) { return (n + 7) / 8; }

// Whether these bytes, from anyone, are a ballot of n values.
[[nodiscard]] Status check(std::span<const std::byte> ballot, size_t n);

// `ballot` has ballot_bytes(x.size()).
void cast(std::span<const float> x, std::span<std::byte> ballot);

// Sets the bits of `minus` where more than half of the ballots (at least one) are minus, those of
// `tied` where exactly half are; `tied` may be empty = not wanted. All have one length.
void count(std::span<const std::span<const std::byte>> ballots, std::span<std::byte> minus,
           std::span<std::byte> tied);

// y_i = 0 where tied (`tied` may be empty), else -1 where minus, else 1.
void announce(std::span<const std::byte> minus, std::span<const std::byte> tied,
              std::span<float> y);

}  // namespace kith::votes
