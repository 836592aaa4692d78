// How the nodes of a run begin together, and go on together after a crash, whatever is late, lost,
// doubled or dies meanwhile.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "tests/support/meetings.h"

namespace kith {
namespace {

using std::chrono::seconds;

// All orders of loading on a line 0 - 1 - 2: everyone begins, and only after its neighbours loaded.
TEST(FirstMeeting, EndsForAllWhateverTheOrderOfArrival) {
  std::vector<uint32_t> order = {0, 1, 2};
  do {
    std::vector<std::unique_ptr<Meeting>> nodes(3);
    std::vector<Message> wire;
    for (const uint32_t arriving : order) {
      std::vector<NodeId> neighbors;
      if (arriving > 0) neighbors.push_back(NodeId{arriving - 1});
      if (arriving < 2) neighbors.push_back(NodeId{arriving + 1});
      nodes[arriving] = std::make_unique<FirstMeeting>(NodeId{arriving}, neighbors, life(0), false);
      nodes[arriving]->ask({}, wire);
      while (!wire.empty()) {
        const Message message = wire.front();
        wire.erase(wire.begin());
        const auto& to = nodes[index_of(message.to)];
        if (to) to->heard(message, 0, wire);  // a daemon that has not loaded yet hears nothing
      }
      for (uint32_t i = 0; i < 3; ++i) {
        if (!nodes[i] || !nodes[i]->complete()) continue;
        EXPECT_TRUE(i == 0 || nodes[i - 1]);
        EXPECT_TRUE(i == 2 || nodes[i + 1]);
      }
    }
    for (const auto& node : nodes) EXPECT_TRUE(node->complete());
  } while (std::next_permutation(order.begin(), order.end()));
}

// ---- a run that has not stopped ----

// Two nodes, of which the other speaks by the test.
class Newcomer {
 public:
  explicit Newcomer(Entries entries, uint32_t nodes = 2, bool goes_on = true)
      : meeting(NodeId{0}, {NodeId{1}}, life(3), {nodes, goes_on, std::move(entries)}, pool) {}

  std::vector<Message> hear(double scalar, Round round, uint32_t generation) {
    std::vector<Message> out;
    meeting.heard({.from = NodeId{1},
                   .to = NodeId{0},
                   .kind = kReady,
                   .round = round,
                   .scalar = scalar,
                   .sequence = life(generation),
                   .payload = {}},
                  0, out);
    return out;
  }

