// What a node makes of messages that are not what they should be: counted, dropped, and never in
// the way of the honest one.
#include <gtest/gtest.h>

#include "daemon/node_kinds.h"
#include "protocol/codec/elias_fano.h"
#include "tests/codec_specs.h"
#include "tests/support/silent_body.h"
#include "tests/vectors.h"

namespace kith {
namespace {

// Node 0 of two, which has computed and waits for its neighbour.
struct Waiting : OneNode {
  explicit Waiting(const std::string& codec = "identity", bool leaves = false)
      : OneNode(parse_job("[model]\nkind = \"quadratic\"\nreplicas = 2\n[stop]\nrounds = 3\n"
                          "[codec]\nkind = \"" +
                          codec + "\"\n"),
                2, NodeId{0}, {.depth = 2, .leaves = leaves}) {
    computed(values(1));
  }

  SharedBuffer values(float value) { return copy_of(std::vector<float>{value, value}, pool); }

  Message message(uint64_t sequence, Round round = 0) {
    Message m;
    m.from = NodeId{1};
    m.to = NodeId{0};
    m.kind = 1;
    m.round = round;
    m.sequence = sequence;
    m.payload = values(3);
    return m;
  }

  // What the neighbour has coded.
  std::vector<std::byte> wire() {
    Rng rng = test::test_rng(1);
    SharedBuffer coded;
    EXPECT_TRUE(plan.codec->encode(values(3), rng, pool, coded).ok());
    return {coded.bytes().begin(), coded.bytes().end()};
  }

