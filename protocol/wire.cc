// Frame grammar (ZeroMQ multipart messages; all of it in every chunk):
//
//   message = chunk{chunks}
//   chunk   = header payload?          payload is absent where payload_bytes == 0
//   header  = MessagePack array of 11, integers at full width (big-endian, as MessagePack has it):
//             0x9b version:fixint job:u64 from:u32 to:u32 kind:u16 round:u64 scalar:f64
//             sequence:u64 payload_bytes:u64 chunk:u32 chunks:u32                     70 bytes
//   payload = what the codec wrote, little-endian; bytes [chunk * kChunkBytes, ...) of the whole
//
// Full width makes the header one fixed layout: its size is known without encoding, and it is read
// without a parser, an allocation or an exception. The first byte of a control frame is a map's
// (control.cc), so the two never meet.
#include "protocol/wire.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "topology/assert.h"

namespace kith {

namespace {

constexpr std::byte kArrayOf11{0x9b};
constexpr std::byte kU16{0xcd};
constexpr std::byte kU32{0xce};
constexpr std::byte kU64{0xcf};
constexpr std::byte kF64{0xcb};

class Writer {
 public:
  explicit Writer(std::span<std::byte> out) : out_(out) {}

  void raw(std::byte b) { out_[at_++] = b; }
  void u16(uint16_t v) { integer(kU16, v); }
  void u32(uint32_t v) { integer(kU32, v); }
  void u64(uint64_t v) { integer(kU64, v); }
  void f64(double v) { integer(kF64, std::bit_cast<uint64_t>(v)); }
  size_t written() const { return at_; }

 private:
  template <typename T>
  void integer(std::byte tag, T v) {
    raw(tag);
    for (size_t i = sizeof(T); i-- > 0;) raw(static_cast<std::byte>(v >> (8 * i) & 0xff));
  }

  std::span<std::byte> out_;
  size_t at_ = 0;
};

// Reads what Writer wrote; `good` falls for ever at the first byte that it cannot have written.
// The caller has checked the length.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> in) : in_(in) {}

  void expect(std::byte b) { good_ &= in_[at_++] == b; }
  uint16_t u16() { return integer<uint16_t>(kU16); }
  uint32_t u32() { return integer<uint32_t>(kU32); }
  uint64_t u64() { return integer<uint64_t>(kU64); }
  double f64() { return std::bit_cast<double>(integer<uint64_t>(kF64)); }
  bool good() const { return good_; }

 private:
  template <typename T>
  T integer(std::byte tag) {
    expect(tag);
    uint64_t v = 0;
    for (size_t i = 0; i < sizeof(T); ++i) v = v << 8 | std::to_integer<uint64_t>(in_[at_++]);
    return static_cast<T>(v);
  }

  std::span<const std::byte> in_;
  size_t at_ = 0;
  bool good_ = true;
};

}  // namespace

uint32_t chunk_count(uint64_t payload_bytes) {
  KITH_ASSERT(payload_bytes <= limits::kPayloadBytes);
  if (payload_bytes == 0) return 1;
  return static_cast<uint32_t>((payload_bytes + limits::kChunkBytes - 1) / limits::kChunkBytes);
}

size_t chunk_bytes(uint64_t payload_bytes, uint32_t chunk) {
  const uint64_t begin = uint64_t{chunk} * limits::kChunkBytes;
  KITH_ASSERT(begin <= payload_bytes);
  return std::min<uint64_t>(limits::kChunkBytes, payload_bytes - begin);
}

size_t wire_size(const Message& message) {
  const size_t payload = message.payload.size();
  return payload + size_t{chunk_count(payload)} * kWireHeaderBytes;
}

WireHeader header_of(const Message& message, uint64_t job) {
  WireHeader header;
  header.job = job;
  header.from = message.from;
  header.to = message.to;
  header.kind = message.kind;
  header.round = message.round;
  header.scalar = message.scalar;
  header.sequence = message.sequence;
  header.payload_bytes = message.payload.size();
  header.chunks = chunk_count(header.payload_bytes);
  return header;
}

WireHeaderBytes encode_header(const WireHeader& header) {
  WireHeaderBytes bytes;
  Writer out(bytes);
  out.raw(kArrayOf11);
  out.raw(std::byte{kWireVersion});
  out.u64(header.job);
  out.u32(index_of(header.from));
  out.u32(index_of(header.to));
  out.u16(header.kind);
  out.u64(header.round);
  out.f64(header.scalar);
  out.u64(header.sequence);
  out.u64(header.payload_bytes);
  out.u32(header.chunk);
  out.u32(header.chunks);
  KITH_ASSERT(out.written() == kWireHeaderBytes);
  return bytes;
}

