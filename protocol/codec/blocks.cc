#include "protocol/codec/blocks.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "protocol/kernels.h"
#include "protocol/limits.h"
#include "topology/assert.h"

namespace kith {

namespace {

constexpr size_t kHeaderBytes = sizeof(uint32_t);

const uint8_t* raw(const std::byte* bytes) { return reinterpret_cast<const uint8_t*>(bytes); }

}  // namespace

Status BlockCodec::encode(const SharedBuffer& x, Rng& rng, Pool& pool, SharedBuffer& wire) const {
  wire.reset();
  const std::span<const float> values = x.floats();
  KITH_ASSERT(values.size() <= limits::kParameters);
  const auto n = static_cast<uint32_t>(values.size());
  Buffer out = pool.acquire(kHeaderBytes + number_bytes(n) + code_bytes(n));
  std::memcpy(out.data(), &n, sizeof n);
  auto* numbers = reinterpret_cast<uint8_t*>(out.data() + kHeaderBytes);
  if (!encode_blocks(values, rng, numbers, numbers + number_bytes(n))) return Reason::kNotFinite;
  wire = std::move(out).freeze();
  return {};
}

Status BlockCodec::decode_add(std::span<const std::byte> wire, float scale,
                              std::span<float> y) const {
  if (Status status = check(wire, y.size()); !status.ok()) return status;
  const uint8_t* numbers = raw(wire.data()) + kHeaderBytes;
  add_blocks(numbers, numbers + number_bytes(y.size()), scale, y);
  return {};
}

Status BlockCodec::check(std::span<const std::byte> wire, size_t count) const {
  const size_t size = kHeaderBytes + number_bytes(count) + code_bytes(count);
  if (wire.size() < size) return Reason::kTruncated;
  if (wire.size() > size) return Reason::kOversized;
  uint32_t n;
  std::memcpy(&n, wire.data(), sizeof n);
  if (n != count) return Reason::kMalformed;
  const auto bytes = wire.subspan(kHeaderBytes, number_bytes(count));
  if (!kernels::all_finite_bytes(bytes)) return Reason::kNotFinite;
  for (size_t at = 0; at < bytes.size(); at += numbers_ * sizeof(float)) {
    float numbers[2];
    KITH_ASSERT(numbers_ <= std::size(numbers));
    std::memcpy(numbers, bytes.data() + at, numbers_ * sizeof(float));
    if (!plausible(numbers)) return Reason::kMalformed;
  }
  const unsigned unused = unused_bits(count);
  if (unused > 0 && std::to_integer<uint32_t>(wire.back()) >> (8 - unused) != 0) {
    return Reason::kMalformed;
  }
  return {};
}

std::optional<double> BlockCodec::expected_error(std::span<const float> x) const {
  double error = 0;
  for (size_t first = 0; first < x.size(); first += block_) {
    const auto of_block = block_error(x.subspan(first, std::min(block_, x.size() - first)));
    if (!of_block) return std::nullopt;
    error += *of_block;
  }
  return error;
}

bool BlockCodec::plausible(const float* numbers) const { return !std::signbit(numbers[0]); }

size_t BlockCodec::number_bytes(size_t n) const {
  return (n + block_ - 1) / block_ * numbers_ * sizeof(float);
}

Scaling scaling_to(float most, float largest) {
  if (largest == 0) return {1, 0};
  const float lift = largest < 0x1p-60f ? 0x1p90f : 1.0f;
  float factor = most / (largest * lift);
  while (largest * lift * factor > most) factor = std::nextafter(factor, 0.0f);
  return {lift, factor};
}

Step step_to(double largest, float most) {
  const double step = largest / static_cast<double>(most);
  if (std::fabs(step) < 0x1p-100) return {static_cast<float>(step * 0x1p64), 0x1p-64f};
  auto factor = static_cast<float>(step);
  const bool fits = std::fabs(largest) <= std::numeric_limits<float>::max();
  if (fits && !std::isfinite(factor * most)) factor = std::nextafter(factor, 0.0f);
  return {factor, 1};
}

double rounding_variance(size_t d, double levels) {
  return (std::sqrt(1 + (static_cast<double>(d) - 1) / levels / levels) - 1) / 2;
}

double rounding_error(std::span<const float> x, double unit) {
  if (unit == 0) return 0;
  double sum = 0;
  for (const float value : x) {
    const double steps = std::fabs(static_cast<double>(value)) / unit;
    const double p = steps - std::floor(steps);
    sum += p * (1 - p);
  }
  return unit * unit * sum;
}

double largest_magnitude(std::span<const float> x) {
  float largest = 0;
  for (const float value : x) largest = std::max(largest, std::fabs(value));
  return largest;
}

size_t parse_block(std::string_view codec, std::string_view text, size_t step, size_t largest,
                   size_t fallback) {
  if (text.empty()) return fallback;
  size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (whole && value > 0 && value <= largest && value % step == 0) return value;
  const std::string name(codec);
  throw OperatorError("codec \"" + name + ":" + std::string(text) +
                      "\": wants a block that is a multiple of " + std::to_string(step) +
                      " up to " + std::to_string(largest) + ", as in \"" + name + ":" +
                      std::to_string(fallback) + "\"");
}

}  // namespace kith