  Pool pool;
  ResumeMeeting meeting;
};

constexpr double kQuestion = 1;
constexpr double kRunning = 3;

TEST(ResumeMeeting, WhoRunsWins) {
  Newcomer newcomer{Entries{{20}, {10}}};
  newcomer.hear(kRunning, 25, 1);
  EXPECT_TRUE(newcomer.meeting.complete());
  EXPECT_TRUE(newcomer.meeting.late());
}

// One that was away for long has begun alone, from long ago: nobody loses work to that.
TEST(ResumeMeeting, ButNotWhoLagsBehindWhatThisNodeHasKept) {
  Newcomer newcomer{Entries{{200}, {190}, {180}, {170}}, 3};
  newcomer.hear(kRunning, 25, 1);
  EXPECT_FALSE(newcomer.meeting.complete());
  EXPECT_EQ(newcomer.meeting.absent(), std::vector{NodeId{2}});
  std::vector<Message> out;
  newcomer.meeting.ask(seconds(1), out);  // after the news
  newcomer.meeting.ask(seconds(2) + ResumeMeeting::kPatience, out);
  EXPECT_TRUE(newcomer.meeting.complete());
  EXPECT_FALSE(newcomer.meeting.late());
  EXPECT_EQ(newcomer.meeting.round(), 200u);
}

// AD-PSGD and the like: the others may be slower, and nobody waits for rounds in common.
TEST(ResumeMeeting, WithoutRoundsInCommonItGoesOnFromItsOwnAtOnce) {
  constexpr Round kAny = Restart::kAnyLater;
  Newcomer newcomer{Entries{{200, kAny}, {190, kAny}, {0, kAny}}, 3};
  newcomer.hear(kRunning, 150, 1);
  EXPECT_TRUE(newcomer.meeting.complete());
  EXPECT_FALSE(newcomer.meeting.late());
  EXPECT_EQ(newcomer.meeting.round(), 200u);
  EXPECT_EQ(newcomer.meeting.absent(), (std::vector{NodeId{1}, NodeId{2}}));
  Newcomer before_its_first{Entries{{0, kAny}}, 3};
  before_its_first.hear(kRunning, 150, 1);
  EXPECT_TRUE(before_its_first.meeting.late());
}

// Of two the one that came back first lost the other before it had told its model: each would wait
// for the other for ever.
TEST(ResumeMeeting, AndNotWhoHasNothingItself) {
  Newcomer newcomer{Entries{{0}}};
  newcomer.hear(kRunning, 0, 1);
  EXPECT_TRUE(newcomer.meeting.complete());
  EXPECT_FALSE(newcomer.meeting.late());
  EXPECT_EQ(newcomer.meeting.round(), 0u);
}

// A neighbour that meets for the first time has run no round with anybody.
TEST(ResumeMeeting, BeginsWithWhoBegins) {
  Newcomer newcomer{Entries{{0}}};
  const std::vector<Message> out = newcomer.hear(kQuestion, 0, 0);
  EXPECT_TRUE(newcomer.meeting.complete());
  EXPECT_FALSE(newcomer.meeting.late());
  EXPECT_EQ(newcomer.meeting.contract(), 0u);  // that of a first meeting
  FirstMeeting first(NodeId{1}, {NodeId{0}}, life(0), true);
  std::vector<Message> answers;
  for (const Message& message : out) first.heard(message, 0, answers);
  EXPECT_TRUE(first.complete());
  EXPECT_FALSE(first.late());
}

// Node 1 has begun with node 0 and goes on without it; another life of node 0 comes.
TEST(ResumeMeeting, LearnsFromAFirstMeetingThatIsOver) {
  FirstMeeting one(NodeId{1}, {NodeId{0}}, life(0), true);
  FirstMeeting before(NodeId{0}, {NodeId{1}}, life(0), true);
  std::vector<Message> wire;
  before.ask({}, wire);
  while (!wire.empty()) {
    const Message message = wire.front();
    wire.erase(wire.begin());
    (message.to == NodeId{0} ? before : one).heard(message, 0, wire);
  }
  ASSERT_TRUE(one.complete() && before.complete());
  Pool pool;
  ResumeMeeting again(NodeId{0}, {NodeId{1}}, life(1), {2, true, {{0}}}, pool);
  again.ask({}, wire);
  std::vector<Message> answers;
  for (const Message& message : wire) one.heard(message, 17, answers);
  ASSERT_EQ(answers.size(), 1u);
  again.heard(answers[0], 0, wire);
  EXPECT_TRUE(again.late());
}

// Given the job again by a client after its daemon had lost all that it knew: its generation is the
// first once more, and its life is not.
TEST(FirstMeeting, AnotherLifeInTheFirstGenerationIsToldOfTheRun) {
  FirstMeeting one(NodeId{1}, {NodeId{0}}, life(0, 5), true);
  for (const auto& [begun, late] : {std::pair{6, false}, std::pair{7, true}}) {
    FirstMeeting zero(NodeId{0}, {NodeId{1}}, life(0, begun), true);
    std::vector<Message> wire;
    zero.ask({}, wire);
    while (!wire.empty()) {
      const Message message = wire.front();
      wire.erase(wire.begin());
      (message.to == NodeId{0} ? static_cast<Meeting&>(zero) : one).heard(message, 17, wire);
    }
    EXPECT_TRUE(zero.complete());
    EXPECT_EQ(zero.late(), late);
  }
}

// The others have kept rounds; one that says that it begins has lost its disk, and begins nothing.
TEST(ResumeMeeting, WhatOthersHaveKeptIsNotThrownAwayForOneThatHasNothing) {
  Newcomer newcomer{Entries{{200}, {190}, {180}, {170}}};
  const std::vector<Message> out = newcomer.hear(kQuestion, 0, 0);
  EXPECT_TRUE(newcomer.meeting.complete());
  EXPECT_EQ(newcomer.meeting.round(), 200u);
  FirstMeeting first(NodeId{1}, {NodeId{0}}, life(0), true);
  std::vector<Message> answers;
  for (const Message& message : out) first.heard(message, 0, answers);
  EXPECT_TRUE(first.late());
}

// Where all must go back together and this node's disk was lost after it had met: once more.
TEST(ResumeMeeting, WhoHasMetInAnotherLifeCallsAllTogetherAnew) {
  Newcomer newcomer{Entries{{0}}, 2, false};
  newcomer.hear(kRunning, 25, 3);
  EXPECT_TRUE(newcomer.meeting.in_vain());
  EXPECT_FALSE(newcomer.meeting.complete());
}

}  // namespace
}  // namespace kith
