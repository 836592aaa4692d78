#include "topology/rng.h"

#include <Random123/philox.h>

#include <cmath>
#include <numbers>

#include "topology/assert.h"

namespace kith {

Rng::Rng(uint64_t seed, NodeId node, Purpose purpose, uint64_t index)
    : counter_{0, index_of(node), static_cast<uint64_t>(purpose), index}, key_(seed) {}

void Rng::refill() {
  const r123::Philox4x64 philox;
  const r123::Philox4x64::ctr_type counter = {{counter_[0], counter_[1], counter_[2], counter_[3]}};
  const r123::Philox4x64::ctr_type drawn = philox(counter, {{key_, 0}});
  for (int i = 0; i < 4; ++i) block_[i] = drawn[i];
  ++counter_[0];
  used_ = 0;
}

uint64_t Rng::next() {
  if (used_ == 4) refill();
  return block_[used_++];
}

uint64_t Rng::below(uint64_t n) {
  KITH_ASSERT(n > 0);
  __extension__ using Wide = unsigned __int128;
  Wide product = static_cast<Wide>(next()) * n;
  if (static_cast<uint64_t>(product) < n) {
    const uint64_t threshold = (0 - n) % n;
    while (static_cast<uint64_t>(product) < threshold) product = static_cast<Wide>(next()) * n;
  }
  return static_cast<uint64_t>(product >> 64);
}

double Rng::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_normal_;
  }
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  const double angle = 2.0 * std::numbers::pi * uniform();
  spare_normal_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

double Rng::exponential() { return -std::log(1.0 - uniform()); }

double Rng::gamma(double shape) {
  KITH_ASSERT(shape > 0);
  if (shape < 1) {  // boost: Gamma(a) = Gamma(a + 1) * U^(1/a)
    const double boosted = gamma(shape + 1);
    return boosted * std::pow(1.0 - uniform(), 1.0 / shape);
  }
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = normal();
    const double v = std::pow(1.0 + c * x, 3);
    if (v <= 0) continue;
    if (std::log(1.0 - uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

void Rng::fill_normal(std::span<float> out) {
  constexpr float kTwoPi = 2.0f * std::numbers::pi_v<float>;
  for (size_t i = 0; i < out.size(); i += 2) {
    const uint64_t bits = next();
    // (0, 1] and [0, 1), 32 bits each; the first never reaches 0, so the logarithm is finite.
    const float u = (static_cast<float>(bits >> 40) + 1.0f) * 0x1.0p-24f;
    const float angle = kTwoPi * (static_cast<float>((bits >> 8) & 0xffffff) * 0x1.0p-24f);
    const float radius = std::sqrt(-2.0f * std::log(u));
    out[i] = radius * std::cos(angle);
    if (i + 1 < out.size()) out[i + 1] = radius * std::sin(angle);
  }
}

}  // namespace kith
