#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "protocol/wire.h"
#include "topology/rng.h"

namespace kith {
namespace {

constexpr size_t kChunk = limits::kChunkBytes;

WireHeader example(uint64_t payload_bytes = 100) {
  WireHeader header;
  header.job = 0x0123456789abcdef;
  header.from = NodeId{3};
  header.to = NodeId{70000};
  header.kind = 0xff01;
  header.round = 1ull << 40;
  header.scalar = -0.1;
  header.sequence = 77;
  header.payload_bytes = payload_bytes;
  header.chunks = chunk_count(payload_bytes);
  return header;
}

SharedBuffer bytes_of(size_t size, uint64_t seed, Pool& pool) {
  Buffer buffer = pool.acquire(size);
  Rng rng(seed, NodeId{0}, Purpose::kTest);
  for (std::byte& b : buffer.bytes()) b = static_cast<std::byte>(rng.below(256));
  return std::move(buffer).freeze();
}

SharedBuffer copy_range(const ChunkView& view, Pool& pool) {
  Buffer buffer = pool.acquire(view.size);
  if (view.size > 0) std::memcpy(buffer.data(), view.block.data() + view.offset, view.size);
  return std::move(buffer).freeze();
}

struct Chunk {
  WireHeader header;
  SharedBuffer frame;
};

std::vector<Chunk> chunks_of(const Message& message, Pool& pool) {
  std::vector<Chunk> chunks;
  WireHeader header = header_of(message, 9);
  for (header.chunk = 0; header.chunk < header.chunks; ++header.chunk) {
    chunks.push_back({header, copy_range(chunk_of(message.payload, header.chunk, pool), pool)});
  }
  return chunks;
}

Message message_with(SharedBuffer payload, uint64_t sequence = 1) {
  Message message;
  message.from = NodeId{1};
  message.to = NodeId{2};
  message.sequence = sequence;
  message.payload = Payload(std::move(payload));
  return message;
}

TEST(Wire, HeaderRoundTripsWithEveryFieldAndFitsItsLimit) {
  const WireHeader sent = example(3 * kChunk + 1);
  const WireHeaderBytes bytes = encode_header(sent);
  EXPECT_EQ(bytes.size(), kWireHeaderBytes);
  WireHeader read;
  ASSERT_TRUE(decode_header(bytes, read).ok());
  EXPECT_EQ(read.job, sent.job);
  EXPECT_EQ(read.from, sent.from);
  EXPECT_EQ(read.to, sent.to);
  EXPECT_EQ(read.kind, sent.kind);
  EXPECT_EQ(read.round, sent.round);
  EXPECT_EQ(read.scalar, sent.scalar);
  EXPECT_EQ(read.sequence, sent.sequence);
  EXPECT_EQ(read.payload_bytes, sent.payload_bytes);
  EXPECT_EQ(read.chunk, 0u);
  EXPECT_EQ(read.chunks, 4u);
}

TEST(Wire, ScalarsTravelBitForBit) {
  for (const double scalar : {0.0, -0.0, 1e-310, 1e308, std::numeric_limits<double>::infinity(),
                              std::numeric_limits<double>::quiet_NaN()}) {
    WireHeader header = example();
    header.scalar = scalar;
    WireHeader read;
    ASSERT_TRUE(decode_header(encode_header(header), read).ok());
    EXPECT_EQ(std::memcmp(&read.scalar, &scalar, sizeof scalar), 0);
  }
}

// The bytes written out by hand from the MessagePack specification: an array of 11 at full width.
TEST(Wire, HeaderIsMessagePack) {
  WireHeader header;
  header.job = 1;
  header.from = NodeId{2};
  header.to = NodeId{3};
  header.kind = 4;
  header.round = 5;
  header.scalar = 1.5;
  header.sequence = 6;
  header.payload_bytes = 7;
  const std::string expected(
      "\x9b\x01\xcf\0\0\0\0\0\0\0\x01\xce\0\0\0\x02\xce\0\0\0\x03\xcd\0\x04\xcf\0\0\0\0\0\0\0\x05"
      "\xcb\x3f\xf8\0\0\0\0\0\0\xcf\0\0\0\0\0\0\0\x06\xcf\0\0\0\0\0\0\0\x07\xce\0\0\0\0\xce\0\0\0"
      "\x01",
      70);
  const WireHeaderBytes bytes = encode_header(header);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), expected);
}

TEST(Wire, EveryTruncationAndExtensionIsRefused) {
  const WireHeaderBytes bytes = encode_header(example());
  WireHeader read;
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(decode_header(std::span(bytes).first(size), read).reason(), Reason::kTruncated);
  }
  std::vector<std::byte> longer(bytes.begin(), bytes.end());
  for (int i = 0; i < 300; ++i) {
    longer.push_back(std::byte{0});
    EXPECT_EQ(decode_header(longer, read).reason(), Reason::kOversized);
  }
}

