// QSGD (Alistarh, Grubic, Li, Tomioka, Vojnovic 2017), with one norm per bucket of values:
//
//   Q(x_i) = ||x|| sign(x_i) l_i / s,  l_i = floor(v_i) + Bernoulli(v_i - floor(v_i)),
//   v_i = s |x_i| / ||x||
//
// Unbiased; E||Q(x) - x||^2 = (||x||^2 / s^2) sum p_i (1 - p_i) with p_i = v_i - floor(v_i), which
// is at most min(d / s^2, sqrt(d) / s) ||x||^2 for a bucket of d values.
//
// Wire, little-endian:
//   u32 n | ceil(n / bucket) x f32 norm | n codes of b = ceil(log2(s + 1)) + 1 bits
// Code i takes bits i*b .. i*b + b - 1 of the stream, lowest bit of a byte first: the level, then
// the sign. The unused bits of the last byte are 0.
//
// A probability has 24 bits, which come from random_lanes.h.
#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "protocol/codec/blocks.h"
#include "protocol/codec/random_lanes.h"
#include "protocol/kernels.h"
#include "protocol/limits.h"
#include "protocol/vector_targets.h"
#include "topology/assert.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "protocol/codec/qsgd.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "protocol/codec/random_lanes-inl.h"

#ifndef KITH_QSGD_SHARED
#define KITH_QSGD_SHARED
namespace kith::qsgd {

// Values that are coded together: 64 codes of b bits are 8 b bytes.
constexpr size_t kGroup = 64;
// Values between two steps of the coding. Each step writes with another width than the next one
// reads with, which is slow while a store is still on its way: a block is long enough for it to
// have arrived, and stays in the L1 cache.
constexpr size_t kBlock = 512;
constexpr size_t kWords = kBlock / 4;  // of four codes
constexpr size_t kPackedBytes =
    kBlock * 2 + 16;  // codes of 16 bits, and what a wide access overshoots

// How to code the values of one bucket.
struct Scale {
  uint32_t levels;      // s
  uint32_t level_bits;  // of a code; the sign is the bit above
  float lift;           // a power of two that keeps tiny norms out of the subnormal range
  float per_lifted;     // s / (lift ||x||)
};

}  // namespace kith::qsgd
#endif  // KITH_QSGD_SHARED

HWY_BEFORE_NAMESPACE();
namespace kith::qsgd::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using BitsTag = hn::RebindToUnsigned<FloatTag>;
using IntegerTag = hn::RebindToSigned<FloatTag>;
using CodeTag = hn::Rebind<uint16_t, FloatTag>;
using WordTag = hn::ScalableTag<uint64_t>;
constexpr FloatTag kFloats;
constexpr BitsTag kBits;
constexpr IntegerTag kIntegers;
constexpr CodeTag kCodes;
constexpr WordTag kWordTag;
constexpr size_t kWidth = hn::MaxLanes(kFloats);
constexpr size_t kWordWidth = hn::MaxLanes(kWordTag);

using Bits = hn::Vec<BitsTag>;

// Codes of one vector of values, in the lower 16 bits: level | sign << level_bits.
HWY_INLINE Bits quantise(hn::Vec<FloatTag> x, Bits random, const Scale& scale) {
  const auto lifted = hn::Mul(hn::Abs(x), hn::Set(kFloats, scale.lift));
  const auto exact = hn::Min(hn::Mul(lifted, hn::Set(kFloats, scale.per_lifted)),
                             hn::Set(kFloats, static_cast<float>(scale.levels)));
  const auto floor = hn::Floor(exact);
  const auto probability = hn::Sub(exact, floor);
  const auto draw = hn::BitCast(kIntegers, hn::ShiftRight<8>(random));
  const auto uniform = hn::Mul(hn::ConvertTo(kFloats, draw), hn::Set(kFloats, 0x1p-24f));
  const auto up = hn::IfThenElseZero(hn::Lt(uniform, probability), hn::Set(kFloats, 1.0f));
  // The lower bits of 2^23 + level are the level as an integer.
  const auto level = hn::Add(hn::Add(floor, up), hn::Set(kFloats, 0x1p23f));
  const auto sign = hn::ShiftRight<31>(hn::BitCast(kBits, x));
  return hn::Or(hn::BitCast(kBits, level),
                hn::ShiftLeftSame(sign, static_cast<int>(scale.level_bits)));
}

// Four codes in 16 bits each <-> four codes of b bits side by side, in the low bits of a word.
struct Squeeze {
  explicit Squeeze(uint32_t b)
      : one(((uint64_t{1} << b) - 1) * 0x100000001u),
        two((uint64_t{1} << 2 * b) - 1),
        by_one(static_cast<int>(16 - b)),
        by_two(static_cast<int>(32 - 2 * b)) {}

