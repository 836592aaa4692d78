// What waits for its round is bounded, whoever sends it.
#include <gtest/gtest.h>

#include "protocol/inbox.h"

namespace kith {
namespace {

Message message(uint32_t from, Round round) {
  Message made;
  made.from = NodeId{from};
  made.round = round;
  return made;
}

TEST(Inbox, OfSendersInEveryRoundKeepsSoManyRounds) {
  Inbox inbox;
  EXPECT_TRUE(inbox.put(message(1, 7 + limits::kRoundsAhead - 1), 7).ok());
  EXPECT_EQ(inbox.put(message(1, 7 + limits::kRoundsAhead), 7).reason(), Reason::kTooEarly);
  EXPECT_EQ(inbox.put(message(1, 6), 7).reason(), Reason::kStale);
}

TEST(Inbox, OfSendersInSomeRoundsKeepsSoManyMessages) {
  Inbox inbox;
  for (uint64_t k = 0; k < limits::kRoundsAhead; ++k) {
    for (const uint32_t from : {3u, 2u}) {
      EXPECT_TRUE(inbox.put(message(from, 1000 * (k + 1)), 0, Inbox::Pace::kSomeRounds).ok());
    }
  }
  EXPECT_EQ(inbox.put(message(2, 10), 0, Inbox::Pace::kSomeRounds).reason(), Reason::kOk);
  EXPECT_EQ(inbox.put(message(2, 1u << 20), 0, Inbox::Pace::kSomeRounds).reason(),
            Reason::kTooEarly);
  EXPECT_EQ(inbox.put(message(3, 2000), 0, Inbox::Pace::kSomeRounds).reason(), Reason::kTooEarly);
  EXPECT_TRUE(inbox.put(message(4, 2000), 0, Inbox::Pace::kSomeRounds).ok());
  EXPECT_EQ(inbox.size(), 2 * limits::kRoundsAhead + 2);
  ASSERT_EQ(inbox.at(2000).size(), 3u);
  EXPECT_EQ(inbox.at(2000)[0].from, NodeId{2});
}

}  // namespace
}  // namespace kith
