// What nodes that start again tell each other they can go on from, and the round that follows.
#include <gtest/gtest.h>

#include "protocol/limits.h"
#include "tests/support/meetings.h"

namespace kith {
namespace {

TEST(Roll, TheLatestRoundThatAllCanGoOnFromIsAgreed) {
  const CheckpointFolder::Entry begin{0, true};
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
      {{{{30}, begin}, {{40}, {30}, begin}, {{33, false}, {29, false}, begin}}, 30},
      {{{{30}, begin}, {{30}, begin}, {{33, false}, {21, false}, {7, false}, begin}}, 30},
      {{{{30}, {20}, begin}, {{20}, begin}, {{33, false}, {21, false}, {7, false}, begin}}, 20},
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
  const std::vector<Entries> kept = {
      {{40, false}, {30, false}, {0, false}}, {{70, false}, {0, false}}, {{0, false}}};
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
  Roll roll = roll_of({{{30}, {20, false}}, {}, {{1}}}, 7);
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