  HWY_INLINE hn::Vec<WordTag> narrow(hn::Vec<WordTag> w) const {
    const auto low = hn::And(w, hn::Set(kWordTag, one));
    const auto high = hn::And(w, hn::Set(kWordTag, one << 16));
    const auto pairs = hn::Or(low, hn::ShiftRightSame(high, by_one));
    const auto second = hn::AndNot(hn::Set(kWordTag, two), pairs);
    return hn::Or(hn::And(pairs, hn::Set(kWordTag, two)), hn::ShiftRightSame(second, by_two));
  }

  HWY_INLINE hn::Vec<WordTag> widen(hn::Vec<WordTag> w) const {
    const auto second = hn::And(hn::ShiftLeftSame(w, by_two), hn::Set(kWordTag, two << 32));
    const auto pairs = hn::Or(hn::And(w, hn::Set(kWordTag, two)), second);
    const auto high = hn::And(hn::ShiftLeftSame(pairs, by_one), hn::Set(kWordTag, one << 16));
    return hn::Or(hn::And(pairs, hn::Set(kWordTag, one)), high);
  }

  uint64_t one;  // b bits at 0 and at 32
  uint64_t two;  // 2 b bits
  int by_one;
  int by_two;
};

HWY_INLINE size_t words_for(size_t values) { return (values + kGroup - 1) / kGroup * (kGroup / 4); }

// Packs n codes, and those of 0 that fill up the last group; `out` has kPackedBytes.
HWY_INLINE void pack(const uint16_t* codes, size_t n, uint32_t b, uint8_t* out) {
  alignas(64) uint64_t words[kWords];
  std::memcpy(words, codes, sizeof words);
  const Squeeze squeeze(b);
  const size_t count = words_for(n);
  for (size_t j = 0; j < count; j += kWordWidth) {
    hn::Store(squeeze.narrow(hn::Load(kWordTag, words + j)), kWordTag, words + j);
  }
  const uint32_t shift = 4 * b;
  for (size_t j = 0; j < count; j += 2) {  // two words are b bytes; the next overwrite the rest
    const uint64_t both[] = {shift < 64 ? words[j] | words[j + 1] << shift : words[j],
                             shift < 64 ? words[j + 1] >> (64 - shift) : words[j + 1]};
    std::memcpy(out + b * (j / 2), both, sizeof both);
  }
}

// The reverse; 8 bytes behind the codes of the last group are readable.
HWY_INLINE void unpack(const uint8_t* in, size_t n, uint32_t b, uint16_t* codes) {
  alignas(64) uint64_t words[kWords];
  const size_t count = words_for(n);
  for (size_t j = 0; j < count; ++j) {
    uint64_t word;
    std::memcpy(&word, in + b * j / 2, sizeof word);
    words[j] = word >> (b * j % 2 * 4);
  }
  const Squeeze squeeze(b);
  for (size_t j = 0; j < count; j += kWordWidth) {
    hn::Store(squeeze.widen(hn::Load(kWordTag, words + j)), kWordTag, words + j);
  }
  std::memcpy(codes, words, count * sizeof(uint64_t));
}

// Codes n values of one bucket; writes ceil(n b / 8) bytes.
void encode_bucket(const float* x, size_t n, Scale scale, RandomLanes& lanes, uint8_t* out) {
  random_lanes::HWY_NAMESPACE::Random random(lanes);
  const uint32_t b = scale.level_bits + 1;
  alignas(64) float tail[kBlock];
  alignas(64) uint16_t codes[kBlock];
  uint8_t packed[kPackedBytes];
  for (size_t i = 0; i < n; i += kBlock) {
    const size_t count = n - i < kBlock ? n - i : kBlock;
    const float* block = x + i;
    if (count % kGroup != 0) {
      std::memset(tail, 0, sizeof tail);
      std::memcpy(tail, block, count * sizeof(float));
      block = tail;
    }
    for (size_t row = 0; row < 4 * words_for(count); row += kRandomLanes) {
      for (size_t j = 0; j < kRandomLanes / kWidth; ++j) {
        const size_t at = row + j * kWidth;
        const Bits code = quantise(hn::LoadU(kFloats, block + at), random.next(j), scale);
        hn::Store(hn::TruncateTo(kCodes, code), kCodes, codes + at);
      }
    }
    pack(codes, count, b, packed);
    std::memcpy(out, packed, (count * b + 7) / 8);
    out += count / 8 * b;
  }
  random.store(lanes);
}