  using OneNode::receive;
  void receive(const std::vector<std::byte>& wire) {
    Buffer payload = pool.acquire(wire.size());
    std::ranges::copy(wire, payload.data());
    Message m = message(1);
    m.payload = std::move(payload).freeze();
    receive(std::move(m));
  }
};

TEST(NodeReceive, TheHonestMessageEndsTheRound) {
  Waiting w;
  w.receive(w.message(1));
  EXPECT_EQ(w.body.reported, 1u);
  EXPECT_FLOAT_EQ(w.node.state().parameters.floats()[0], 2);
}

TEST(NodeReceive, AForgedOneBeforeItIsCountedAndDoesNotUseItsNumberUp) {
  Waiting w;
  Message wrong_size = w.message(1);
  wrong_size.payload = copy_of(std::vector<float>{1, 2, 3}, w.pool);
  w.receive(std::move(wrong_size));
  Message wrong_kind = w.message(1);
  wrong_kind.kind = 77;
  w.receive(std::move(wrong_kind));
  EXPECT_EQ(w.refused(Reason::kOversized), 1u);
  EXPECT_EQ(w.refused(Reason::kMalformed), 1u);
  EXPECT_EQ(w.body.reported, 0u);
  w.receive(w.message(1));
  EXPECT_EQ(w.body.reported, 1u);
}

// A peer that is asked again and sends the same again would hold the round up for ever.
TEST(NodeReceive, WhoBreaksTheRulesAgainAndAgainIsLeftForGood) {
  Waiting w("identity", true);
  for (int i = 1; i <= 3; ++i) {
    EXPECT_FALSE(w.node.has_left(NodeId{1}));
    Message wrong_size = w.message(1);
    wrong_size.payload = copy_of(std::vector<float>{1, 2, 3}, w.pool);
    w.receive(std::move(wrong_size));
  }
  EXPECT_TRUE(w.node.has_left(NodeId{1}));
  EXPECT_EQ(w.body.reported, 1u);
  EXPECT_FLOAT_EQ(w.node.state().parameters.floats()[0], 1);  // its own model
  w.receive(w.message(1));
  EXPECT_EQ(w.refused(Reason::kNoContract), 1u);
  Message offer = w.message(1);
  offer.kind = kOffer;
  offer.payload = {};
  const size_t sent = w.body.sent.size();
  w.receive(std::move(offer));
  EXPECT_EQ(w.body.sent.size(), sent) << "nothing is proposed to it";
}

TEST(NodeReceive, AGoodMessageBetweenBrokenOnesIsForgiveness) {
  Waiting w("identity", true);
  for (uint64_t sequence = 1; sequence < 4; ++sequence) {
    for (int i = 0; i < 2; ++i) {
      Message wrong_size = w.message(sequence, sequence - 1);
      wrong_size.payload = copy_of(std::vector<float>{1, 2, 3}, w.pool);
      w.receive(std::move(wrong_size));
    }
    w.receive(w.message(sequence, sequence - 1));
  }
  EXPECT_FALSE(w.node.has_left(NodeId{1}));
}

// Whatever the codec: too short, too long, and a first number of 2^32 - 1 where one tells the
// count.
TEST(NodeReceive, WiresThatAreNoneAreCountedWhateverTheCodec) {
  for (const std::string& spec : test::every_codec()) {
    if (make_codec(spec)->decodes_jointly()) continue;  // wants a hub, and these two are equals
    SCOPED_TRACE(spec);
    Waiting w(spec);
    const std::vector<std::byte> honest = w.wire();
    std::vector<std::byte> wire = honest;
    wire.pop_back();
    w.receive(wire);
    EXPECT_EQ(w.refused(Reason::kTruncated), 1u);
    wire = honest;
    wire.push_back(std::byte{0});
    w.receive(wire);
    EXPECT_EQ(w.refused(Reason::kOversized), 1u);
    if (w.plan.codec->bytes_per_value() == 0) {
      wire = honest;
      std::fill_n(wire.begin(), 4, std::byte{0xff});
      w.receive(wire);
      EXPECT_EQ(w.refused(Reason::kTruncated) + w.refused(Reason::kMalformed), 2u);
    }
    EXPECT_EQ(w.body.reported, 0u);
    w.receive(honest);
    EXPECT_EQ(w.body.reported, 1u);
  }
}

TEST(NodeReceive, AnIndexOutOfRangeIsCounted) {
  Waiting w("threshold:1");
  // n 2, k 1: the high of a position is 0 or 1, in the bits 0 and 1 of a byte (elias_fano.h).
  std::vector<std::byte> wire(8 + elias_fano::bytes(2, 1) + 4);
  wire[0] = std::byte{2};
  wire[4] = std::byte{1};
  wire[8] = std::byte{1} << 7;
  w.receive(wire);
  EXPECT_EQ(w.refused(Reason::kMalformed), 1u);
  EXPECT_EQ(w.body.reported, 0u);
}

TEST(NodeReceive, ReplaysAndStrangersAreCounted) {
  Waiting w;
  w.receive(w.message(1));
  w.receive(w.message(1));
  EXPECT_EQ(w.refused(Reason::kDuplicate), 1u);
  w.receive(w.message(2, 0));  // a number not seen, a round that is over
  EXPECT_EQ(w.refused(Reason::kStale), 1u);
  Message stranger = w.message(1);
  stranger.from = NodeId{9};
  w.receive(std::move(stranger));
  Message to_another = w.message(3, 1);
  to_another.to = NodeId{1};
  w.receive(std::move(to_another));
  EXPECT_EQ(w.refused(Reason::kUnknownPeer), 2u);
  w.receive(w.message(3, 1000));
  EXPECT_EQ(w.refused(Reason::kTooEarly), 1u);
  EXPECT_EQ(w.body.reported, 1u);
}

// ARCHITECTURE 5: a receiver that misses a message is told of it, and then sent it again.
TEST(NodeReceive, WhatIsLostIsSentAgain) {
  Waiting w;
  ASSERT_EQ(w.body.sent.size(), 1u);
  const auto said = [&w](uint16_t kind, uint64_t number) {
    Message message = w.message(0);
    message.kind = kind;
    message.sequence = number;
    message.payload = {};
    w.receive(std::move(message));
  };
  said(kFirstNodeKind, 0);  // which is the last that you have sent?
  ASSERT_EQ(w.body.sent.size(), 2u);
  EXPECT_EQ(w.body.sent[1].kind, kFirstNodeKind + 1);
  EXPECT_EQ(w.body.sent[1].sequence, w.body.sent[0].sequence);
  EXPECT_EQ(w.node.counters().messages_resent, 0u);
  said(kFirstNodeKind + 2, 0);  // what came after 0 is lost
  ASSERT_EQ(w.body.sent.size(), 3u);
  EXPECT_EQ(w.body.sent[2].sequence, w.body.sent[0].sequence);
  EXPECT_EQ(w.body.sent[2].payload.size(), w.body.sent[0].payload.size());
  EXPECT_EQ(w.node.counters().messages_resent, 1u);
}

// Who asks tells what it has sent itself: it may wait for the answer to a request that was lost.
TEST(NodeReceive, AQuestionTellsOfWhatItsAskerHasLost) {
  Waiting w;
  const auto asked = [&w](uint64_t last_of_asker) {
    Message message = w.message(0);
    message.kind = kFirstNodeKind;
    message.sequence = last_of_asker;
    message.payload = {};
    w.body.sent.clear();
    w.receive(std::move(message));
  };
  asked(1);
  ASSERT_EQ(w.body.sent.size(), 2u);
  EXPECT_EQ(w.body.sent[0].kind, kFirstNodeKind + 1);
  EXPECT_EQ(w.body.sent[1].kind, kFirstNodeKind + 2);
  EXPECT_EQ(w.body.sent[1].sequence, 0u);
  w.receive(w.message(1));
  asked(1);
  EXPECT_EQ(w.body.sent.size(), 1u) << "all has come";
}

// The answer to a question of this node: it asks for what has not come, and for nothing else.
TEST(NodeReceive, OnlyWhatIsLostIsAskedForAgain) {
  Waiting w;
  const auto last_is = [&w](uint64_t number) {
    Message message = w.message(0);
    message.kind = kFirstNodeKind + 1;
    message.sequence = number;
    message.payload = {};
    w.receive(std::move(message));
  };
  last_is(0);
  EXPECT_EQ(w.body.sent.size(), 1u);
  last_is(1);
  ASSERT_EQ(w.body.sent.size(), 2u);
  EXPECT_EQ(w.body.sent[1].kind, kFirstNodeKind + 2);
  EXPECT_EQ(w.body.sent[1].sequence, 0u);
}

}  // namespace
}  // namespace kith
