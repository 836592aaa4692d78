#include "protocol/rotated_codec.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "protocol/kernels.h"
#include "protocol/limits.h"
#include "protocol/lloyd_max.h"
#include "protocol/vector_targets.h"
#include "topology/assert.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "protocol/rotated_codec.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef KITH_ROTATED_CODEC_SHARED
#define KITH_ROTATED_CODEC_SHARED
namespace kith::rotated {

constexpr size_t kGroup = 64;  // values that are coded together: a word for each bit of the code
constexpr size_t kMostLevels = 8;

// Magnitudes: level i lies between the bounds i and i + 1; bound 0 is not looked at.
struct Quantiser {
  float bounds[kMostLevels];
  float levels[kMostLevels];
};

}  // namespace kith::rotated
#endif  // KITH_ROTATED_CODEC_SHARED

HWY_BEFORE_NAMESPACE();
namespace kith::rotated::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using BitsTag = hn::RebindToUnsigned<FloatTag>;
using Floats = hn::Vec<FloatTag>;
using Mask = hn::Mask<FloatTag>;
constexpr FloatTag kFloats;
constexpr BitsTag kBits;
constexpr size_t kWidth = hn::MaxLanes(kFloats);
constexpr size_t kRows = kGroup / kWidth;

// Value i of a block is added to lane i % 32, in order; see `joined`. At most 128 floats to a lane,
// so that a radius is right to 2^-17.
constexpr size_t kLanes = 32;
constexpr size_t kSums = kLanes / kWidth;

HWY_INLINE uint64_t bits_of(Mask mask) {
  uint8_t bytes[8] = {};
  hn::StoreMaskBits(kFloats, mask, bytes);
  uint64_t bits;
  std::memcpy(&bits, bytes, sizeof bits);
  return bits;
}

HWY_INLINE Mask mask_of(uint64_t bits) {
  uint8_t bytes[8];
  std::memcpy(bytes, &bits, sizeof bits);
  return hn::LoadMaskBits(kFloats, bytes);
}

// table[step * i], i the number of kCount bits whose bit k is bits[k].
template <size_t kCount>
HWY_INLINE Floats chosen(const Mask* bits, const float* table, size_t step) {
  if constexpr (kCount == 0) {
    return hn::Set(kFloats, table[0]);
  } else {
    const Floats lower = chosen<kCount - 1>(bits, table, step);
    const Floats upper = chosen<kCount - 1>(bits, table + (step << (kCount - 1)), step);
    return hn::IfThenElse(bits[kCount - 1], upper, lower);
  }
}

// Bit kBit of the level's number, for kBit = kCount - 1 down to 0: the bound in the middle of those
// levels that share the bits above.
template <size_t kBit, size_t kCount>
HWY_INLINE void search(Floats magnitude, const Quantiser& quantiser, Mask* bits) {
  constexpr size_t kStep = size_t{2} << kBit;
  const Floats bound =
      chosen<kCount - 1 - kBit>(bits + kBit + 1, quantiser.bounds + kStep / 2, kStep);
  bits[kBit] = hn::Gt(magnitude, bound);
  if constexpr (kBit > 0) search<kBit - 1, kCount>(magnitude, quantiser, bits);
}

// One vector of a group: adds its bits to the words, and level times magnitude to the sums.
template <size_t kCodeBits, size_t kRow>
HWY_INLINE void quantise_row(const float* r, const Quantiser& quantiser, uint64_t* words,
                             Floats* sums) {
  constexpr size_t kMagnitudeBits = kCodeBits - 1;
  const Floats v = hn::LoadU(kFloats, r + kRow * kWidth);
  const Floats magnitude = hn::Abs(v);
  Mask bits[kCodeBits];
  if constexpr (kMagnitudeBits > 0) {
    search<kMagnitudeBits - 1, kMagnitudeBits>(magnitude, quantiser, bits);
  }
  words[0] |= bits_of(hn::Lt(v, hn::Zero(kFloats))) << (kRow * kWidth);
  for (size_t k = 0; k < kMagnitudeBits; ++k) words[k + 1] |= bits_of(bits[k]) << (kRow * kWidth);
  const Floats level = chosen<kMagnitudeBits>(bits, quantiser.levels, 1);
  Floats& sum = sums[kRow % kSums];
  sum = hn::Add(sum, hn::Mul(magnitude, level));
}

template <size_t kCodeBits, size_t... kRow>
HWY_INLINE void quantise_group(const float* r, const Quantiser& quantiser, uint8_t* out,
                               Floats* sums, std::index_sequence<kRow...>) {
  uint64_t words[kCodeBits] = {};
  (quantise_row<kCodeBits, kRow>(r, quantiser, words, sums), ...);
  std::memcpy(out, words, sizeof words);
}

