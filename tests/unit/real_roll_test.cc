// What nodes that start again tell each other they can go on from, and the round that follows.
#include <gtest/gtest.h>

#include "protocol/limits.h"
#include "tests/support/meetings.h"

namespace kith {
namespace {

TEST(Roll, TheLatestRoundThatAllCanGoOnFromIsAgreed) {
  const Restart begin{0};
  struct Case {
    std::vector<Entries> kept;
    Round agreed;
  };
  const Case cases[] = {
      {{{{30}, {20}, {10}, begin}, {{30}, {20}, begin}, {{30}, {20}, begin}}, 30},
      {{{{30}, {20}, {10}, begin}, {{20}, {10}, begin}, {{30}, {20}, begin}}, 20},
      {{{{30}, {20}, {10}, begin}, {{20}, {10}, begin}, {{30}, {10}, begin}}, 10},
      {{{{30}, {20}, begin}, {begin}, {{30}, {20}, begin}}, 0},
      {{{begin}, {{30}, begin}, {{30}, begin}}, 0},
      // One that is in some rounds only, and has one state for all between two of them.
      {{{{30}, begin}, {{40}, {30}, begin}, {{33, 37}, {29, 32}, begin}}, 30},
      {{{{30}, begin}, {{30}, begin}, {{33, 35}, {21, 32}, {7, 20}, begin}}, 30},
      {{{{30}, {20}, begin}, {{20}, begin}, {{33, 34}, {21, 32}, {7, 20}, begin}}, 20},
      // Its disk has missed what it kept after round 25: what is older would be another state.
      {{{{30}, {20}, begin}, {{30}, {20}, begin}, {{33, 34}, {19, 25}, {7, 18}, begin}}, 20},
      {{{{30}, {20}, begin}, {{30}, {20}, begin}, {{33, 34}, {26, 28}, {7, 18}, begin}}, 0},
  };
  for (const Case& each : cases) EXPECT_EQ(roll_of(each.kept).agreed(), each.agreed);
}

// Where nodes can do without each other: who has lost its disk, or was away, throws nobody back.
TEST(Roll, MostDecideWhereNotAllCanFollow) {
  EXPECT_EQ(roll_of({{{30}, {20}}, {{20}, {10}}, {{0}}, {{5}, {0}}}).agreed(), 20u);
  EXPECT_EQ(roll_of({{{30}, {20}}, {{9}, {8}}}).agreed(), 30u);
  EXPECT_EQ(roll_of({{{30}, {20}}, {}, {}}).agreed(), 30u);
  EXPECT_EQ(roll_of({{{5}, {0}}, {{0}}, {{0}}}).agreed(), 0u);
}

// Each its own newest: AD-PSGD and the like.
TEST(Roll, WhereTimeDecidesEachGoesOnFromItsNewest) {
  constexpr Round kAny = Restart::kAnyLater;
  const std::vector<Entries> kept = {
      {{40, kAny}, {30, kAny}, {0, kAny}}, {{70, kAny}, {0, kAny}}, {{0, kAny}}};
  const Round agreed = roll_of(kept).agreed();
  EXPECT_EQ(agreed, 70u);
  EXPECT_EQ(serving(kept[0], agreed)->round, 40u);
  EXPECT_EQ(serving(kept[1], agreed)->round, 70u);
  EXPECT_EQ(serving(kept[2], agreed)->round, 0u);
}

TEST(Roll, WhoIsThereForTheFirstTimeSaysThatTheRunHasNotBegun) {
  Roll roll = roll_of({{{30}}, {{30}}});
  EXPECT_FALSE(roll.begins());
  Roll first(2);
  first.enter(NodeId{0}, {life(1), {{30}}});
  first.enter(NodeId{1}, {life(0), {{0}}});
  EXPECT_TRUE(first.begins());
  EXPECT_EQ(first.agreed(), 0u);
}

TEST(Roll, ComesOverTheWireAndTrustsNothing) {
  Pool pool;
  Roll roll = roll_of({{{30}, {20, 25}}, {}, {{1}}}, 7);
  const SharedBuffer bytes = roll.encode(pool);
  EXPECT_LE(bytes.size(), Roll::encoded_bytes(3, 2));
  Roll read(3);
  ASSERT_TRUE(read.decode(bytes.bytes()).ok());
  EXPECT_EQ(read.digest(), roll.digest());
  EXPECT_TRUE(read.full());
  EXPECT_TRUE(read.holds(NodeId{1}, life(7)));
  EXPECT_FALSE(read.holds(NodeId{1}, life(8)));
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    Roll part(3);
    const bool whole_rows = part.decode(bytes.bytes().first(cut)).ok();
    EXPECT_FALSE(whole_rows && part.full()) << cut;
  }
  Roll smaller(2);
  EXPECT_FALSE(smaller.decode(bytes.bytes()).ok());
  EXPECT_EQ(smaller.absent().size(), 2u);
  for (size_t i = 0; i < bytes.size(); ++i) {  // whatever it is then, it can be looked at
    std::vector<std::byte> wrong(bytes.bytes().begin(), bytes.bytes().end());
    wrong[i] ^= std::byte{0xff};
    Roll odd(3);
    (void)odd.decode(wrong);
    EXPECT_LE(odd.agreed(), UINT64_MAX >> 1);
  }
}

}  // namespace
}  // namespace kith
