#include "protocol/adversary.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "protocol/kernels.h"
#include "topology/assert.h"
#include "topology/rng.h"

namespace kith {

namespace {

// What all codecs of floats can write, and sums of many such are still finite.
constexpr float kMost = 1e30f;

// v = x + factor (v - x), with x where the step began; an empty x is 0.
void stretch_step(float factor, std::span<const float> x, std::span<float> v) {
  if (x.empty()) return kernels::scale(factor, v, v);
  kernels::subtract(v, x, v);
  kernels::add_scaled(x, factor, v, v);
}

void add_noise(float deviation, const NodeState& state, Round round, std::span<float> v) {
  Rng rng(state.seed, state.self, Purpose::kAdversary, round);
  Buffer noise = state.pool->acquire_floats(v.size());
  rng.fill_normal(noise.floats());
  kernels::axpy(deviation, noise.floats(), v);
}

// As large as the codec can write it.
SharedBuffer encoded(const NodeState& state, const Codec& codec, Round round, Buffer&& v) {
  constexpr float kSmaller = 0x1p-10f;
  SharedBuffer values = std::move(v).freeze();
  for (;;) {
    // The node's own stream: what differs from an honest encoding is the vector.
    Rng rng(state.seed, state.self, Purpose::kCodec, round);
    SharedBuffer wire;
    if (codec.encode(values, rng, *state.pool, wire).ok()) return wire;
    Buffer smaller = writable(std::move(values), *state.pool);
    kernels::scale(kSmaller, smaller.floats(), smaller.floats());
    values = std::move(smaller).freeze();
  }
}

}  // namespace

void Adversary::corrupt(const NodeState& state, const SharedBuffer& x, Message& message) const {
  if (kind == Kind::kNone || !message.payload) return;
  if (kind == Kind::kNan) {
    // All bits set is NaN in every format that works value by value, and no other is let pass.
    Buffer wire = state.pool->acquire(message.payload.size());
    std::memset(wire.data(), 0xff, wire.size());
    message.payload = std::move(wire).freeze();
    return;
  }
  const Codec& codec = codec_of(state, message.round);
  Buffer v = state.pool->acquire_floats(state.dimension);
  std::ranges::fill(v.floats(), 0.0f);
  const Status status =
      codec.decode_add(message.payload.contiguous(*state.pool).bytes(), 1.0f, v.floats());
  KITH_ASSERT(status.ok());  // the node has written it
  const std::span<const float> from = of_models ? x.floats() : std::span<const float>();
  if (kind == Kind::kSignFlip) stretch_step(-strength, from, v.floats());
  if (kind == Kind::kHuge) stretch_step(strength, from, v.floats());
  if (kind == Kind::kNoise) add_noise(strength, state, message.round, v.floats());
  for (float& value : v.floats()) value = std::clamp(value, -kMost, kMost);
  message.payload = encoded(state, codec, message.round, std::move(v));
}

Adversary parse_adversary(const std::string& spec) {
  if (spec == "none") return {};
  if (spec == "nan") return {.kind = Adversary::Kind::kNan};
  const size_t colon = spec.find(':');
  const std::string name = spec.substr(0, colon);
  Adversary adversary;
  if (name == "sign-flip") adversary.kind = Adversary::Kind::kSignFlip;
  if (name == "huge") adversary.kind = Adversary::Kind::kHuge;
  if (name == "noise") adversary.kind = Adversary::Kind::kNoise;
  if (adversary.kind != Adversary::Kind::kNone && colon != std::string::npos) {
    const char* end = spec.data() + spec.size();
    const auto [rest, error] = std::from_chars(spec.data() + colon + 1, end, adversary.strength);
    const bool read = error == std::errc{} && rest == end;
    if (read && adversary.strength > 0 && adversary.strength <= kMost) return adversary;
  }
  throw OperatorError("adversary.kind is \"" + spec +
                      "\", but must be \"none\", \"nan\", or \"sign-flip:F\", \"huge:F\" or "
                      "\"noise:S\" with a number above 0 and up to 1e30");
}

}  // namespace kith
