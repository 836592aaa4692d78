// Two transports of one process exchange messages over Unix sockets and over TCP.
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <zmq.hpp>

#include "daemon/real/zmq_transport.h"
#include "protocol/control.h"
#include "protocol/limits.h"
#include "topology/error.h"
#include "topology/rng.h"

namespace kith {
namespace {

constexpr uint64_t kJob = 0xfeedfacecafebeef;
constexpr size_t kMaxPayload = 6 * limits::kChunkBytes;
constexpr int kPatienceMs = 10000;

SharedBuffer random_bytes(size_t size, uint64_t seed, Pool& pool) {
  Buffer buffer = pool.acquire(size);
  Rng rng(seed, NodeId{0}, Purpose::kTest);
  for (size_t i = 0; i + 8 <= size; i += 8) {
    const uint64_t word = rng.next();
    std::memcpy(buffer.data() + i, &word, 8);
  }
  for (size_t i = size / 8 * 8; i < size; ++i) buffer.data()[i] = std::byte(rng.below(256));
  return std::move(buffer).freeze();
}

// A node: its transport and what came.
struct End final : ZmqTransport::Handler {
  explicit End(bool ipc) : transport({{"127.0.0.1", 0}, ipc}, *this) {}

  void message(Message&& message) override { messages.push_back(std::move(message)); }
  void stranger(const WireHeader& header, std::span<const std::byte>, const Origin&) override {
    strangers.push_back(header);
  }
  void refused(Status status, const Origin&) override { reasons.push_back(status.reason()); }
  void request(const std::string& caller, std::span<const std::byte> frame,
               const Origin&) override {
    requests.emplace_back(reinterpret_cast<const char*>(frame.data()), frame.size());
    transport.reply(caller, "\x80");
  }

  // Sleeps on the descriptor as the daemon does; false = `done` did not come true in time.
  template <typename F>
  bool wait(F done) {
    for (;;) {
      while (transport.drain()) {
      }
      if (done()) return true;
      std::vector<pollfd> ready;
      for (const int fd : transport.fds()) ready.push_back({fd, POLLIN, 0});
      if (poll(ready.data(), ready.size(), kPatienceMs) <= 0) {
        while (transport.drain()) {
        }
        return done();
      }
    }
  }

  PeerEndpoint endpoint(NodeId node) const {
    const Address& address = transport.listen();
    return {node, address.text(), "127.0.0.1", address.port, true};
  }

