// Receiver-driven repair: numbering, duplicates, what is kept, and when to ask (ARCHITECTURE 5).
#include <gtest/gtest.h>

#include "protocol/edge.h"
#include "protocol/limits.h"

namespace kith {
namespace {

using std::chrono::milliseconds;

constexpr NodeId kSelf{0};
constexpr NodeId kPeer{1};

Time at(int64_t ms) { return Time(milliseconds(ms)); }

Message message_to(NodeId to) {
  Message message;
  message.from = kSelf;
  message.to = to;
  return message;
}

Message numbered(uint64_t sequence) {
  Message message;
  message.from = kPeer;
  message.to = kSelf;
  message.sequence = sequence;
  return message;
}

TEST(EdgeTable, NumbersEachEdgeForItselfFromOne) {
  EdgeTable edges({.depth = 2});
  for (uint64_t expected : {1, 2, 3}) {
    Message message = message_to(kPeer);
    edges.sent(message);
    EXPECT_EQ(message.sequence, expected);
  }
  Message other = message_to(NodeId{2});
  edges.sent(other);
  EXPECT_EQ(other.sequence, 1u);
}

TEST(EdgeTable, KeepsTheLastMessagesAndNoMore) {
  EdgeTable edges({.depth = 2});
  for (int i = 0; i < 5; ++i) {
    Message message = message_to(kPeer);
    edges.sent(message);
  }
  std::vector<Message> kept;
  edges.kept_after(kPeer, 0, kept);
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].sequence, 4u);
  EXPECT_EQ(kept[1].sequence, 5u);
  kept.clear();
  edges.kept_after(kPeer, 4, kept);
  EXPECT_EQ(kept.size(), 1u);
}

TEST(EdgeTable, RefusesWhatCameBeforeInAnyOrder) {
  EdgeTable edges({.depth = 2});
  for (uint64_t sequence : {3, 1, 4}) {
    EXPECT_TRUE(edges.check(numbered(sequence)).ok());
    edges.accept(numbered(sequence), at(1));
    EXPECT_EQ(edges.check(numbered(sequence)).reason(), Reason::kDuplicate);
  }
  EXPECT_EQ(edges.contiguous(kPeer), 1u);
  edges.accept(numbered(2), at(2));
  EXPECT_EQ(edges.contiguous(kPeer), 4u);
  EXPECT_EQ(edges.check(numbered(4)).reason(), Reason::kDuplicate);
  EXPECT_EQ(edges.check(numbered(0)).reason(), Reason::kDuplicate);
  EXPECT_EQ(edges.check(numbered(5 + 64)).reason(), Reason::kTooEarly);
}

TEST(EdgeTable, AsksAfterAFewComputingTimesAndThenEverLessOften) {
  EdgeTable edges({.depth = 2, .floor = milliseconds(1), .ceiling = milliseconds(1000)});
  edges.computed_in(milliseconds(5));
  edges.accept(numbered(1), at(195));
  EXPECT_EQ(edges.patience(kPeer), milliseconds(20));
  EXPECT_FALSE(edges.question(kPeer, at(200), at(219)).ask);
  EXPECT_TRUE(edges.question(kPeer, at(200), at(220)).ask);
  EXPECT_FALSE(edges.question(kPeer, at(200), at(259)).ask);
  EXPECT_TRUE(edges.question(kPeer, at(200), at(260)).ask);
  int asked = 0;
  for (int64_t t = 261; t < 6660; ++t) asked += edges.question(kPeer, at(200), at(t)).ask;
  EXPECT_GE(asked, 18);
  EXPECT_LE(asked, 23);  // every 320 ms once it has doubled four times
}

TEST(EdgeTable, LearnsFromEachEdgeWhetherAskingHelps) {
  EdgeTable edges({.depth = 2,
                   .floor = milliseconds(1),
                   .ceiling = milliseconds(100000),
                   .silence = milliseconds(10000)});
  edges.computed_in(milliseconds(5));
  edges.accept(numbered(1), at(0));
  for (int i = 1; i <= 20; ++i) {
    EXPECT_TRUE(edges.question(kPeer, at(0), at(30000 * i)).ask);
    EXPECT_FALSE(edges.lost(kPeer, 1));  // always too early
  }
  EXPECT_EQ(edges.patience(kPeer), milliseconds(20 * 64));
  for (uint64_t number = 2; number < 5; ++number) {
    const auto t = static_cast<int64_t>(number) * 1000000;
    EXPECT_TRUE(edges.question(kPeer, at(0), at(t)).ask);
    EXPECT_TRUE(edges.lost(kPeer, number));
    edges.accept(numbered(number), at(t + 1));
  }
  EXPECT_EQ(edges.patience(kPeer), milliseconds(20 * 8));
  EXPECT_EQ(edges.patience(), milliseconds(20));  // other edges are their own teachers
}

