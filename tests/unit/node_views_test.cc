// What a node makes of views of its star (protocol/view.h): it goes on from where the hub says,
// with the numbers of the run, and views that cannot be are counted and change nothing.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "daemon/node_kinds.h"
#include "protocol/view.h"
#include "tests/support/silent_body.h"

namespace kith {
namespace {

constexpr uint32_t kNodes = 4;
constexpr Round kRounds = 20;

// Node 2 of a star of four, which has begun.
struct Member : OneNode {
  explicit Member(const std::string& algorithm)
      : OneNode(parse_job("[model]\nkind = \"quadratic\"\nreplicas = 2\n[topology]\n"
                          "graph = \"star\"\n[stop]\nrounds = 20\n[algorithm]\nkind = \"" +
                          algorithm + "\"\n"),
                kNodes, NodeId{2}, {.depth = 2, .leaves = true}) {}

  // Of a hub 1 and the members whose bits are set.
  Message view(uint64_t number, Round from, unsigned members, float x = 3) {
    const float values[] = {x, x};
    Buffer block = pool.acquire(sizeof values + 1);
    std::memcpy(block.data(), values, sizeof values);
    block.bytes()[sizeof values] = static_cast<std::byte>(members);
    Message message;
    message.from = NodeId{1};
    message.to = NodeId{2};
    message.kind = kView;
    message.round = from;
    message.scalar = 7;
    message.sequence = number;
    message.payload = std::move(block).freeze();
    return message;
  }
};

TEST(NodeViews, AMemberGoesOnFromTheHubsModel) {
  Member m("sync");
  ASSERT_EQ(m.body.work.size(), 1u);
  m.receive(m.view(5, 12, 0b0110));
  EXPECT_EQ(m.body.cancelled, std::vector<uint64_t>{1}) << "the work of before";
  ASSERT_EQ(m.body.work.size(), 2u);
  EXPECT_EQ(m.body.work[1].at.floats()[0], 3);
  EXPECT_EQ(m.body.work[1].first_batch, 12u) << "in one round all are at its place of the schedule";
  EXPECT_EQ(m.body.work[1].ticket, 2u);
  EXPECT_EQ(m.node.round(), 12u);
  EXPECT_EQ(m.node.state().self, NodeId{1});
  EXPECT_EQ(m.node.state().nodes, 2u);
  EXPECT_EQ(m.node.state().rounds, kRounds - 12);
  EXPECT_TRUE(m.node.has_left(NodeId{0}));
  EXPECT_FALSE(m.node.has_left(NodeId{1}));
  ASSERT_NE(m.body.last(kLast), nullptr) << "which tells the hub that it is there";
  EXPECT_EQ(m.body.last(kLast)->sequence, (uint64_t{5} << View::kNumberBits));
  // What it computes goes to the new hub, numbered from the view's own base.
  Computed computed;
  computed.ticket = 2;
  computed.steps = 1;
  computed.result = initial_parameters(m.job, *m.model, m.pool);
  m.node.handle(std::move(computed), Time{});
  ASSERT_FALSE(m.body.sent.empty());
  EXPECT_EQ(m.body.sent.back().to, NodeId{1});
  EXPECT_EQ(m.body.sent.back().from, NodeId{2});
  EXPECT_EQ(m.body.sent.back().sequence, (uint64_t{5} << View::kNumberBits) + 1);
}

// Local steps that cannot be taken back are waited for: a learner does one thing at a time.
TEST(NodeViews, WorkThatCannotBeCancelledComesToItsEndFirst) {
  Member m("local-sgd");
  ASSERT_EQ(m.body.work.size(), 1u);
  m.receive(m.view(1, 2, 0b0110));
  m.receive(m.view(2, 3, 0b0110, 4));
  EXPECT_TRUE(m.body.cancelled.empty());
  EXPECT_EQ(m.body.work.size(), 1u);
  Computed computed;
  computed.ticket = 1;
  computed.result = initial_parameters(m.job, *m.model, m.pool);
  const size_t sent = m.body.sent.size();
  m.node.handle(std::move(computed), Time{});
  EXPECT_EQ(m.body.sent.size(), sent) << "and is of no use";
  ASSERT_EQ(m.body.work.size(), 2u);
  EXPECT_EQ(m.body.work[1].at.floats()[0], 4);
}

TEST(NodeViews, OlderViewsAndMessagesOfOthersChangeNothing) {
  Member m("sync");
  m.receive(m.view(5, 12, 0b0110));
  m.receive(m.view(4, 15, 0b0110, 9));
  EXPECT_EQ(m.node.round(), 12u);
  ASSERT_NE(m.body.last(kTold), nullptr) << "whoever tells of it hears of the newer one";
  EXPECT_EQ(m.body.last(kTold)->sequence, 5u);
  Message model;
  model.from = NodeId{0};
  model.to = NodeId{2};
  model.kind = 2 | kSupersedes;
  model.round = 1;
  model.sequence = 1;
  m.receive(std::move(model));
  EXPECT_EQ(m.refused(Reason::kNoContract), 1u) << "from the hub of before";
}

TEST(NodeViews, WhatCannotBeIsRefused) {
  Member m("sync");
  const auto refuses = [&](Message&& message, Reason reason, const char* why) {
    const uint64_t before = m.refused(reason);
    m.receive(std::move(message));
    EXPECT_EQ(m.refused(reason), before + 1) << why;
    EXPECT_EQ(m.node.round(), 0u) << why;
    EXPECT_EQ(m.body.work.size(), 1u) << why;
  };
  refuses(m.view(0, 3, 0b0110), Reason::kMalformed, "the number of the beginning");
  refuses(m.view(View::kMostNumber + 1, 3, 0b0110), Reason::kMalformed, "no number");
  refuses(m.view(1, kRounds, 0b0110), Reason::kMalformed, "nothing left to do");
  refuses(m.view(1, 3, 0b0010), Reason::kMalformed, "without this node");
  refuses(m.view(1, 3, 0b0100), Reason::kMalformed, "without its hub");
  refuses(m.view(1, 3, 0b0110, std::numeric_limits<float>::infinity()), Reason::kNotFinite, "x");
  Message message = m.view(1, 3, 0b0110);
  message.payload = Payload(initial_parameters(m.job, *m.model, m.pool));
  refuses(std::move(message), Reason::kMalformed, "no members");
  message = m.view(1, 3, 0b0110);
  message.scalar = std::numeric_limits<double>::quiet_NaN();
  refuses(std::move(message), Reason::kMalformed, "no number of batches");
  message = m.view(1, 3, 0b0110);
  message.kind = kOver;
  refuses(std::move(message), Reason::kMalformed, "an end that is none");
  message = m.view(1, 3, 0b0110);
  message.kind = kSeek;
  message.scalar = 0.5;
  refuses(std::move(message), Reason::kMalformed, "no standing");
}

TEST(NodeViews, TheModelOfTheEndEndsTheRun) {
  Member m("sync");
  Message over = m.view(3, kRounds, 0);
  over.kind = kOver;
  over.payload = Payload(initial_parameters(m.job, *m.model, m.pool));
  m.receive(std::move(over));
  ASSERT_EQ(m.body.finished.size(), 1u);
  EXPECT_EQ(m.body.finished[0].round, kRounds);
  EXPECT_EQ(m.node.round(), kRounds);
  EXPECT_TRUE(m.node.finished());
  // And it hands that on to whoever asks.
  Message join;
  join.from = NodeId{3};
  join.to = NodeId{2};
  join.kind = kJoin;
  m.receive(std::move(join));
  ASSERT_NE(m.body.last(kOver), nullptr);
  EXPECT_EQ(m.body.last(kOver)->to, NodeId{3});
}

}  // namespace
}  // namespace kith