// Halves of the lanes are added until one is left.
HWY_INLINE double joined(const Floats* sums) {
  HWY_ALIGN float floats[kLanes];
  for (size_t j = 0; j < kSums; ++j) hn::Store(sums[j], kFloats, floats + j * kWidth);
  double lanes[kLanes];
  for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] = floats[lane];
  for (size_t half = kLanes / 2; half > 0; half /= 2) {
    for (size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

template <size_t kCodeBits>
HWY_INLINE double quantise_all(const float* r, size_t d, const Quantiser& quantiser, uint8_t* out) {
  Floats sums[kSums];
  for (size_t j = 0; j < kSums; ++j) sums[j] = hn::Zero(kFloats);
  for (size_t i = 0; i < d; i += kGroup) {
    quantise_group<kCodeBits>(r + i, quantiser, out, sums, std::make_index_sequence<kRows>());
    out += kCodeBits * sizeof(uint64_t);
  }
  return joined(sums);
}

template <size_t kCodeBits>
HWY_INLINE void dequantise_all(const uint8_t* in, size_t d, const float* levels, float* r) {
  for (size_t i = 0; i < d; i += kGroup) {
    uint64_t words[kCodeBits];
    std::memcpy(words, in, sizeof words);
    in += sizeof words;
    for (size_t j = 0; j < kGroup; j += kWidth) {
      Mask bits[kCodeBits];
      for (size_t k = 1; k < kCodeBits; ++k) bits[k - 1] = mask_of(words[k] >> j);
      const Floats level = chosen<kCodeBits - 1>(bits, levels, 1);
      const Floats value = hn::IfThenElse(mask_of(words[0] >> j), hn::Neg(level), level);
      hn::StoreU(value, kFloats, r + i + j);
    }
  }
}

// Writes the codes of d values, a multiple of kGroup; returns the sum of magnitude times level.
double quantise(const float* r, size_t d, size_t bits, const Quantiser& quantiser, uint8_t* out) {
  if (bits == 1) return quantise_all<1>(r, d, quantiser, out);
  if (bits == 2) return quantise_all<2>(r, d, quantiser, out);
  if (bits == 3) return quantise_all<3>(r, d, quantiser, out);
  return quantise_all<4>(r, d, quantiser, out);
}

void dequantise(const uint8_t* in, size_t d, size_t bits, const float* levels, float* r) {
  if (bits == 1) dequantise_all<1>(in, d, levels, r);
  if (bits == 2) dequantise_all<2>(in, d, levels, r);
  if (bits == 3) dequantise_all<3>(in, d, levels, r);
  if (bits == 4) dequantise_all<4>(in, d, levels, r);
}

}  // namespace kith::rotated::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith {

namespace rotated {

HWY_EXPORT(quantise);
HWY_EXPORT(dequantise);

namespace {

double encode(std::span<const float> r, size_t bits, const Quantiser& quantiser, uint8_t* codes) {
  return HWY_DYNAMIC_DISPATCH(quantise)(r.data(), r.size(), bits, quantiser, codes);
}

void decode(const uint8_t* codes, size_t bits, const Quantiser& quantiser, std::span<float> r) {
  HWY_DYNAMIC_DISPATCH(dequantise)(codes, r.size(), bits, quantiser.levels, r.data());
}

// For values whose standard deviation is `unit`; levels as shares of the largest.
Quantiser quantiser_for(size_t bits, double unit) {
  const std::span<const double> levels = lloyd_max::levels(bits);
  Quantiser quantiser = {};
  for (size_t i = 0; i < levels.size(); ++i) {
    quantiser.levels[i] = static_cast<float>(levels[i] / levels.back());
    if (i > 0) quantiser.bounds[i] = static_cast<float>((levels[i - 1] + levels[i]) / 2 * unit);
  }
  return quantiser;
}

// A power of two that brings the values of a block of this norm well within the floats, even when
// they are subnormal or their sums would be beyond the floats.
float lift_for(double norm) {
  return static_cast<float>(std::ldexp(1.0, std::clamp(-std::ilogb(norm), -126, 126)));
}

}  // namespace

}  // namespace rotated

namespace {

constexpr size_t kHeaderBytes = sizeof(uint32_t) + sizeof(uint64_t);
constexpr double kVarianceMargin = 1.01;

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace

RotatedCodec::RotatedCodec(size_t bits, Scale scale, std::string description)
    : bits_(bits), scale_(scale), description_(std::move(description)) {
  KITH_ASSERT(bits >= 1 && bits <= lloyd_max::kMostBits);
  KITH_ASSERT(scale == Scale::kUnbiased || bits == 1);
}

double RotatedCodec::variance_bound(size_t) const {
  if (scale_ == Scale::kLeastError) return 0;
  const double distortion = lloyd_max::distortion(bits_);
  return kVarianceMargin * distortion / (1 - distortion);
}

size_t RotatedCodec::rounds(size_t block) const {
  if (scale_ == Scale::kLeastError) return 1;
  return block == hadamard::kLargest ? 2 : 3;
}

size_t RotatedCodec::wire_bytes(size_t n) const {
  return kHeaderBytes + hadamard::block_count(n) * sizeof(float) +
         code_bytes(hadamard::padded_length(n));
}

bool RotatedCodec::encode_block(std::span<const float> x, const hadamard::Rotation& rotation,
                                size_t d, float& radius, uint8_t* codes) const {
  const double norm = std::sqrt(kernels::squared_norm(x));
  radius = 0;
  if (norm == 0) {
    std::memset(codes, 0, code_bytes(d));
    return true;
  }
  if (!std::isfinite(norm)) return false;
  alignas(64) float storage[hadamard::kLargest];
  const std::span<float> r(storage, d);
  const float lift = rotated::lift_for(norm);
  hadamard::rotate(rotation, x, lift, r);
  // Of r as it stands there: `rotate` leaves out the factor sqrt(1 / d) of each round.
  const double side = std::sqrt(static_cast<double>(d));
  const double rotated_norm = norm * lift * std::pow(side, static_cast<double>(rotation.rounds));
  const rotated::Quantiser quantiser = rotated::quantiser_for(bits_, rotated_norm / side);
  const double product = rotated::encode(r, bits_, quantiser, codes);
  const double share = product / (side * rotated_norm);  // the cosine of the angle, where b = 1
  radius = static_cast<float>(scale_ == Scale::kUnbiased ? norm / share : norm * share);
  return std::isfinite(radius);
}

Status RotatedCodec::encode(const SharedBuffer& x, Rng& rng, Pool& pool, SharedBuffer& wire) const {
  wire.reset();
  const std::span<const float> values = x.floats();
  KITH_ASSERT(values.size() <= limits::kParameters);
  const auto n = static_cast<uint32_t>(values.size());
  const uint64_t seed = rng.next();
  Buffer out = pool.acquire(wire_bytes(n));
  std::memcpy(out.data(), &n, sizeof n);
  std::memcpy(out.data() + sizeof n, &seed, sizeof seed);
  std::byte* radii = out.data() + kHeaderBytes;
  auto* codes = reinterpret_cast<uint8_t*>(radii + hadamard::block_count(n) * sizeof(float));
  for (size_t first = 0; first < n;) {
    const size_t d = hadamard::block_length(n - first);
    const std::span<const float> block = values.subspan(first, std::min(d, n - first));
    float radius;
    if (!encode_block(block, {seed, first, rounds(d)}, d, radius, codes)) {
      return Reason::kNotFinite;
    }
    std::memcpy(radii, &radius, sizeof radius);
    radii += sizeof radius;
    codes += code_bytes(d);
    first += d;
  }
  wire = std::move(out).freeze();
  return {};
}

void RotatedCodec::decode_block(const uint8_t* codes, float radius,
                                const hadamard::Rotation& rotation, size_t d, float scale,
                                std::span<float> y) const {
  // 1 / sqrt(d) of each round and of the radius: the power of two goes into the levels, so that no
  // sum leaves the range of floats, and what is left, 1 or sqrt(1/2), into the factor.
  const int halvings = std::countr_zero(d) * static_cast<int>(rotation.rounds + 1);
  const double rest = halvings % 2 == 0 ? 1 : std::sqrt(0.5);
  rotated::Quantiser quantiser = rotated::quantiser_for(bits_, 1);
  for (float& level : quantiser.levels) level = std::ldexp(level, -(halvings / 2));
  alignas(64) float storage[hadamard::kLargest];
  const std::span<float> r(storage, d);
  rotated::decode(codes, bits_, quantiser, r);
  const auto factor = static_cast<float>(static_cast<double>(scale) * radius * rest);
  hadamard::rotate_back_add(rotation, r, factor, y);
}

Status RotatedCodec::decode_add(std::span<const std::byte> wire, float scale,
                                std::span<float> y) const {
  if (Status status = check(wire, y.size()); !status.ok()) return status;
  const auto seed = load<uint64_t>(wire.data() + sizeof(uint32_t));
  const std::byte* radii = wire.data() + kHeaderBytes;
  const auto* codes =
      reinterpret_cast<const uint8_t*>(radii + hadamard::block_count(y.size()) * sizeof(float));
  for (size_t first = 0; first < y.size();) {
    const size_t d = hadamard::block_length(y.size() - first);
    const std::span<float> block = y.subspan(first, std::min(d, y.size() - first));
    const auto radius = load<float>(radii);
    if (radius > 0) decode_block(codes, radius, {seed, first, rounds(d)}, d, scale, block);
    radii += sizeof(float);
    codes += code_bytes(d);
    first += d;
  }
  return {};
}

Status RotatedCodec::check(std::span<const std::byte> wire, size_t count) const {
  if (wire.size() < wire_bytes(count)) return Reason::kTruncated;
  if (wire.size() > wire_bytes(count)) return Reason::kOversized;
  if (load<uint32_t>(wire.data()) != count) return Reason::kMalformed;
  const auto radii = wire.subspan(kHeaderBytes, hadamard::block_count(count) * sizeof(float));
  if (!kernels::all_finite_bytes(radii)) return Reason::kNotFinite;
  for (size_t i = 0; i < radii.size(); i += sizeof(float)) {
    if (std::signbit(load<float>(radii.data() + i))) return Reason::kMalformed;
  }
  return {};
}

}  // namespace kith
#endif  // HWY_ONCE
