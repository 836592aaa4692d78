#include "protocol/compressor.h"

#include "protocol/codec_meter.h"
#include "protocol/kernels.h"
#include "topology/assert.h"

namespace kith {

namespace {

// u = x + s*e in a fresh block, so that the memory survives a refusal.
SharedBuffer with_memory(const SharedBuffer& x, const SharedBuffer& memory, float scale,
                         Pool& pool) {
  if (!memory) return copy_of(x.floats(), pool);
  KITH_ASSERT(memory.size() == x.size());
  Buffer sum = pool.acquire(x.size());
  kernels::add_scaled(x.floats(), scale, memory.floats(), sum.floats());
  return std::move(sum).freeze();
}

// What is encoded in place of u: see the header on contractions.
SharedBuffer shrunk(const SharedBuffer& u, double variance_bound, Pool& pool) {
  if (variance_bound == 0) return u;
  Buffer small = pool.acquire(u.size());
  kernels::scale(static_cast<float>(1 / (1 + variance_bound)), u.floats(), small.floats());
  return std::move(small).freeze();
}

}  // namespace

Status LastSent::encode(const Codec& codec, const SharedBuffer& x, Rng& rng, Pool& pool,
                        SharedBuffer& wire) {
  if (!codec.warm_starts()) return codec.encode(x, rng, pool, wire);
  const Status status = codec.encode_after(wire_.bytes(), x, rng, pool, wire);
  if (status.ok()) wire_ = wire;
  return status;
}

Status LastSent::encode_contraction(const Codec& codec, const SharedBuffer& x, Rng& rng, Pool& pool,
                                    SharedBuffer& wire) {
  const double w = codec.variance_bound(x.floats().size());
  return encode(codec, shrunk(x, w, pool), rng, pool, wire);
}

Compressor::Compressor(const Codec& codec, bool error_feedback, float returning)
    : codec_(&codec), error_feedback_(error_feedback && !codec.lossless()), returning_(returning) {}

Status Compressor::encode(const SharedBuffer& x, float memory_scale, Rng& rng, Pool& pool,
                          SharedBuffer& wire) {
  const EncodingScope scope(*codec_, x.floats().size());
  if (!error_feedback_) return last_sent_.encode(*codec_, x, rng, pool, wire);
  SharedBuffer sum = with_memory(x, memory_, memory_scale, pool);
  const Status status = last_sent_.encode_contraction(*codec_, sum, rng, pool, wire);
  if (!status.ok()) return status;
  Buffer rest = writable(std::move(sum), pool);
  const Status decoded = codec_->decode_add(wire.bytes(), -1.0f, rest.floats());
  KITH_ASSERT(decoded.ok());  // a codec must understand what it wrote
  if (returning_ > 0) {
    kernels::scale(1 - returning_, rest.floats(), rest.floats());
    if (memory_) kernels::axpy(returning_ * memory_scale, memory_.floats(), rest.floats());
  }
  memory_ = std::move(rest).freeze();
  return {};
}

}  // namespace kith