// y += unit * level * sign. Levels above s, which no sender writes, count as s.
HWY_INLINE void add_codes(const uint16_t* codes, size_t n, const Scale& scale, float unit,
                          float* y) {
  const auto most = hn::Set(kIntegers, static_cast<int32_t>(scale.levels));
  const auto mask = hn::Set(kBits, (1u << scale.level_bits) - 1);
  const auto vunit = hn::Set(kFloats, unit);
  const int to_sign = static_cast<int>(31 - scale.level_bits);
  for (size_t j = 0; j < n; j += kWidth) {
    const auto code = hn::PromoteTo(kBits, hn::Load(kCodes, codes + j));
    const auto level = hn::Min(hn::BitCast(kIntegers, hn::And(code, mask)), most);
    const auto sign = hn::ShiftLeftSame(hn::AndNot(mask, code), to_sign);
    const auto value = hn::Mul(hn::ConvertTo(kFloats, level), vunit);
    const auto added = hn::BitCast(kFloats, hn::Xor(hn::BitCast(kBits, value), sign));
    hn::StoreU(hn::Add(added, hn::LoadU(kFloats, y + j)), kFloats, y + j);
  }
}

// Adds n values of one bucket; `readable` bytes may be read from `in`.
void decode_bucket(const uint8_t* in, size_t readable, size_t n, Scale scale, float unit,
                   float* y) {
  const uint32_t b = scale.level_bits + 1;
  alignas(64) uint16_t codes[kBlock];
  alignas(64) float tail[kBlock];
  uint8_t padded[kPackedBytes];
  for (size_t i = 0; i < n; i += kBlock) {
    const size_t count = n - i < kBlock ? n - i : kBlock;
    const uint8_t* from = in;
    if (readable < words_for(count) * b / 2 + 8) {
      std::memset(padded, 0, sizeof padded);
      std::memcpy(padded, in, (count * b + 7) / 8);
      from = padded;
    }
    unpack(from, count, b, codes);
    if (count % kRandomLanes == 0) {
      add_codes(codes, count, scale, unit, y + i);
    } else {
      std::memcpy(tail, y + i, count * sizeof(float));
      std::memset(tail + count, 0, (kBlock - count) * sizeof(float));
      add_codes(codes, count, scale, unit, tail);
      std::memcpy(y + i, tail, count * sizeof(float));
    }
    in += count / 8 * b;
    readable -= count == kBlock ? count / 8 * b : 0;
  }
}

}  // namespace kith::qsgd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith {

namespace qsgd {

HWY_EXPORT(encode_bucket);
HWY_EXPORT(decode_bucket);

namespace {

void encode(std::span<const float> x, const Scale& scale, RandomLanes& random, uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(encode_bucket)(x.data(), x.size(), scale, random, out);
}

void decode(std::span<const std::byte> in, const Scale& scale, float unit, std::span<float> y) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(in.data());
  HWY_DYNAMIC_DISPATCH(decode_bucket)(bytes, in.size(), y.size(), scale, unit, y.data());
}

}  // namespace

}  // namespace qsgd

namespace {

constexpr uint32_t kLargestLevels = limits::kLevels;
constexpr size_t kDefaultBucket = 512;
constexpr size_t kLargestBucket = size_t{1} << 30;
static_assert(kDefaultBucket % qsgd::kGroup == 0 && kLargestBucket % qsgd::kGroup == 0);

class Qsgd final : public Codec {
 public:
  Qsgd(uint32_t levels, size_t bucket)
      : levels_(levels),
        level_bits_(static_cast<uint32_t>(std::bit_width(levels))),
        bucket_(bucket) {}

  double variance_bound(size_t n) const override {
    const auto d = static_cast<double>(std::min(n, bucket_));
    return std::min(d / levels_ / levels_, std::sqrt(d) / levels_);
  }

  std::optional<double> expected_error(std::span<const float> x) const override {
    double error = 0;
    for (size_t first = 0; first < x.size(); first += bucket_) {
      const auto bucket = x.subspan(first, std::min(bucket_, x.size() - first));
      error += rounding_error(bucket, std::sqrt(kernels::squared_norm(bucket)) / levels_);
    }
    return error;
  }

  Status encode(const SharedBuffer& x, Rng& rng, Pool& pool, SharedBuffer& wire) const override {
    wire.reset();
    const std::span<const float> values = x.floats();
    KITH_ASSERT(values.size() <= limits::kParameters);
    Buffer out = pool.acquire(wire_bytes(values.size()));
    const auto n = static_cast<uint32_t>(values.size());
    std::memcpy(out.data(), &n, sizeof n);
    std::byte* norms = out.data() + kHeaderBytes;
    auto* codes = reinterpret_cast<uint8_t*>(norms + buckets(n) * sizeof(float));
    RandomLanes lanes = seed_lanes(rng);
    for (size_t first = 0; first < n; first += bucket_) {
      const auto bucket = values.subspan(first, std::min(bucket_, n - first));
      const auto norm = static_cast<float>(std::sqrt(kernels::squared_norm(bucket)));
      if (!std::isfinite(norm)) return Reason::kNotFinite;
      std::memcpy(norms, &norm, sizeof norm);
      norms += sizeof norm;
      qsgd::encode(bucket, scale_for(norm), lanes, codes + first / 8 * code_bits());
    }
    wire = std::move(out).freeze();
    return {};
  }