// Where all wait for one lost message they ask each other in vain, and the next loss must not cost
// them the more for it.
TEST(EdgeTable, QuestionsInVainPutTheNextOneOffByAQuarterOfTheSilenceAtMost) {
  EdgeTable edges({.depth = 2, .floor = milliseconds(1), .silence = milliseconds(2000)});
  edges.computed_in(milliseconds(50));
  edges.accept(numbered(1), at(0));
  for (int i = 1; i <= 20; ++i) {
    EXPECT_TRUE(edges.question(kPeer, at(0), at(30000 * i)).ask);
    EXPECT_FALSE(edges.lost(kPeer, 1));
  }
  EXPECT_EQ(edges.patience(kPeer), milliseconds(500));
  edges.computed_in(std::chrono::hours(1));
  EXPECT_GT(edges.patience(kPeer), milliseconds(500));  // its own computing is another matter
}

TEST(EdgeTable, WhereAPeerMayBeGoneLongComputingDoesNotPutQuestionsOff) {
  EdgeTable edges({.depth = 2, .silence = milliseconds(2000), .leaves = true});
  edges.computed_in(std::chrono::hours(1));
  EXPECT_EQ(edges.patience(kPeer), milliseconds(500));
}

// One that owes nothing keeps nobody waiting, and its death would go unnoticed.
TEST(EdgeTable, AQuietPeerIsAskedOnceASecondAndLeftWhenItAnswersNothing) {
  EdgeTable edges({.depth = 2, .silence = milliseconds(2000), .leaves = true});
  edges.heard(kPeer, at(1000));
  EXPECT_FALSE(edges.probe(kPeer, false, at(1999)).ask);
  EXPECT_TRUE(edges.probe(kPeer, false, at(2000)).ask);
  EXPECT_FALSE(edges.lost(kPeer, 0));                   // the answer
  EXPECT_EQ(edges.patience(kPeer), milliseconds(500));  // which teaches nothing
  edges.heard(kPeer, at(2010));
  EXPECT_FALSE(edges.probe(kPeer, false, at(3009)).ask);
  EXPECT_TRUE(edges.probe(kPeer, true, at(2135)).ask);  // sooner while the node is held up
  int64_t t = 2136;
  while (!edges.probe(kPeer, false, at(t)).gone) ++t;
  EXPECT_GE(t, 2010 + 2000);
  EXPECT_LE(t, 2010 + 2000 + 200);
}

TEST(EdgeTable, NamesASilentPeerUntilItIsHeardAgain) {
  EdgeTable edges({.depth = 2, .ceiling = milliseconds(500)});
  edges.accept(numbered(1), at(0));
  Duration silence{};
  for (int64_t t = 0; t <= 4000; t += 100) {
    silence = std::max(silence, edges.question(kPeer, at(0), at(t)).silence);
  }
  EXPECT_GE(silence, milliseconds(2000));
  edges.heard(kPeer, at(4000));
  EXPECT_EQ(edges.question(kPeer, at(0), at(4100)).silence, Duration::zero());
}

// A message that supersedes all before it may jump over numbers that never came.
TEST(EdgeTable, ASupersedingMessageIsNotHeldUpByLostOnes) {
  EdgeTable edges({.depth = 2});
  const auto model = [](uint64_t number) {
    Message message = numbered(number);
    message.kind = 2 | kSupersedes;
    return message;
  };
  ASSERT_TRUE(edges.check(model(500)).ok());
  edges.accept(model(500), at(0));
  EXPECT_EQ(edges.contiguous(kPeer), 500u);
  EXPECT_EQ(edges.check(model(499)).reason(), Reason::kDuplicate);
  ASSERT_TRUE(edges.check(numbered(502)).ok());
  edges.accept(numbered(502), at(0));
  EXPECT_EQ(edges.check(model(502)).reason(), Reason::kDuplicate);
  edges.accept(model(501), at(0));
  EXPECT_EQ(edges.contiguous(kPeer), 502u);
  EXPECT_EQ(edges.check(model(502 + limits::kSuperseded + 1)).reason(), Reason::kTooEarly);
  Message sent = message_to(kPeer);
  edges.sent(sent);
  sent.kind = 2 | kSupersedes;
  edges.sent(sent);
  std::vector<Message> kept;
  edges.kept_after(kPeer, 0, kept);
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].sequence, 2u);
}

