// Peers' headers, chunks put together, and clients' requests and replies, from arbitrary bytes.
// The input is a list of frames: length (2 bytes, little-endian), then the bytes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include "protocol/control.h"
#include "protocol/wire.h"
#include "topology/assert.h"

namespace kith::fuzz {

inline void as_control(std::span<const std::byte> frame) {
  uint64_t id = 0;
  control::Request request;
  if (control::decode_request(frame, id, request).ok()) {
    const std::string again = control::encode_request(id, request);
    control::Request same;
    KITH_ASSERT(control::decode_request(std::as_bytes(std::span(again)), id, same).ok());
    KITH_ASSERT(control::encode_request(id, same) == again);
  }
  control::Reply reply;
  if (control::decode_reply(frame, id, reply).ok()) {
    KITH_ASSERT(!control::encode_reply(id, reply).empty());
  }
}

inline void as_message(std::span<const std::byte> frame, Reassembler& reassembler, Pool& pool) {
  WireHeader header;
  // The header, and what follows it in the input as its payload frame.
  const size_t size = std::min(frame.size(), kWireHeaderBytes);
  if (!decode_header(frame.first(size), header).ok()) return;
  KITH_ASSERT(std::ranges::equal(encode_header(header), frame.first(size)));
  // Chunks too large to spell out in an input: any content will do.
  size_t bytes = frame.size() - size;
  if (header.chunks > 1) bytes = chunk_bytes(header.payload_bytes, header.chunk) - bytes % 2;
  Buffer payload = pool.acquire(bytes);
  std::memset(payload.data(), 0, bytes);
  std::optional<Message> complete;
  const Status status = reassembler.add(header, std::move(payload).freeze(), complete);
  KITH_ASSERT(status.ok() || !complete);
  if (complete) KITH_ASSERT(complete->payload.size() == header.payload_bytes);
  KITH_ASSERT(reassembler.pending_bytes() <= size_t{64} << 20);
}

inline void run_wire_input(std::span<const uint8_t> input) {
  std::span<const std::byte> rest = std::as_bytes(input);
  as_control(rest);
  Pool pool;
  Reassembler reassembler(4 * limits::kChunkBytes);
  for (int frames = 0; rest.size() >= 2 && frames < 8; ++frames) {
    const size_t wanted = std::to_integer<size_t>(rest[0]) | std::to_integer<size_t>(rest[1]) << 8;
    rest = rest.subspan(2);
    const size_t length = std::min(wanted, rest.size());
    as_control(rest.first(length));
    as_message(rest.first(length), reassembler, pool);
    rest = rest.subspan(length);
  }
}

}  // namespace kith::fuzz
