#include "daemon/sim/damage.h"

#include "protocol/wire.h"
#include "topology/assert.h"

namespace kith {

namespace {

enum class Where : uint64_t { kBitOfHeader, kEndOfHeader, kLengthOfPayload, kBitOfPayload, kCount };

Status flipped_header(WireHeaderBytes bytes, Rng& rng) {
  const uint64_t bit = rng.below(8 * bytes.size());
  bytes[bit / 8] ^= std::byte{1} << (bit % 8);
  WireHeader header;
  const Status status = decode_header(bytes, header);
  return status.ok() ? Status(Reason::kMalformed) : status;  // refused by the line
}

// A byte short or long, or anything between none and twice as much.
Status wrong_length(const WireHeader& header, Rng& rng, Pool& pool) {
  const size_t right = chunk_bytes(header.payload_bytes, header.chunk);
  size_t bytes = rng.below(2) == 0 ? right + 1 : rng.below(2 * right + 2);
  if (bytes == right) ++bytes;
  std::optional<Message> complete;
  return Reassembler(limits::kPayloadBytes)
      .add(header, std::move(pool.acquire(bytes)).freeze(), complete);
}

}  // namespace

Status damage(const Message& message, Rng& rng, Pool& pool) {
  const WireHeader header = header_of(message, 0);
  const WireHeaderBytes bytes = encode_header(header);
  Status status = Reason::kMalformed;
  switch (static_cast<Where>(rng.below(static_cast<uint64_t>(Where::kCount)))) {
    case Where::kBitOfHeader: status = flipped_header(bytes, rng); break;
    case Where::kEndOfHeader: {
      WireHeader read;
      status = decode_header(std::span(bytes).first(rng.below(bytes.size())), read);
      break;
    }
    case Where::kLengthOfPayload: status = wrong_length(header, rng, pool); break;
    default: break;
  }
  KITH_ASSERT(!status.ok());
  return status;
}

}  // namespace kith