// What the sender has no more is given up, once it says so in answer to a question.
TEST(EdgeTable, WhatIsGoneIsWaitedForNoLonger) {
  EdgeTable sender({.depth = 2});
  for (int i = 0; i < 9; ++i) {
    Message message = message_to(kPeer);
    sender.sent(message);
  }
  EXPECT_EQ(sender.gone(kPeer), 7u);
  EdgeTable receiver({.depth = 2});
  receiver.accept(numbered(8), at(0));
  receiver.skip(kPeer, 7);  // nobody asked
  EXPECT_EQ(receiver.contiguous(kPeer), 0u);
  ASSERT_TRUE(receiver.question(kPeer, at(0), at(100000)).ask);
  receiver.skip(kPeer, 7);
  EXPECT_EQ(receiver.contiguous(kPeer), 8u);
  EXPECT_TRUE(receiver.check(numbered(9)).ok());
}

// Of several that fall silent together all are suspected by the time that the first is gone.
TEST(EdgeTable, WhoLeavesHalfAsManyQuestionsUnansweredIsSuspected) {
  EdgeTable edges({.depth = 2, .silence = milliseconds(1000), .leaves = true});
  edges.renew(kPeer, 0, at(1));
  for (int asked = 0; asked < 8; ++asked) {
    EXPECT_FALSE(edges.suspected(kPeer));
    EXPECT_TRUE(edges.probe(kPeer, false, at(1001 + 63 * asked)).ask);
  }
  EXPECT_TRUE(edges.suspected(kPeer));
  edges.heard(kPeer, at(1600));
  EXPECT_FALSE(edges.suspected(kPeer));
}

// An answer that stands in a line behind messages is as late as the first question is old.
TEST(EdgeTable, ASlowLineIsNoDeadPeer) {
  EdgeTable edges({.depth = 2, .silence = milliseconds(2000), .leaves = true});
  int64_t now = 1;
  edges.renew(kPeer, 0, at(now));
  const auto silence = [&](int64_t lasts) {  // and gone by its end?
    bool gone = false;
    for (int64_t ms = now; ms < now + lasts; ms += 63) {
      gone = gone || edges.probe(kPeer, false, at(ms)).gone;
    }
    now += lasts;
    return gone;
  };
  EXPECT_FALSE(silence(1900));  // 0.9 s since it was asked
  edges.heard(kPeer, at(now));
  EXPECT_TRUE(silence(3000)) << "once is not much";
  edges.renew(kPeer, 0, at(now));
  EXPECT_FALSE(silence(1900));
  edges.heard(kPeer, at(now));
  EXPECT_FALSE(silence(2800));
  edges.heard(kPeer, at(now));
  EXPECT_FALSE(silence(5000)) << "it is always like that";
  edges.heard(kPeer, at(now));
  EXPECT_TRUE(silence(30000)) << "and now dead";
  edges.heard(kPeer, at(now));  // after a sleep, of which there is nothing to learn
  EXPECT_TRUE(silence(30000));
}

// A peer that is new to a node is as slow as its slowest, until more is known.
TEST(EdgeTable, OfANewPeerTheOthersTellHowLongAnswersTake) {
  EdgeTable edges({.depth = 2, .silence = milliseconds(1000), .leaves = true});
  edges.renew(kPeer, 0, at(1));
  EXPECT_TRUE(edges.probe(kPeer, false, at(1001)).ask);
  edges.heard(kPeer, at(1901));  // 0.9 s later, so 0.2 s on average
  const NodeId fresh{5};
  edges.renew(fresh, 0, at(2000));
  int64_t ms = 3000;
  while (!edges.probe(fresh, false, at(ms)).gone) ms += 20;
  EXPECT_GE(ms, 2000 + 8 * 225);
  EXPECT_LE(ms, 2000 + 8 * 225 + 1000);
}

}  // namespace
}  // namespace kith