// A flipped bit either is refused or is another header within all limits, and encodes to itself.
TEST(Wire, EveryBitFlipIsRefusedOrHarmless) {
  const WireHeaderBytes bytes = encode_header(example(5 * kChunk));
  size_t refused = 0;
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    WireHeaderBytes flipped = bytes;
    flipped[bit / 8] ^= std::byte{static_cast<uint8_t>(1u << bit % 8)};
    WireHeader read;
    if (!decode_header(flipped, read).ok()) {
      ++refused;
      continue;
    }
    EXPECT_LE(read.payload_bytes, limits::kPayloadBytes);
    EXPECT_LT(read.chunk, read.chunks);
    EXPECT_EQ(encode_header(read), flipped) << "bit " << bit;
  }
  // The 12 tag and version bytes alone have 96 bits, of which each must be refused.
  EXPECT_GE(refused, 96u);
}

TEST(Wire, LimitsAndWrongChunkCountsAreRefused) {
  WireHeader read;
  WireHeader header = example();
  header.payload_bytes = limits::kPayloadBytes + 1;
  EXPECT_EQ(decode_header(encode_header(header), read).reason(), Reason::kOversized);
  header = example(2 * kChunk);
  header.chunks = 3;
  EXPECT_EQ(decode_header(encode_header(header), read).reason(), Reason::kMalformed);
  header = example(2 * kChunk);
  header.chunk = 2;
  EXPECT_EQ(decode_header(encode_header(header), read).reason(), Reason::kMalformed);
  header = example();
  header.from = NodeId{limits::kNodes};
  EXPECT_EQ(decode_header(encode_header(header), read).reason(), Reason::kUnknownPeer);
  WireHeaderBytes other_version = encode_header(example());
  other_version[1] = std::byte{kWireVersion + 1};
  EXPECT_EQ(decode_header(other_version, read).reason(), Reason::kWrongVersion);
}

TEST(Wire, SizeCountsEveryHeader) {
  Pool pool;
  EXPECT_EQ(wire_size(Message{}), kWireHeaderBytes);
  EXPECT_EQ(wire_size(message_with(bytes_of(1, 1, pool))), kWireHeaderBytes + 1);
  EXPECT_EQ(wire_size(message_with(bytes_of(kChunk, 1, pool))), kWireHeaderBytes + kChunk);
  EXPECT_EQ(wire_size(message_with(bytes_of(kChunk + 1, 1, pool))),
            2 * kWireHeaderBytes + kChunk + 1);
  for (const size_t size : {size_t{0}, size_t{7}, kChunk, 3 * kChunk + 5}) {
    const Message message = message_with(bytes_of(size, 2, pool));
    size_t sum = 0;
    for (const Chunk& chunk : chunks_of(message, pool)) {
      sum += encode_header(chunk.header).size() + chunk.frame.size();
    }
    EXPECT_EQ(sum, wire_size(message)) << size;
  }
}

TEST(Wire, ChunksOfOneBlockAreViewsNotCopies) {
  Pool pool;
  const SharedBuffer block = bytes_of(2 * kChunk + 10, 3, pool);
  const Payload payload(block);
  for (uint32_t i = 0; i < 3; ++i) {
    const ChunkView view = chunk_of(payload, i, pool);
    EXPECT_TRUE(view.block.same_block(block));
    EXPECT_EQ(view.offset, i * kChunk);
  }
  EXPECT_EQ(chunk_of(payload, 2, pool).size, 10u);
}

TEST(Wire, OddPiecesAreCutToTheSameChunks) {
  Pool pool;
  const SharedBuffer whole = bytes_of(2 * kChunk + 640, 4, pool);
  std::vector<SharedBuffer> pieces;
  for (size_t at = 0, size = 64; at < whole.size(); at += size, size = size * 2 + 64) {
    size = std::min(size, whole.size() - at);
    Buffer piece = pool.acquire(size);
    std::memcpy(piece.data(), whole.data() + at, size);
    pieces.push_back(std::move(piece).freeze());
  }
  const Payload odd = Payload::from_chunks(std::move(pieces));
  for (uint32_t i = 0; i < 3; ++i) {
    const ChunkView a = chunk_of(odd, i, pool);
    const ChunkView b = chunk_of(Payload(whole), i, pool);
    ASSERT_EQ(a.size, b.size);
    EXPECT_EQ(std::memcmp(a.block.data() + a.offset, b.block.data() + b.offset, a.size), 0);
  }
}

TEST(Reassembler, InOrderGivesTheMessageBackWithoutCopying) {
  Pool pool;
  const Message sent = message_with(bytes_of(3 * kChunk + 17, 5, pool), 12);
  Reassembler reassembler(4 * kChunk);
  std::optional<Message> got;
  const std::vector<Chunk> chunks = chunks_of(sent, pool);
  for (size_t i = 0; i < chunks.size(); ++i) {
    ASSERT_TRUE(reassembler.add(chunks[i].header, chunks[i].frame, got).ok());
    EXPECT_EQ(got.has_value(), i + 1 == chunks.size());
  }
  ASSERT_EQ(got->payload.chunks(), 4u);
  EXPECT_TRUE(got->payload.chunk(1).same_block(chunks[1].frame));
  EXPECT_EQ(got->sequence, 12u);
  const SharedBuffer whole = got->payload.contiguous(pool);
  EXPECT_TRUE(std::ranges::equal(whole.bytes(), sent.payload.chunk(0).bytes()));
  EXPECT_EQ(reassembler.pending_bytes(), 0u);
}

