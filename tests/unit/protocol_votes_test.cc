// Votes of one bit a value against counting them one by one, on every instruction set.
#include <gtest/gtest.h>

#include "protocol/votes.h"
#include "tests/instruction_sets.h"
#include "tests/vectors.h"

namespace kith {
namespace {

using Bytes = std::vector<std::byte>;

const size_t kLengths[] = {1, 2, 3, 7, 8, 9, 63, 64, 65, 1000, 4095, 4096, 4097, 65537};

bool bit(std::span<const std::byte> bytes, size_t i) {
  return std::to_integer<int>(bytes[i / 8] >> i % 8 & std::byte{1}) != 0;
}

Bytes ballot_of(std::span<const float> x) {
  Bytes ballot(votes::ballot_bytes(x.size()));
  votes::cast(x, ballot);
  return ballot;
}

// V of these ballots: floats in {-1, 0, 1}.
std::vector<float> verdict_of(const std::vector<Bytes>& ballots, size_t n, bool ties) {
  const std::vector<std::span<const std::byte>> all(ballots.begin(), ballots.end());
  Bytes minus(votes::ballot_bytes(n));
  Bytes tied(ties ? minus.size() : 0);
  votes::count(all, minus, tied);
  EXPECT_TRUE(votes::check(minus, n).ok());
  EXPECT_TRUE(!ties || votes::check(tied, n).ok());
  std::vector<float> verdict(n);
  votes::announce(minus, tied, verdict);
  return verdict;
}

TEST(Votes, ABallotHasABitForEachSign) {
  for (const test::Shape shape : test::kShapes) {
    for (const size_t n : kLengths) {
      const std::vector<float> x = test::make_vector(shape, n, n);
      test::for_each_instruction_set([&] {
        const Bytes ballot = ballot_of(x);
        ASSERT_EQ((n + 7) / 8, ballot.size());
        ASSERT_TRUE(votes::check(ballot, n).ok());
        for (size_t i = 0; i < n; ++i) ASSERT_EQ(x[i] < 0, bit(ballot, i)) << i << " of " << n;
      });
    }
  }
}

// sgn of the sum of the signs (ALGORITHMS 2C): in {-1, 0, 1}, 0 for ties, or +1.
TEST(Votes, TheMajorityIsTheSignOfTheSum) {
  for (const size_t nodes : {1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 32, 100, 257}) {
    for (const size_t n : kLengths) {
      if (nodes > 32 && n > 5000) continue;
      SCOPED_TRACE(std::to_string(nodes) + " ballots of " + std::to_string(n));
      std::vector<Bytes> ballots;
      std::vector<int> sums(n);
      for (size_t k = 0; k < nodes; ++k) {
        const std::vector<float> x = test::make_vector(test::Shape::kRandom, n, 1000 * nodes + k);
        for (size_t i = 0; i < n; ++i) sums[i] += x[i] < 0 ? -1 : 1;
        ballots.push_back(ballot_of(x));
      }
      test::for_each_instruction_set([&] {
        const std::vector<float> zero = verdict_of(ballots, n, true);
        const std::vector<float> plus = verdict_of(ballots, n, false);
        for (size_t i = 0; i < n; ++i) {
          ASSERT_EQ(static_cast<float>((sums[i] > 0) - (sums[i] < 0)), zero[i]);
          ASSERT_EQ(sums[i] < 0 ? -1.0f : 1.0f, plus[i]);
        }
      });
    }
  }
}

// ALGORITHMS 2C: as long as fewer than half of those who all agreed change their minds, whoever
// they are, nothing changes; half of an even number make a tie.
TEST(Votes, AMinorityThatFlipsChangesNothing) {
  constexpr size_t kSize = 200;
  for (const size_t nodes : {1, 2, 3, 4, 7, 8, 33}) {
    const std::vector<float> x = test::make_vector(test::Shape::kRandom, kSize, nodes);
    std::vector<float> opposite;
    for (const float value : x) opposite.push_back(-value);
    const std::vector<float> agreed = verdict_of({ballot_of(x)}, kSize, true);
    Rng rng = test::test_rng(nodes);
    for (size_t flipped = 0; 2 * flipped <= nodes; ++flipped) {
      std::vector<Bytes> ballots(nodes, ballot_of(x));
      for (size_t left = flipped; left > 0;) {
        Bytes& ballot = ballots[rng.below(nodes)];
        if (ballot != ballot_of(x)) continue;
        ballot = ballot_of(opposite);
        --left;
      }
      const std::vector<float> now = verdict_of(ballots, kSize, true);
      if (2 * flipped < nodes) {
        EXPECT_EQ(agreed, now) << flipped << " of " << nodes;
      } else {
        EXPECT_EQ(std::vector<float>(kSize), now) << flipped << " of " << nodes;
      }
    }
  }
}

TEST(Votes, WhatIsNoBallotIsRefused) {
  EXPECT_EQ(Reason::kTruncated, votes::check(Bytes(1), 9).reason());
  EXPECT_EQ(Reason::kOversized, votes::check(Bytes(2), 8).reason());
  EXPECT_EQ(Reason::kMalformed, votes::check(Bytes(2, std::byte{2}), 9).reason());
  EXPECT_TRUE(votes::check(Bytes(2, std::byte{1}), 9).ok());
  EXPECT_TRUE(votes::check(Bytes(), 0).ok());
}

}  // namespace
}  // namespace kith