Status decode_header(std::span<const std::byte> frame, WireHeader& header) {
  if (frame.size() < kWireHeaderBytes) return Reason::kTruncated;
  if (frame.size() > kWireHeaderBytes) return Reason::kOversized;
  if (frame[0] != kArrayOf11) return Reason::kMalformed;
  if (frame[1] != std::byte{kWireVersion}) return Reason::kWrongVersion;
  Reader in(frame.subspan(2));
  WireHeader read;
  read.job = in.u64();
  read.from = NodeId{in.u32()};
  read.to = NodeId{in.u32()};
  read.kind = in.u16();
  read.round = in.u64();
  read.scalar = in.f64();
  read.sequence = in.u64();
  read.payload_bytes = in.u64();
  read.chunk = in.u32();
  read.chunks = in.u32();
  if (!in.good()) return Reason::kMalformed;
  if (read.payload_bytes > limits::kPayloadBytes) return Reason::kOversized;
  if (read.chunks != chunk_count(read.payload_bytes)) return Reason::kMalformed;
  if (read.chunk >= read.chunks) return Reason::kMalformed;
  if (index_of(read.from) >= limits::kNodes || index_of(read.to) >= limits::kNodes) {
    return Reason::kUnknownPeer;
  }
  header = read;
  return {};
}

ChunkView chunk_of(const Payload& payload, uint32_t chunk, Pool& pool) {
  const size_t begin = size_t{chunk} * limits::kChunkBytes;
  const size_t size = chunk_bytes(payload.size(), chunk);
  size_t piece_begin = 0;
  size_t i = 0;
  while (i < payload.chunks() && piece_begin + payload.chunk(i).size() <= begin) {
    piece_begin += payload.chunk(i++).size();
  }
  if (size == 0) return {};
  if (begin + size <= piece_begin + payload.chunk(i).size()) {
    return {payload.chunk(i), begin - piece_begin, size};
  }
  Buffer copy = pool.acquire(size);
  size_t offset = begin - piece_begin;
  for (size_t done = 0; done < size; ++i, offset = 0) {
    const size_t part = std::min(size - done, payload.chunk(i).size() - offset);
    std::memcpy(copy.data() + done, payload.chunk(i).data() + offset, part);
    done += part;
  }
  return {std::move(copy).freeze(), 0, size};
}

Status Reassembler::check_frame(const WireHeader& header, size_t frame_bytes) const {
  if (header.payload_bytes > max_payload_) return Reason::kOversized;
  const size_t expected = chunk_bytes(header.payload_bytes, header.chunk);
  if (frame_bytes < expected) return Reason::kTruncated;
  if (frame_bytes > expected) return Reason::kOversized;
  return {};
}

namespace {

Message message_of(const WireHeader& header, std::vector<SharedBuffer> chunks) {
  Message message;
  message.from = header.from;
  message.to = header.to;
  message.kind = header.kind;
  message.round = header.round;
  message.scalar = header.scalar;
  message.sequence = header.sequence;
  if (!chunks.empty() && chunks.front()) message.payload = Payload::from_chunks(std::move(chunks));
  return message;
}

// Chunks of one message differ in `chunk` alone. Compared as bytes: the scalar may be NaN.
bool same_message(WireHeader a, const WireHeader& b) {
  a.chunk = b.chunk;
  return encode_header(a) == encode_header(b);
}

}  // namespace

Status Reassembler::add(const WireHeader& header, SharedBuffer frame,
                        std::optional<Message>& complete) {
  complete.reset();
  if (const Status status = check_frame(header, frame.size()); !status.ok()) return status;
  if (header.chunks == 1) {
    std::vector<SharedBuffer> chunks;
    chunks.push_back(header.payload_bytes == 0 ? SharedBuffer() : std::move(frame));
    complete = message_of(header, std::move(chunks));
    return {};
  }
  const auto found = partial_.find(header.from);
  if (header.chunk == 0) {
    if (found != partial_.end()) {
      if (same_message(found->second.first, header)) return Reason::kDuplicate;
      ++abandoned_;
    }
    Partial& partial = partial_[header.from];
    partial = {header, {}, frame.size()};
    partial.chunks.push_back(std::move(frame));
    return {};
  }
  if (found == partial_.end()) return Reason::kMalformed;
  Partial& partial = found->second;
  if (!same_message(header, partial.first)) return Reason::kMalformed;
  if (header.chunk < partial.chunks.size()) return Reason::kDuplicate;
  if (header.chunk > partial.chunks.size()) return Reason::kMalformed;
  partial.bytes += frame.size();
  partial.chunks.push_back(std::move(frame));
  if (partial.chunks.size() == header.chunks) {
    complete = message_of(partial.first, std::move(partial.chunks));
    partial_.erase(found);
  }
  return {};
}

size_t Reassembler::pending_bytes() const {
  size_t sum = 0;
  for (const auto& [peer, partial] : partial_) sum += partial.bytes;
  return sum;
}

}  // namespace kith
