// Messages between nodes as frames: one MessagePack header and one raw payload frame each. The
// grammar stands in wire.cc.
//
// A payload above limits::kChunkBytes travels in chunks, each a header and a frame of its own, so
// that nothing waits long behind it and a receiver can average what has come. Chunk i holds bytes
// [i * kChunkBytes, (i + 1) * kChunkBytes) of the payload; the last one holds the rest.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "protocol/event.h"
#include "protocol/limits.h"
#include "protocol/status.h"
#include "topology/types.h"

namespace kith {

inline constexpr uint8_t kWireVersion = 1;

// Every header is exactly this long: integers are written at full width.
inline constexpr size_t kWireHeaderBytes = 70;
static_assert(kWireHeaderBytes <= limits::kHeaderBytes);

using WireHeaderBytes = std::array<std::byte, kWireHeaderBytes>;

struct WireHeader {
  uint64_t job = 0;  // hash of the job and its run: nodes of different runs refuse each other
  NodeId from{};
  NodeId to{};
  uint16_t kind = 0;
  Round round = 0;
  double scalar = 0;
  uint64_t sequence = 0;
  uint64_t payload_bytes = 0;  // of the whole payload
  uint32_t chunk = 0;
  uint32_t chunks = 1;  // 1 as well for an empty payload
};

// Number of chunks, at least 1, and the bytes of one of them.
uint32_t chunk_count(uint64_t payload_bytes);
size_t chunk_bytes(uint64_t payload_bytes, uint32_t chunk);

// Bytes of a message on the wire: the headers and payload frames of all its chunks, without the
// framing of ZeroMQ and TCP. A function of the payload's size alone; both bodies count with it.
size_t wire_size(const Message& message);

WireHeader header_of(const Message& message, uint64_t job);

WireHeaderBytes encode_header(const WireHeader& header);

// Refuses whatever encode_header cannot have written and whatever breaks a limit. Does not know
// which nodes and which job are right: that is the caller's.
Status decode_header(std::span<const std::byte> frame, WireHeader& header);

// The bytes of chunk `chunk` of a payload: a block and a range of it. Without a copy where the
// payload's own pieces are laid out as on the wire (all of ours are), else copied out of `pool`.
struct ChunkView {
  SharedBuffer block;
  size_t offset = 0;
  size_t size = 0;
};
ChunkView chunk_of(const Payload& payload, uint32_t chunk, Pool& pool);

// Puts chunks together again without touching their bytes. ZeroMQ keeps the order within a
// connection, so a chunk is either the next one of its message or useless: what was lost comes
// again by repair, and the chunks already here are passed over as duplicates. At most one
// unfinished message per sender is held.
class Reassembler {
 public:
  // `max_payload` bounds the memory that one sender can claim.
  explicit Reassembler(size_t max_payload) : max_payload_(max_payload) {}

  // Takes a decoded header and its payload frame. Sets `complete` when this was the last chunk.
  // kOversized, kTruncated: the frame is not what the header says. kDuplicate: a chunk again.
  // kMalformed: out of order, or another message's. A new first chunk replaces an unfinished
  // message, which is then lost: `abandoned` counts these.
  Status add(const WireHeader& header, SharedBuffer frame, std::optional<Message>& complete);

  // Forgets what `peer` has begun.
  void drop(NodeId peer) { partial_.erase(peer); }

  size_t pending_bytes() const;
  uint64_t abandoned() const { return abandoned_; }

 private:
  struct Partial {
    WireHeader first;  // header of chunk 0
    std::vector<SharedBuffer> chunks;
    size_t bytes = 0;
  };
  Status check_frame(const WireHeader& header, size_t frame_bytes) const;

  size_t max_payload_;
  uint64_t abandoned_ = 0;
  std::map<NodeId, Partial> partial_;
};

}  // namespace kith
