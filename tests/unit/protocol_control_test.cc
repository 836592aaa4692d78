#include <gtest/gtest.h>

#include <cstring>

#include "protocol/control.h"
#include "protocol/limits.h"
#include "topology/rng.h"

namespace kith::control {
namespace {

std::span<const std::byte> bytes_of(const std::string& s) {
  return std::as_bytes(std::span(s.data(), s.size()));
}

StartRequest example_start() {
  StartRequest start;
  start.job = "[job]\nname = \"a\"\n";
  start.node = NodeId{2};
  start.nodes = 3;
  start.peers = {{NodeId{0}, "127.0.0.1:7400"}, {NodeId{1}, "lab-7:7400"}};
  start.run = ~uint64_t{0};
  return start;
}

ProgressReply example_progress() {
  ProgressReply progress;
  progress.phase = Phase::kRunning;
  progress.run = 5;
  progress.round = 17;
  progress.rounds = 1000;
  progress.loss = 0.25;
  progress.seconds = 3;
  progress.unix_start = 1.7e9 + 0.5;
  progress.counters.bytes_sent = 1ull << 50;
  progress.counters.messages_lost = 4;
  progress.counters.refused = {{"malformed", 3}, {"stale", 1}};
  progress.silent = {{3, "127.0.0.1:4711", 3.2}};
  progress.edges = {{.peer = 7, .bytes_sent = 70, .decode_seconds = 0.5}};
  progress.reports = {{10, 0.5, 1.5, 1.7e9, 99, 98, 0.25, true},
                      {16, -0.0, 2.5, 1.7e9 + 1, 100, 0, -1, false}};
  progress.measures.apply(3);
  progress.measures.apply(1000);
  progress.measures.waits_for = 2;
  progress.next_report = 2;
  return progress;
}

swarm::Packet example_packet() {
  swarm::Packet packet;
  packet.kind = swarm::Packet::Kind::kRelay;
  packet.swarm = "kith";
  packet.from = "10.0.0.5:7400";
  packet.to = "10.0.0.6:7400";
  packet.subject = "10.0.0.7:7400";
  packet.sequence = 12;
  packet.rumours = {{"10.0.0.5:7400", swarm::State::kAlive, 3, "cellar", "0.1.0", "ab"},
                    {"10.0.0.7:7400", swarm::State::kSuspect, 1, "", "", ""}};
  return packet;
}

std::vector<std::string> all_frames() {
  StatusReply status;
  status.version = "1";
  status.resident_bytes = 7;
  status.injected = "compute exponential:0.02";
  status.peers = {{1, "h:1", "ipc", -1, 5}};
  status.progress = example_progress();
  return {encode_request(1, HelloRequest{}),
          encode_request(2, example_start()),
          encode_request(3, ProgressRequest{9}),
          encode_request(4, SnapshotRequest{Round{8}}),
          encode_request(4, SnapshotRequest{}),
          encode_request(5, StatusRequest{}),
          encode_request(6, StopJobRequest{}),
          encode_request(7, ShutdownRequest{}),
          encode_request(7, NodesRequest{}),
          encode_request(0, GossipRequest{example_packet()}),
          encode_request(8, ModelRequest{}),
          encode_reply(8, OkReply{}),
          encode_reply(9, ErrorReply{"[job] rounds: must be above 0."}),
          encode_reply(10, HelloReply{"0.1.0", 4242, Phase::kMeeting, "a", 1, 2}),
          encode_reply(11, example_progress()),
          encode_reply(12, SnapshotReply{3, 400}),
          encode_reply(13, status),
          encode_reply(14, NodesReply{"kith",
                                      {{"10.0.0.5:7400", swarm::State::kLeft, 2.5, 7, "cellar",
                                        "0.1.0", "ab"}}}),
          encode_reply(15, ModelReply{example_start(),
                                      Phase::kFinished,
                                      7,
                                      {{"layers.0.weight", {3, 4}}, {"layers.0.bias", {4}}},
                                      64})};
}

// Decodes as either; both must come back whatever the bytes are. What is accepted must encode.
bool decodes(std::span<const std::byte> frame) {
  uint64_t id = 0;
  Request request;
  Reply reply;
  bool any = false;
  if (decode_request(frame, id, request).ok()) any = !encode_request(id, request).empty();
  if (decode_reply(frame, id, reply).ok()) any = !encode_reply(id, reply).empty();
  return any;
}

TEST(Control, StartRoundTrips) {
  const StartRequest sent = example_start();
  uint64_t id = 0;
  Request request;
  ASSERT_TRUE(decode_request(bytes_of(encode_request(77, sent)), id, request).ok());
  EXPECT_EQ(id, 77u);
  const auto& got = std::get<StartRequest>(request);
  EXPECT_EQ(got.job, sent.job);
  EXPECT_EQ(got.node, sent.node);
  EXPECT_EQ(got.nodes, sent.nodes);
  EXPECT_EQ(got.run, sent.run);
  ASSERT_EQ(got.peers.size(), 2u);
  EXPECT_EQ(got.peers[1].node, NodeId{1});
  EXPECT_EQ(got.peers[1].endpoint, "lab-7:7400");
}

TEST(Control, APacketRoundTrips) {
  const swarm::Packet sent = example_packet();
  uint64_t id = 0;
  Request request;
  const std::string frame = encode_request(0, GossipRequest{sent});
  ASSERT_TRUE(decode_request(bytes_of(frame), id, request).ok());
  const swarm::Packet& got = std::get<GossipRequest>(request).packet;
  EXPECT_EQ(got.kind, sent.kind);
  EXPECT_EQ(got.subject, sent.subject);
  EXPECT_EQ(got.sequence, sent.sequence);
  ASSERT_EQ(got.rumours.size(), 2u);
  EXPECT_EQ(got.rumours[1].state, swarm::State::kSuspect);
  EXPECT_EQ(got.rumours[0].incarnation, 3u);
}

TEST(Control, ProgressRoundTrips) {
  uint64_t id = 0;
  Reply reply;
  ASSERT_TRUE(decode_reply(bytes_of(encode_reply(1, example_progress())), id, reply).ok());
  const auto& got = std::get<ProgressReply>(reply);
  EXPECT_EQ(got.phase, Phase::kRunning);
  EXPECT_EQ(got.round, 17u);
  EXPECT_EQ(got.seconds, 3.0);
  EXPECT_EQ(got.unix_start, 1.7e9 + 0.5);
  EXPECT_EQ(got.counters.bytes_sent, 1ull << 50);
  EXPECT_EQ(got.counters.messages_lost, 4u);
  ASSERT_EQ(got.counters.refused.size(), 2u);
  EXPECT_EQ(got.counters.refused[0].first, "malformed");
  ASSERT_EQ(got.edges.size(), 1u);
  EXPECT_EQ(got.edges[0].peer, 7u);
  EXPECT_EQ(got.edges[0].bytes_sent, 70u);
  EXPECT_EQ(got.edges[0].decode_seconds, 0.5);
  ASSERT_EQ(got.silent.size(), 1u);
  EXPECT_EQ(got.silent[0].seconds, 3.2);
  ASSERT_EQ(got.reports.size(), 2u);
  EXPECT_TRUE(got.reports[0].snapshot);
  EXPECT_EQ(got.reports[0].bytes_sent, 99u);
  EXPECT_EQ(got.reports[0].bytes_received, 98u);
  EXPECT_EQ(got.reports[0].disagreement, 0.25);
  EXPECT_EQ(got.measures.staleness, example_progress().measures.staleness);
  EXPECT_EQ(got.measures.staleness_sum, 1003u);
  EXPECT_EQ(got.measures.waits_for, 2u);
}

TEST(Control, AnAbsentRoundStaysAbsent) {
  uint64_t id = 0;
  Request request;
  ASSERT_TRUE(decode_request(bytes_of(encode_request(1, SnapshotRequest{})), id, request).ok());
  EXPECT_FALSE(std::get<SnapshotRequest>(request).round.has_value());
  const std::string with_round = encode_request(1, SnapshotRequest{Round{0}});
  ASSERT_TRUE(decode_request(bytes_of(with_round), id, request).ok());
  EXPECT_EQ(std::get<SnapshotRequest>(request).round, Round{0});
}

TEST(Control, EveryKindRoundTripsToTheSameBytes) {
  for (const std::string& frame : all_frames()) {
    uint64_t id = 0;
    Request request;
    Reply reply;
    ASSERT_TRUE(is_control(bytes_of(frame)));
    const bool as_request = decode_request(bytes_of(frame), id, request).ok();
    if (as_request) {
      EXPECT_EQ(encode_request(id, request), frame);
      continue;
    }
    ASSERT_TRUE(decode_reply(bytes_of(frame), id, reply).ok()) << frame;
    EXPECT_EQ(encode_reply(id, reply), frame);
  }
}

TEST(Control, EveryTruncationIsRefused) {
  for (const std::string& frame : all_frames()) {
    for (size_t size = 0; size < frame.size(); ++size) {
      EXPECT_FALSE(decodes(bytes_of(frame).first(size)));
    }
    EXPECT_FALSE(decodes(bytes_of(frame + '\0')));
  }
}

TEST(Control, EveryBitFlipComesBackAsAStatus) {
  size_t refused = 0;
  for (const std::string& frame : all_frames()) {
    for (size_t bit = 0; bit < frame.size() * 8; ++bit) {
      std::string flipped = frame;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      refused += !decodes(bytes_of(flipped));
    }
  }
  EXPECT_GT(refused, 0u);
}

TEST(Control, GarbageIsRefused) {
  const uint64_t seed = 20;
  SCOPED_TRACE(seed);
  Rng rng(seed, NodeId{0}, Purpose::kTest);
  for (int i = 0; i < 20000; ++i) {
    std::string frame(rng.below(60) + 1, '\0');
    for (char& c : frame) c = static_cast<char>(rng.below(256));
    frame[0] = static_cast<char>(0x80 | rng.below(16));  // a map: past the first test
    EXPECT_FALSE(decodes(bytes_of(frame)));
  }
}

// A length that promises 4 billion elements in a frame of 30 bytes must not be believed.
TEST(Control, DeclaredLengthsAreNotTrusted) {
  std::string frame = "\x81\xa4kith";
  for (int depth = 0; depth < 6; ++depth) frame += "\xdd\xff\xff\xff\xff";
  EXPECT_FALSE(decodes(bytes_of(frame)));
  frame = std::string("\x81\xa4kith\xdb\xff\xff\xff\xff", 11);
  EXPECT_FALSE(decodes(bytes_of(frame)));
  EXPECT_FALSE(decodes(bytes_of("\x81\xa4kith" + std::string(100000, '\x91') + '\x01')));
}

TEST(Control, AnotherVersionIsNamedAsSuchWithItsId) {
  std::string frame = encode_request(6, HelloRequest{});
  frame[frame.find("kith") + 4] = static_cast<char>(kVersion + 1);
  uint64_t id = 0;
  Request request;
  EXPECT_EQ(decode_request(bytes_of(frame), id, request).reason(), Reason::kWrongVersion);
  EXPECT_EQ(id, 6u);
}

TEST(Control, UnknownKeysArePassedOver) {
  std::string frame = encode_request(6, HelloRequest{});
  frame[0] = static_cast<char>(frame[0] + 1);
  frame += "\xa3new\x05";
  uint64_t id = 0;
  Request request;
  EXPECT_TRUE(decode_request(bytes_of(frame), id, request).ok());
}

}  // namespace
}  // namespace kith::control
