// Any bytes as the wire of a codec: nothing is read out of bounds, and what check accepts decodes.
// The first two bytes of an input give the number of values; half of the inputs (by the top bit of
// the third) then carry bytes as they come, the other half are changes to an honest wire, since
// random bytes rarely pass the headers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "protocol/codec.h"
#include "topology/assert.h"

namespace kith::fuzz {

inline std::vector<uint8_t> honest_wire(const Codec& codec, size_t count, Pool& pool) {
  Rng rng(count, NodeId{0}, Purpose::kTest);
  std::vector<float> values(count);
  rng.fill_normal(values);
  SharedBuffer wire;
  KITH_ASSERT(codec.encode(copy_of(values, pool), rng, pool, wire).ok());
  std::vector<uint8_t> bytes(wire.size());
  if (!bytes.empty()) std::memcpy(bytes.data(), wire.data(), bytes.size());
  return bytes;
}

// Pairs of (position, mask); what is left over cuts the end off.
inline void change(std::vector<uint8_t>& wire, std::span<const uint8_t> changes) {
  while (changes.size() >= 3 && !wire.empty()) {
    const size_t at = (changes[0] | changes[1] << 8) % wire.size();
    wire[at] ^= changes[2];
    changes = changes.subspan(3);
  }
  if (changes.size() == 1 && !wire.empty()) wire.pop_back();
  if (changes.size() == 2) wire.push_back(changes[0]);
}

// On the heap and of the exact size, so that the address sanitizer sees the byte behind it.
inline void decode(const Codec& codec, std::span<const uint8_t> wire, size_t count, Pool& pool) {
  const std::unique_ptr<std::byte[]> exact(new std::byte[wire.size()]);
  if (!wire.empty()) std::memcpy(exact.get(), wire.data(), wire.size());
  const std::span<const std::byte> bytes(exact.get(), wire.size());
  std::vector<float> whole(count);
  const bool accepted = codec.check(bytes, count).ok();
  const bool decoded = codec.decode_add(bytes, 0.5f, whole).ok();
  KITH_ASSERT(!accepted || decoded);

  // The same in two pieces, as off the wire.
  const size_t cut = wire.size() / 2 / Payload::kChunkAlignment * 64;
  std::vector<SharedBuffer> chunks;
  for (const auto part : {bytes.first(cut), bytes.subspan(cut)}) {
    Buffer chunk = pool.acquire(part.size());
    if (!part.empty()) std::memcpy(chunk.data(), part.data(), part.size());
    chunks.push_back(std::move(chunk).freeze());
  }
  const Payload payload = Payload::from_chunks(std::move(chunks));
  std::vector<float> pieces(count);
  KITH_ASSERT(check(codec, payload, count, pool).ok() == accepted);
  KITH_ASSERT(decode_add(codec, NodeId{1}, payload, 0.5f, pieces, pool).ok() == decoded);
  if (accepted && count > 0) {
    KITH_ASSERT(std::memcmp(whole.data(), pieces.data(), count * sizeof(float)) == 0);
  }
}

inline void run_codec_input(const Codec& codec, std::span<const uint8_t> input) {
  if (input.size() < 3) return;
  const size_t count = (input[0] | input[1] << 8) % 5000;
  const std::span<const uint8_t> rest = input.subspan(3);
  Pool pool;
  if ((input[2] & 0x80) == 0) {
    decode(codec, rest, count, pool);
  } else {
    std::vector<uint8_t> wire = honest_wire(codec, count, pool);
    change(wire, rest);
    decode(codec, wire, count, pool);
  }
}

}  // namespace kith::fuzz