  std::vector<Message> messages;
  std::vector<WireHeader> strangers;
  std::vector<Reason> reasons;
  std::vector<std::string> requests;
  ZmqTransport transport;
};

struct Pair {
  explicit Pair(bool ipc) : a(ipc), b(ipc) {
    a.transport.join({kJob, NodeId{0}, kMaxPayload, {b.endpoint(NodeId{1})}});
    b.transport.join({kJob, NodeId{1}, kMaxPayload, {a.endpoint(NodeId{0})}});
  }
  Message to_b(SharedBuffer payload, uint64_t sequence = 1) const {
    Message message;
    message.from = NodeId{0};
    message.to = NodeId{1};
    message.kind = 5;
    message.round = 6;
    message.scalar = 0.25;
    message.sequence = sequence;
    message.payload = Payload(std::move(payload));
    return message;
  }
  End a, b;
};

class Transport : public testing::TestWithParam<bool> {};

INSTANTIATE_TEST_SUITE_P(Links, Transport, testing::Values(true, false), [](const auto& param) {
  return std::string(param.param ? "ipc" : "tcp");
});

// Sizes around every boundary of the path: empty, inside ZeroMQ's small messages, across its
// batches (where frames arrive unaligned), one chunk, several.
TEST_P(Transport, PayloadsOfEverySizeArriveBitForBit) {
  Pool pool;
  Pair pair(GetParam());
  constexpr size_t kChunk = limits::kChunkBytes;
  const std::vector<size_t> sizes = {
      0,    1,      7,          29,     30,         255, 256,  1001,       8123,           8192,
      8193, 100003, kChunk - 1, kChunk, kChunk + 1, 3,   5000, 3 * kChunk, 5 * kChunk + 13};
  std::vector<SharedBuffer> sent;
  for (size_t i = 0; i < sizes.size(); ++i) {
    sent.push_back(sizes[i] == 0 ? SharedBuffer() : random_bytes(sizes[i], i, pool));
    ASSERT_TRUE(pair.a.transport.send(pair.to_b(sent.back(), i + 1)).ok());
  }
  EXPECT_EQ(pair.a.transport.links()[0].ipc, GetParam());
  ASSERT_TRUE(pair.b.wait([&] { return pair.b.messages.size() == sizes.size(); }));
  for (size_t i = 0; i < sizes.size(); ++i) {
    const Message& got = pair.b.messages[i];
    EXPECT_EQ(got.from, NodeId{0});
    EXPECT_EQ(got.kind, 5);
    EXPECT_EQ(got.round, 6u);
    EXPECT_EQ(got.scalar, 0.25);
    EXPECT_EQ(got.sequence, i + 1);
    ASSERT_EQ(got.payload.size(), sizes[i]);
    if (sizes[i] == 0) continue;
    EXPECT_EQ(got.payload.chunks(), chunk_count(sizes[i]));
    EXPECT_TRUE(std::ranges::equal(got.payload.contiguous(pool).bytes(), sent[i].bytes()));
  }
  EXPECT_TRUE(pair.b.reasons.empty());
}

// Sent blocks go back to their pool once ZeroMQ has let go of them: nothing is copied or leaked.
TEST_P(Transport, SentBlocksComeHome) {
  Pool pool;
  Pair pair(GetParam());
  for (uint64_t i = 1; i <= 50; ++i) {
    ASSERT_TRUE(pair.a.transport.send(pair.to_b(random_bytes(1 << 20, i, pool), i)).ok());
    ASSERT_TRUE(pair.b.wait([&] { return pair.b.messages.size() == i; }));
  }
  EXPECT_LE(pool.peak_bytes(), size_t{8} << 20);
}

TEST_P(Transport, AForwardedPayloadNeedsNoCopy) {
  Pool pool;
  Pair pair(GetParam());
  const SharedBuffer block = random_bytes(3 * limits::kChunkBytes + 5, 3, pool);
  ASSERT_TRUE(pair.a.transport.send(pair.to_b(block)).ok());
  ASSERT_TRUE(pair.b.wait([&] { return pair.b.messages.size() == 1; }));
  Message back = std::move(pair.b.messages[0]);
  std::swap(back.from, back.to);
  for (uint32_t i = 0; i < chunk_count(back.payload.size()); ++i) {
    EXPECT_TRUE(chunk_of(back.payload, i, pool).block.same_block(back.payload.chunk(i)));
  }
  ASSERT_TRUE(pair.b.transport.send(back).ok());
  ASSERT_TRUE(pair.a.wait([&] { return pair.a.messages.size() == 1; }));
  const SharedBuffer got = pair.a.messages[0].payload.contiguous(pool);
  EXPECT_TRUE(std::ranges::equal(got.bytes(), block.bytes()));
}

// A peer that is not there: what waits is bounded, the rest is refused, nothing blocks; once it is
// there again what waited arrives in order and whole.
TEST_P(Transport, BackPressureIsBoundedAndFlushes) {
  Pool pool;
  auto b = std::make_unique<End>(GetParam());
  End a(GetParam());
  const PeerEndpoint to_b = b->endpoint(NodeId{1});
  const Address b_address = b->transport.listen();
  b.reset();
  a.transport.join({kJob, NodeId{0}, kMaxPayload, {to_b}});
  const SharedBuffer block = random_bytes(3 * limits::kChunkBytes, 1, pool);
  uint64_t taken = 0;
  Status status;
  while (status.ok() && taken < 10000) {
    Message message;
    message.from = NodeId{0};
    message.to = NodeId{1};
    message.sequence = taken + 1;
    message.payload = Payload(block);
    status = a.transport.send(message);
    taken += status.ok();
  }
  EXPECT_EQ(status.reason(), Reason::kBackPressure);
  EXPECT_LE(taken, 32 / 3 + 1 + limits::kQueuedMessages);
  EXPECT_EQ(a.transport.links()[0].queued_bytes, limits::kQueuedMessages * block.size());
  const auto blocked = a.transport.take_blocked();
  ASSERT_TRUE(blocked.has_value());
  EXPECT_EQ(blocked->peer, NodeId{1});
  EXPECT_FALSE(a.transport.take_blocked().has_value());

  struct Late final : ZmqTransport::Handler {
    void message(Message&& message) override { sequences.push_back(message.sequence); }
    void stranger(const WireHeader&, std::span<const std::byte>, const Origin&) override {}
    void refused(Status, const Origin&) override { ++refusals; }
    void request(const std::string&, std::span<const std::byte>, const Origin&) override {}
    std::vector<uint64_t> sequences;
    int refusals = 0;
  } late;
  ZmqTransport revived({b_address, GetParam()}, late);
  revived.join({kJob, NodeId{1}, kMaxPayload, {a.endpoint(NodeId{0})}});
  bool still_blocked = true;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  while (late.sequences.size() < taken && std::chrono::steady_clock::now() < deadline) {
    pollfd ready[] = {{revived.fds().front(), POLLIN, 0}, {blocked->fd, POLLIN, 0}};
    poll(ready, still_blocked ? 2 : 1, 20);
    while (revived.drain()) {
    }
    if (still_blocked) still_blocked = a.transport.flush(NodeId{1});
  }
  ASSERT_EQ(late.sequences.size(), taken);
  EXPECT_TRUE(std::ranges::is_sorted(late.sequences));
  EXPECT_EQ(late.refusals, 0);
  EXPECT_FALSE(still_blocked);
  EXPECT_EQ(a.transport.links()[0].queued_bytes, 0u);
}

// A local address behind which no Unix socket listens, as with a container's published port.
TEST(TransportRules, FallsBackToTcpWhereNoUnixSocketListens) {
  Pool pool;
  End a(true);
  End b(false);
  a.transport.join({kJob, NodeId{0}, kMaxPayload, {b.endpoint(NodeId{1})}});
  b.transport.join({kJob, NodeId{1}, kMaxPayload, {a.endpoint(NodeId{0})}});
  Message message;
  message.from = NodeId{0};
  message.to = NodeId{1};
  message.payload = Payload(random_bytes(1000, 1, pool));
  ASSERT_TRUE(a.transport.send(message).ok());
  EXPECT_FALSE(a.transport.links()[0].ipc);
  ASSERT_TRUE(b.wait([&] { return b.messages.size() == 1; }));
  std::swap(message.from, message.to);
  ASSERT_TRUE(b.transport.send(message).ok());
  ASSERT_TRUE(a.wait([&] { return a.messages.size() == 1; }));
}

TEST(TransportRules, UnknownPeersAndOtherRunsAreKeptOut) {
  Pool pool;
  Pair pair(true);
  Message message = pair.to_b(random_bytes(10, 1, pool));
  message.to = NodeId{7};
  EXPECT_EQ(pair.a.transport.send(message).reason(), Reason::kUnknownPeer);
  message = pair.to_b(random_bytes(10, 1, pool));
  message.from = NodeId{7};
  ASSERT_TRUE(pair.a.transport.send(message).ok());
  ASSERT_TRUE(pair.b.wait([&] { return pair.b.reasons.size() == 1; }));
  EXPECT_EQ(pair.b.reasons[0], Reason::kUnknownPeer);
  pair.a.transport.join({kJob + 1, NodeId{0}, kMaxPayload, {pair.b.endpoint(NodeId{1})}});
  ASSERT_TRUE(pair.a.transport.send(pair.to_b(random_bytes(10, 1, pool))).ok());
  ASSERT_TRUE(pair.b.wait([&] { return pair.b.strangers.size() == 1; }));
  EXPECT_EQ(pair.b.strangers[0].job, kJob + 1);
  EXPECT_TRUE(pair.b.messages.empty());
}

// Anything a ZeroMQ socket can say: counted, dropped, and a good message still comes through.
TEST(TransportRules, GarbageFramesAreCountedAndDropped) {
  Pool pool;
  Pair pair(true);
  zmq::context_t context;
  zmq::socket_t dealer(context, zmq::socket_type::dealer);
  dealer.set(zmq::sockopt::linger, 0);
  dealer.connect("tcp://" + pair.b.transport.listen().text());
  const auto say = [&](std::vector<std::string> frames) {
    for (size_t i = 0; i < frames.size(); ++i) {
      dealer.send(zmq::buffer(frames[i]),
                  i + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
    }
  };
  Message good = pair.to_b(random_bytes(100, 1, pool));
  WireHeader header = header_of(good, kJob);
  const auto text = [](const WireHeader& h) {
    const WireHeaderBytes bytes = encode_header(h);
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  const std::string body(100, 'x');
  say({""});                                 // truncated
  say({"garbage"});                          // truncated
  say({std::string(70, '\xff')});            // malformed
  say({std::string(5000, '\x9b')});          // oversized
  say({text(header)});                       // its payload is missing: truncated
  say({text(header), body + "y"});           // oversized
  say({text(header), body, "third frame"});  // malformed
  header.to = NodeId{0};
  say({text(header), body});  // not for this node: unknown peer
  header = header_of(good, kJob);
  header.payload_bytes = kMaxPayload + 1;
  header.chunks = chunk_count(header.payload_bytes);
  say({text(header), std::string(limits::kChunkBytes, 'x')});  // oversized
  const uint64_t seed = 5;
  SCOPED_TRACE(seed);
  Rng rng(seed, NodeId{0}, Purpose::kTest);
  for (int i = 0; i < 500; ++i) {
    std::string noise(rng.below(200), '\0');
    for (char& c : noise) c = static_cast<char>(rng.below(256));
    if (!noise.empty()) noise[0] = '\x9b';  // not a control frame, which would be handed on
    say({noise, noise});
  }
  ASSERT_TRUE(pair.b.wait([&] { return pair.b.reasons.size() >= 509; }));
  const std::vector<Reason> expected = {
      Reason::kTruncated, Reason::kTruncated,   Reason::kMalformed,
      Reason::kOversized, Reason::kTruncated,   Reason::kOversized,
      Reason::kMalformed, Reason::kUnknownPeer, Reason::kOversized};
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), pair.b.reasons.begin()));
  EXPECT_TRUE(pair.b.messages.empty());
  ASSERT_TRUE(pair.a.transport.send(good).ok());
  ASSERT_TRUE(pair.b.wait([&] { return pair.b.messages.size() == 1; }));
}

TEST(TransportRules, RequestsAreHandedOnAndAnswered) {
  End end(false);
  zmq::context_t context;
  zmq::socket_t dealer(context, zmq::socket_type::dealer);
  dealer.set(zmq::sockopt::linger, 0);
  dealer.set(zmq::sockopt::rcvtimeo, kPatienceMs);
  dealer.connect("tcp://" + end.transport.listen().text());
  dealer.send(zmq::buffer(control::encode_request(4, control::HelloRequest{})));
  ASSERT_TRUE(end.wait([&] { return end.requests.size() == 1; }));
  EXPECT_EQ(end.requests[0], control::encode_request(4, control::HelloRequest{}));
  zmq::message_t answer;
  ASSERT_TRUE(dealer.recv(answer).has_value());
  EXPECT_EQ(answer.to_string(), "\x80");
}

TEST(TransportRules, ATakenPortIsOneClearSentence) {
  End first(true);
  struct Nothing final : ZmqTransport::Handler {
    void message(Message&&) override {}
    void stranger(const WireHeader&, std::span<const std::byte>, const Origin&) override {}
    void refused(Status, const Origin&) override {}
    void request(const std::string&, std::span<const std::byte>, const Origin&) override {}
  } nothing;
  try {
    ZmqTransport second({first.transport.listen(), true}, nothing);
    FAIL() << "two transports on one port";
  } catch (const OperatorError& error) {
    EXPECT_NE(std::string(error.what()).find(first.transport.listen().text()), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("taken"), std::string::npos);
  }
}

}  // namespace
}  // namespace kith
