#include "protocol/aggregator.h"

#include <algorithm>
#include <array>

#include "protocol/kernels.h"
#include "topology/assert.h"

namespace kith {

namespace {

// The floats as they stand: their wire can be viewed.
bool is_floats(const Codec& codec) {
  return codec.lossless() && codec.bytes_per_value() == sizeof(float);
}

// Of a codec that works value by value, a block at a time.
bool finite_by_blocks(const Codec& codec, std::span<const std::byte> wire) {
  constexpr size_t kBlock = 1024;  // values
  const size_t width = codec.bytes_per_value();
  alignas(64) std::array<float, kBlock> scratch;
  for (size_t first = 0; first < wire.size(); first += kBlock * width) {
    const size_t size = std::min(kBlock * width, wire.size() - first);
    const std::span<float> values = std::span(scratch).first(size / width);
    std::ranges::fill(values, 0.0f);
    const Status status = codec.decode_add(wire.subspan(first, size), 1.0f, values);
    if (!status.ok() || !kernels::all_finite(values)) return false;
  }
  return true;
}

// Untrusted, but checked for its form.
bool all_finite(const Codec& codec, const NodeState& state, const Message& message) {
  if (codec.bytes_per_value() > 0) {
    for (size_t i = 0; i < message.payload.chunks(); ++i) {
      const std::span<const std::byte> bytes = message.payload.chunk(i).bytes();
      if (is_floats(codec) ? !kernels::all_finite_bytes(bytes) : !finite_by_blocks(codec, bytes)) {
        return false;
      }
    }
    return true;
  }
  Buffer decoded = state.pool->acquire_floats(state.dimension);
  std::ranges::fill(decoded.floats(), 0.0f);
  return decode_add(codec, message.from, message.payload, 1.0f, decoded.floats(), *state.pool)
             .ok() &&
         kernels::all_finite(decoded.floats());
}

}  // namespace

Aggregator::Aggregator(const NodeState& state) {
  if (state.aggregate == nullptr || state.aggregate->info->make == nullptr) return;
  rule_ = state.aggregate->info->make(state.aggregate->options);
  remembers_ = state.aggregate->info->remembers;
}

Status Aggregator::admit(const Codec& codec, const NodeState& state, Message& message) const {
  const Status status = check(codec, message.payload, state.dimension, *state.pool);
  if (!on()) return status;
  const bool finite = status.ok() && all_finite(codec, state, message);
  if (finite || (!status.ok() && status.reason() != Reason::kNotFinite)) return status;
  message.payload = {};
  return Reason::kLeftOut;
}

std::span<const float> Aggregator::values_of(const Codec& codec, const NodeState& state,
                                             const Term& term) {
  if (!term.values.empty()) return term.values;
  if (is_floats(codec)) {
    decoded_.push_back(floats_of(*term.payload, *state.pool));
    return decoded_.back().floats();
  }
  Buffer values = state.pool->acquire_floats(state.dimension);
  std::ranges::fill(values.floats(), 0.0f);
  const Status status =
      decode_add(codec, term.from, *term.payload, 1.0f, values.floats(), *state.pool);
  KITH_ASSERT(status.ok());  // it has been admitted
  decoded_.push_back(std::move(values).freeze());
  return decoded_.back().floats();
}

SharedBuffer Aggregator::combine(const Codec& codec, const NodeState& state,
                                 std::span<const Term> terms, std::span<const float> own) {
  KITH_ASSERT(on());
  const bool hub = own.empty();
  double total = 0;
  double there = 0;
  candidates_.clear();
  for (const Term& term : terms) {
    total += static_cast<double>(term.scale);
    if (term.values.empty() && !*term.payload) continue;
    there += static_cast<double>(term.scale);
    candidates_.push_back({term.scale, values_of(codec, state, term)});
  }
  Buffer y = state.pool->acquire_floats(state.dimension);
  if (candidates_.empty()) {
    std::ranges::fill(y.floats(), 0.0f);
    return std::move(y).freeze();
  }
  if (hub) {
    for (Candidate& candidate : candidates_) {
      candidate.weight = static_cast<float>(static_cast<double>(candidate.weight) / there);
    }
  }
  const std::span<const float> last =
      remembers_ && last_ ? last_.floats() : std::span<const float>();
  rule_->combine(candidates_, hub ? last : own, y.floats(), *state.pool);
  candidates_.clear();
  decoded_.clear();
  SharedBuffer result = std::move(y).freeze();
  if (!hub) return result;
  if (remembers_) last_ = result;
  const auto scale = static_cast<float>(total);
  if (scale == 1.0f) return result;
  Buffer scaled = state.pool->acquire_floats(state.dimension);
  kernels::scale(scale, result.floats(), scaled.floats());
  return std::move(scaled).freeze();
}

}  // namespace kith