  Status decode_add(std::span<const std::byte> wire, float scale,
                    std::span<float> y) const override {
    if (Status status = check(wire, y.size()); !status.ok()) return status;
    const std::byte* norms = wire.data() + kHeaderBytes;
    const auto codes = wire.subspan(kHeaderBytes + buckets(y.size()) * sizeof(float));
    for (size_t first = 0; first < y.size(); first += bucket_) {
      const auto bucket = y.subspan(first, std::min(bucket_, y.size() - first));
      float norm;
      std::memcpy(&norm, norms, sizeof norm);
      norms += sizeof norm;
      const auto unit = static_cast<float>(static_cast<double>(scale) * norm / levels_);
      qsgd::decode(codes.subspan(first / 8 * code_bits()), scale_for(norm), unit, bucket);
    }
    return {};
  }

  Status check(std::span<const std::byte> wire, size_t count) const override {
    if (wire.size() < wire_bytes(count)) return Reason::kTruncated;
    if (wire.size() > wire_bytes(count)) return Reason::kOversized;
    uint32_t n;
    std::memcpy(&n, wire.data(), sizeof n);
    if (n != count) return Reason::kMalformed;
    const auto norms = wire.subspan(kHeaderBytes, buckets(count) * sizeof(float));
    if (!kernels::all_finite_bytes(norms)) return Reason::kNotFinite;
    for (size_t i = 0; i < norms.size(); i += sizeof(float)) {
      if (std::to_integer<uint32_t>(norms[i + 3]) >> 7 != 0) return Reason::kMalformed;
    }
    const size_t used = count * code_bits() % 8;
    if (used != 0 && std::to_integer<uint32_t>(wire.back()) >> used != 0) return Reason::kMalformed;
    return {};
  }

  std::string describe() const override {
    return "qsgd:" + std::to_string(levels_) + ":" + std::to_string(bucket_);
  }

 private:
  static constexpr size_t kHeaderBytes = sizeof(uint32_t);

  size_t code_bits() const { return level_bits_ + 1; }
  size_t buckets(size_t n) const { return (n + bucket_ - 1) / bucket_; }
  size_t wire_bytes(size_t n) const {
    return kHeaderBytes + buckets(n) * sizeof(float) + (n * code_bits() + 7) / 8;
  }

  qsgd::Scale scale_for(float norm) const {
    const float lift = norm < 0x1p-60f ? 0x1p90f : 1.0f;
    const float per_lifted = norm > 0 ? static_cast<float>(levels_) / (norm * lift) : 0;
    return {levels_, level_bits_, lift, per_lifted};
  }

  uint32_t levels_;
  uint32_t level_bits_;
  size_t bucket_;
};

// The whole text as an integer in [least, most], else 0.
size_t parse(std::string_view text, size_t least, size_t most) {
  size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && value >= least && value <= most ? value : 0;
}

std::unique_ptr<Codec> make_qsgd(const std::string& argument) {
  const std::string_view text = argument;
  const size_t colon = text.find(':');
  const size_t levels = parse(text.substr(0, colon), 1, kLargestLevels);
  size_t bucket = kDefaultBucket;
  if (colon != std::string_view::npos) {
    bucket = parse(text.substr(colon + 1), qsgd::kGroup, kLargestBucket);
  }
  if (levels == 0 || bucket == 0 || bucket % qsgd::kGroup != 0) {
    throw OperatorError("codec \"qsgd:" + argument +
                        "\": wants levels in 1..32767 and, if given, a bucket that is a multiple "
                        "of 64 up to 2^30, as in \"qsgd:15\" or \"qsgd:15:512\"");
  }
  return std::make_unique<Qsgd>(static_cast<uint32_t>(levels), bucket);
}

}  // namespace

extern const CodecInfo qsgd_codec = {
    .name = "qsgd",
    .argument = "levels in 1..32767[:bucket, a multiple of 64; 512 if absent]",
    .help = "stochastic rounding to s levels of each bucket's norm; unbiased",
    .example = "qsgd:15",
    .make = make_qsgd,
};

}  // namespace kith
#endif  // HWY_ONCE