TEST(Reassembler, EmptyPayloadIsAMessage) {
  Reassembler reassembler(100);
  std::optional<Message> got;
  ASSERT_TRUE(reassembler.add(example(0), SharedBuffer(), got).ok());
  ASSERT_TRUE(got.has_value());
  EXPECT_FALSE(static_cast<bool>(got->payload));
}

// All 24 orders of four chunks: only the one in order completes, and never with wrong bytes. Sent
// again in order (a repair), the message always arrives.
TEST(Reassembler, EveryOrderAndThenARepair) {
  Pool pool;
  const Message sent = message_with(bytes_of(3 * kChunk + 1, 6, pool));
  const std::vector<Chunk> chunks = chunks_of(sent, pool);
  std::vector<size_t> order = {0, 1, 2, 3};
  do {
    Reassembler reassembler(4 * kChunk);
    std::optional<Message> got;
    bool complete = false;
    for (const size_t i : order) {
      const Status status = reassembler.add(chunks[i].header, chunks[i].frame, got);
      complete |= got.has_value();
      EXPECT_TRUE(status.ok() || status.reason() == Reason::kMalformed);
    }
    EXPECT_EQ(complete, std::ranges::is_sorted(order));
    if (complete) continue;
    for (const Chunk& chunk : chunks) {
      const Status status = reassembler.add(chunk.header, chunk.frame, got);
      EXPECT_TRUE(status.ok() || status.reason() == Reason::kDuplicate);
      complete |= got.has_value();
    }
    ASSERT_TRUE(complete);
  } while (std::ranges::next_permutation(order).found);
}

TEST(Reassembler, AnySingleLossIsHealedByARepair) {
  Pool pool;
  const Message sent = message_with(bytes_of(4 * kChunk, 7, pool));
  const std::vector<Chunk> chunks = chunks_of(sent, pool);
  for (size_t lost = 0; lost < chunks.size(); ++lost) {
    Reassembler reassembler(4 * kChunk);
    std::optional<Message> got;
    for (size_t i = 0; i < chunks.size(); ++i) {
      if (i == lost) continue;
      const Status status = reassembler.add(chunks[i].header, chunks[i].frame, got);
      EXPECT_EQ(status.ok(), i < lost) << i << " after the loss of " << lost;
      EXPECT_FALSE(got.has_value());
    }
    bool complete = false;
    for (const Chunk& chunk : chunks) {
      const Status status = reassembler.add(chunk.header, chunk.frame, got);
      EXPECT_TRUE(status.ok() || status.reason() == Reason::kDuplicate);
      complete |= got.has_value();
    }
    EXPECT_TRUE(complete) << "loss of " << lost;
  }
}

TEST(Reassembler, FramesThatAreNotWhatTheHeaderSaysAreRefused) {
  Pool pool;
  Reassembler reassembler(4 * kChunk);
  std::optional<Message> got;
  WireHeader header = example(2 * kChunk);
  EXPECT_EQ(reassembler.add(header, bytes_of(kChunk - 1, 8, pool), got).reason(),
            Reason::kTruncated);
  EXPECT_EQ(reassembler.add(header, bytes_of(kChunk + 1, 8, pool), got).reason(),
            Reason::kOversized);
  EXPECT_EQ(reassembler.add(header, SharedBuffer(), got).reason(), Reason::kTruncated);
  header = example(5 * kChunk);
  EXPECT_EQ(reassembler.add(header, bytes_of(kChunk, 8, pool), got).reason(), Reason::kOversized);
  EXPECT_EQ(reassembler.add(example(0), bytes_of(1, 8, pool), got).reason(), Reason::kOversized);
  EXPECT_EQ(reassembler.pending_bytes(), 0u);
}

TEST(Reassembler, HoldsOneUnfinishedMessageOfASenderAtMost) {
  Pool pool;
  Reassembler reassembler(4 * kChunk);
  std::optional<Message> got;
  const SharedBuffer frame = bytes_of(kChunk, 9, pool);
  for (uint64_t sequence = 1; sequence <= 100; ++sequence) {
    WireHeader header = example(4 * kChunk);
    header.sequence = sequence;
    ASSERT_TRUE(reassembler.add(header, frame, got).ok());
    EXPECT_EQ(reassembler.pending_bytes(), kChunk);
  }
  EXPECT_EQ(reassembler.abandoned(), 99u);
  // A chunk of the message given up does not join the one under way.
  WireHeader stale = example(4 * kChunk);
  stale.sequence = 50;
  stale.chunk = 1;
  EXPECT_EQ(reassembler.add(stale, frame, got).reason(), Reason::kMalformed);
}

}  // namespace
}  // namespace kith
