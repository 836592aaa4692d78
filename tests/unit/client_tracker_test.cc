// Reports of many nodes become one line per round, in order, once the last node is there.
#include <gtest/gtest.h>

#include "client/report_tracker.h"

namespace kith {
namespace {

control::ProgressReply node(double start, std::vector<control::ReportEntry> reports) {
  control::ProgressReply reply;
  reply.unix_start = start;
  reply.reports = std::move(reports);
  return reply;
}

control::ReportEntry entry(Round round, double loss, double unix_time, uint64_t bytes,
                           bool snapshot = true) {
  control::ReportEntry made;
  made.round = round;
  made.loss = loss;
  made.unix_time = unix_time;
  made.bytes_sent = bytes;
  made.snapshot = snapshot;
  return made;
}

TEST(ReportTracker, ARoundCountsWithItsLastNode) {
  ReportTracker tracker(false, 2);
  EXPECT_TRUE(tracker.add({node(100, {entry(4, 1, 101, 10)}), node(100.5, {})}).empty());
  const auto done = tracker.add({node(100, {}), node(100.5, {entry(4, 3, 102, 30)})});
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].round, 4u);
  EXPECT_EQ(done[0].point.round, 5u);  // rounds completed
  EXPECT_DOUBLE_EQ(done[0].point.loss, 2);
  EXPECT_DOUBLE_EQ(done[0].point.seconds, 2);  // from the first start to the last node
  EXPECT_DOUBLE_EQ(done[0].point.bytes_sent_per_node, 20);
  EXPECT_TRUE(done[0].snapshots);
}

// Node 1 reports nothing: what it has sent is what the hub has received.
TEST(ReportTracker, OverAHubAllBytesAreCounted) {
  ReportTracker tracker(true, 4);
  control::ReportEntry hub = entry(0, 1, 2, 60);
  hub.bytes_received = 20;
  const auto done = tracker.add({node(1, {hub}), node(1, {}), node(1, {}), node(1, {})});
  ASSERT_EQ(done.size(), 1u);
  EXPECT_DOUBLE_EQ(done[0].point.bytes_sent_per_node, 20);
}

// Node 2 takes over from node 0, does a round again, and counts bytes of its own.
TEST(ReportTracker, WhoeverIsTheHubReports) {
  ReportTracker tracker(true, 3);
  EXPECT_EQ(tracker.hub(), 0u);
  ASSERT_EQ(
      tracker.add({node(1, {entry(0, 3, 2, 30), entry(1, 2, 3, 60)}), node(1, {}), node(1, {})})
          .size(),
      2u);
  EXPECT_TRUE(tracker.add({node(1, {}), node(1, {}), node(1, {entry(1, 9, 5, 12)})}).empty());
  const auto done = tracker.add({node(1, {}), node(1, {}), node(1, {entry(2, 1, 6, 24)})});
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].round, 2u);
  EXPECT_EQ(done[0].reporter, 2u);
  EXPECT_EQ(tracker.hub(), 2u);
  EXPECT_DOUBLE_EQ(done[0].point.loss, 1);
  EXPECT_DOUBLE_EQ(done[0].point.bytes_sent_per_node, 20);
  const auto next = tracker.add({node(1, {}), node(1, {}), node(1, {entry(3, 1, 7, 39)})});
  EXPECT_DOUBLE_EQ(next[0].point.bytes_sent_per_node, 25);
}

TEST(ReportTracker, OneMissingSnapshotMakesTheRoundUnfit) {
  ReportTracker tracker(false, 2);
  const auto done =
      tracker.add({node(1, {entry(0, 1, 2, 0)}), node(1, {entry(0, 1, 2, 0, false)})});
  ASSERT_EQ(done.size(), 1u);
  EXPECT_FALSE(done[0].snapshots);
}

// Node 1 was away in round 1, and takes up round 2.
TEST(ReportTracker, WhoLeavesRoundsOutHoldsNoneUp) {
  ReportTracker tracker(false, 2);
  EXPECT_EQ(tracker.add({node(1, {entry(0, 1, 2, 8)}), node(1, {entry(0, 3, 2, 8)})}).size(), 1u);
  EXPECT_TRUE(tracker.add({node(1, {entry(1, 5, 3, 16)}), node(1, {})}).empty());
  const auto done = tracker.add({node(1, {entry(2, 1, 4, 24)}), node(1, {entry(2, 3, 4, 8)})});
  ASSERT_EQ(done.size(), 2u);
  EXPECT_EQ(done[0].round, 1u);
  EXPECT_DOUBLE_EQ(done[0].point.loss, 5);  // of those who were there
  EXPECT_DOUBLE_EQ(done[0].point.bytes_sent_per_node, 16);
  EXPECT_FALSE(done[0].snapshots);
  EXPECT_EQ(done[1].round, 2u);
  EXPECT_TRUE(done[1].snapshots);
}

TEST(ReportTracker, RoundsComeInOrder) {
  ReportTracker tracker(false, 2);
  const auto done = tracker.add({node(1, {entry(0, 1, 2, 0), entry(1, 1, 3, 0)}),
                                 node(1, {entry(0, 1, 2, 0), entry(1, 1, 3, 0)})});
  ASSERT_EQ(done.size(), 2u);
  EXPECT_EQ(done[0].round, 0u);
  EXPECT_EQ(done[1].round, 1u);
}

TEST(ReportTracker, TrainingLastsFromTheFirstStartToTheLastEnd) {
  control::ProgressReply first;
  first.unix_start = 100;
  first.seconds = 5;
  control::ProgressReply second;
  second.unix_start = 101;
  second.seconds = 4.5;
  EXPECT_DOUBLE_EQ(training_seconds({first, second}), 5.5);
}

}  // namespace
}  // namespace kith
