#include "protocol/compressor.h"

#include <algorithm>
#include <cmath>

#include "protocol/codec_meter.h"
#include "protocol/kernels.h"
#include "topology/assert.h"

namespace kith {

namespace {

// x + a * memory in a fresh block, so that the memory survives a refusal.
SharedBuffer with_memory(const SharedBuffer& x, const SharedBuffer& memory, float a, Pool& pool) {
  if (!memory) return copy_of(x.floats(), pool);
  KITH_ASSERT(memory.size() == x.size());
  Buffer sum = pool.acquire(x.size());
  kernels::add_scaled(x.floats(), a, memory.floats(), sum.floats());
  return std::move(sum).freeze();
}

SharedBuffer zeros(size_t bytes, Pool& pool) {
  Buffer block = pool.acquire(bytes);
  std::ranges::fill(block.floats(), 0.0f);
  return std::move(block).freeze();
}

// What is encoded in place of u: see the header on contractions.
SharedBuffer shrunk(const SharedBuffer& u, double variance_bound, Pool& pool) {
  if (variance_bound == 0) return u;
  Buffer small = pool.acquire(u.size());
  kernels::scale(static_cast<float>(1 / (1 + variance_bound)), u.floats(), small.floats());
  return std::move(small).freeze();
}

// What x is multiplied by to be no longer than `longest`; 0 = any length.
float clip_factor(std::span<const float> x, float longest) {
  if (longest <= 0) return 1;
  const double length = std::sqrt(kernels::squared_norm(x));
  return length > longest ? static_cast<float>(longest / length) : 1;
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

Compressor::Compressor(const Codec& codec, const MemorySpec& memory, float returning)
    : codec_(&codec), spec_(memory), returning_(returning) {
  if (codec.lossless()) spec_.kind = MemoryKind::kNone;
}

Status Compressor::encode(const SharedBuffer& x, float memory_scale, Rng& rng, Pool& pool,
                          SharedBuffer& wire) {
  const EncodingScope scope(*codec_, x.floats().size());
  switch (spec_.kind) {
    case MemoryKind::kErrorFeedback: return encode_sum(x, memory_scale, rng, pool, wire);
    case MemoryKind::kEf21: return encode_difference(x, rng, pool, wire);
    case MemoryKind::kDgc: return encode_accumulated(x, memory_scale, rng, pool, wire);
    case MemoryKind::kNone: break;
  }
  return last_sent_.encode(*codec_, x, rng, pool, wire);
}

void Compressor::add_decoded(const SharedBuffer& wire, float scale, std::span<float> y) const {
  const Status decoded = codec_->decode_add(wire.bytes(), scale, y);
  KITH_ASSERT(decoded.ok());  // a codec must understand what it wrote
}

Status Compressor::encode_sum(const SharedBuffer& x, float memory_scale, Rng& rng, Pool& pool,
                              SharedBuffer& wire) {
  SharedBuffer sum = with_memory(x, memory_, memory_scale, pool);
  const Status status = last_sent_.encode_contraction(*codec_, sum, rng, pool, wire);
  if (!status.ok()) return status;
  Buffer rest = writable(std::move(sum), pool);
  add_decoded(wire, -1.0f, rest.floats());
  if (returning_ > 0) {
    kernels::scale(1 - returning_, rest.floats(), rest.floats());
    if (memory_) kernels::axpy(returning_ * memory_scale, memory_.floats(), rest.floats());
  }
  memory_ = std::move(rest).freeze();
  return {};
}

Status Compressor::encode_difference(const SharedBuffer& x, Rng& rng, Pool& pool,
                                     SharedBuffer& wire) {
  SharedBuffer v = x;
  if (spec_.momentum > 0) {
    // The first estimate of the mean is the first x.
    Buffer next = writable(with_memory(x, {}, 0, pool), pool);
    if (momentum_) {
      kernels::scale(1 - spec_.momentum, next.floats(), next.floats());
      kernels::axpy(spec_.momentum, momentum_.floats(), next.floats());
    }
    v = std::move(next).freeze();
  }
  const SharedBuffer difference = with_memory(v, memory_, -1, pool);
  const Status status = last_sent_.encode_contraction(*codec_, difference, rng, pool, wire);
  if (!status.ok()) return status;
  if (spec_.momentum > 0) momentum_ = std::move(v);
  Buffer estimate = writable(memory_ ? std::move(memory_) : zeros(x.size(), pool), pool);
  add_decoded(wire, 1.0f, estimate.floats());
  memory_ = std::move(estimate).freeze();
  return {};
}

Status Compressor::encode_accumulated(const SharedBuffer& x, float memory_scale, Rng& rng,
                                      Pool& pool, SharedBuffer& wire) {
  const float clip = clip_factor(x.floats(), spec_.clip);
  Buffer velocity = pool.acquire(x.size());
  kernels::scale(clip, x.floats(), velocity.floats());
  if (momentum_) kernels::axpy(spec_.momentum, momentum_.floats(), velocity.floats());
  SharedBuffer u = std::move(velocity).freeze();
  SharedBuffer sum = with_memory(u, memory_, memory_scale, pool);
  const Status status = last_sent_.encode_contraction(*codec_, sum, rng, pool, wire);
  if (!status.ok()) return status;
  Buffer sent = writable(zeros(x.size(), pool), pool);
  add_decoded(wire, 1.0f, sent.floats());
  if (spec_.momentum > 0) {
    Buffer masked = writable(std::move(u), pool);
    const std::span<float> kept = masked.floats();
    const std::span<const float> q = sent.floats();
    for (size_t i = 0; i < kept.size(); ++i) kept[i] = q[i] == 0 ? kept[i] : 0.0f;
    momentum_ = std::move(masked).freeze();
  }
  Buffer rest = writable(std::move(sum), pool);
  kernels::axpy(-1.0f, sent.floats(), rest.floats());
  memory_ = std::move(rest).freeze();
  return {};
}

}  // namespace kith
