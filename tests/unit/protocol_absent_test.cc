// Neighbours that a node gossips without (protocol/gossip/absent.h): W stays symmetric among those
// who are left (ARCHITECTURE 5), and what was agreed upon outlives a checkpoint.
#include <gtest/gtest.h>

#include "protocol/gossip/absent.h"

namespace kith {
namespace {

constexpr NodeId kOne{1};
constexpr NodeId kTwo{2};

MixingRow row() {
  return {.self = 0.5f, .neighbors = {{kOne, 0.25f}, {kTwo, 0.25f}}, .scratch = {}};
}

TEST(Absent, WeightsOfTheAbsentAreTheNodesOwn) {
  Absent absent;
  absent.leave(kTwo);
  MixingRow folded = row();
  absent.fold(folded, 7);
  EXPECT_EQ(folded.self, 0.75f);
  ASSERT_EQ(folded.neighbors.size(), 1u);
  EXPECT_EQ(folded.neighbors[0].peer, kOne);
}

TEST(Absent, WhoJoinsCountsFromTheAgreedRoundOn) {
  Absent absent;
  absent.leave(kTwo);
  absent.join(kTwo, 9);
  EXPECT_TRUE(absent.contains(kTwo, 8));
  EXPECT_FALSE(absent.contains(kTwo, 9));
  EXPECT_TRUE(absent.joins(kTwo, 9));
  MixingRow folded = row();
  absent.fold(folded, 9);
  EXPECT_EQ(folded.neighbors.size(), 2u);
  std::vector<NodeId> joined;
  const auto tell = [&](NodeId peer) { joined.push_back(peer); };
  absent.reach(8, tell);
  EXPECT_TRUE(joined.empty());
  absent.reach(9, tell);
  EXPECT_EQ(joined, std::vector<NodeId>{kTwo});
  EXPECT_TRUE(absent.empty());
}

// Found by the fault hunter (seed 30164): one that was to join after a checkpoint was absent for
// ever when the run went back to it, while Node counted on its contract.
TEST(Absent, WhatIsAgreedForLaterOutlivesACheckpoint) {
  Pool pool;
  Absent absent;
  absent.leave(kOne);
  absent.leave(kTwo);
  absent.join(kTwo, 9);
  Archive written(Archive::Direction::kWrite, 1, pool);
  absent.persist(written);
  Archive read(Archive::Direction::kRead, 1, pool);
  read.words = written.words;
  Absent again;
  again.persist(read);
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(again.contains(kOne, 1'000'000));
  EXPECT_TRUE(again.contains(kTwo, 8));
  EXPECT_FALSE(again.contains(kTwo, 9));
}

}  // namespace
}  // namespace kith
