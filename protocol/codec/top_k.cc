// The k largest magnitudes, exactly; of equal ones those with the lower index.
//
// Wire, little-endian:
//   u32 n | u32 k | k x u32 index, strictly increasing | k x f32 value
// k follows from n and the argument, so a receiver knows it beforehand.
//
// Biased: ||C(x) - x||^2 / ||x||^2 = 1 - sum_top x^2 / ||x||^2 <= 1 - k/n (Stich, Cordonnier, Jaggi
// 2018); use it with error feedback.
//
// Cost: one pass. A sample of the vector gives a threshold that somewhat more than k values reach;
// a radix select among those is exact. Where the sample misled (too few, too many: ties, sparse
// vectors) the radix select runs over the whole vector, four passes.
#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "protocol/codec.h"
#include "protocol/kernels.h"
#include "protocol/limits.h"
#include "protocol/vector_targets.h"
#include "topology/assert.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "protocol/codec/top_k.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace kith::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Bit i tells whether the bits of |x[i]| are at least `least`, for 64 values.
HWY_INLINE uint64_t reaches(const float* x, int32_t least) {
  const hn::ScalableTag<float> floats;
  const hn::RebindToSigned<decltype(floats)> integers;
  constexpr size_t kWidth = hn::MaxLanes(floats);
  const auto below = hn::Set(integers, least - 1);
  uint64_t found = 0;
  for (size_t j = 0; j < 64; j += kWidth) {
    const auto magnitude = hn::BitCast(integers, hn::Abs(hn::LoadU(floats, x + j)));
    uint8_t bytes[8] = {};
    hn::StoreMaskBits(integers, hn::Gt(magnitude, below), bytes);
    uint64_t bits;
    std::memcpy(&bits, bytes, sizeof bits);
    found |= bits << j;
  }
  return found;
}

// Collects, in order of index, the values whose magnitude bits are above `least`, and the first
// `ties` that are equal to it. Returns their number, or room + 1 when there are more than `room`.
size_t collect(const float* x, size_t n, uint32_t least, size_t ties, size_t room,
               uint32_t* indices, float* values) {
  size_t found = 0;
  alignas(64) float tail[64] = {};
  for (size_t i = 0; i < n; i += 64) {
    const float* block = x + i;
    uint64_t present = ~uint64_t{0};
    if (n - i < 64) {
      std::memcpy(tail, block, (n - i) * sizeof(float));
      block = tail;
      present = (uint64_t{1} << (n - i)) - 1;
    }
    uint64_t bits = reaches(block, static_cast<int32_t>(least)) & present;
    for (; bits != 0; bits &= bits - 1) {
      const int j = std::countr_zero(bits);
      if ((std::bit_cast<uint32_t>(block[j]) & 0x7fffffff) == least) {
        if (ties == 0) continue;
        --ties;
      }
      if (found == room) return room + 1;
      indices[found] = static_cast<uint32_t>(i + j);
      values[found] = block[j];
      ++found;
    }
  }
  return found;
}

}  // namespace kith::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith {

HWY_EXPORT(collect);

namespace {

constexpr size_t kHeaderBytes = 8;
constexpr size_t kEntryBytes = 8;
constexpr uint32_t kInfinityBits = 0x7f800000;

uint32_t magnitude_bits(float value) { return std::bit_cast<uint32_t>(value) & 0x7fffffff; }

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// The k-th largest magnitude, and how many values equal to it are among the k largest.
struct Cut {
  uint32_t bits = 0;
  size_t ties = 0;
};

// Counts digits of the magnitudes whose higher bits are `prefix`. Two tables, since consecutive
// values often fall into one bin, and each increment would wait for the one before.
template <size_t kBins>
void count_digits(std::span<const float> x, int shift, uint32_t prefix,
                  std::array<uint32_t, kBins>& bins) {
  std::array<std::array<uint32_t, kBins>, 2> tables = {};
  const int above = shift + std::countr_zero(kBins);
  for (size_t i = 0; i < x.size(); ++i) {
    const uint32_t bits = magnitude_bits(x[i]);
    tables[i % 2][(bits >> shift) % kBins] += static_cast<uint32_t>(bits >> above == prefix);
  }
  for (size_t b = 0; b < kBins; ++b) bins[b] = tables[0][b] + tables[1][b];
}

// Moves from the top bin down until `wanted` values are covered; takes off what lies above.
template <size_t kBins>
uint32_t find_digit(const std::array<uint32_t, kBins>& bins, size_t& wanted) {
  size_t digit = kBins - 1;
  for (; bins[digit] < wanted; --digit) wanted -= bins[digit];
  return static_cast<uint32_t>(digit);
}

// Radix select over the 31 bits of the magnitudes: 11, 10, 10. Needs 1 <= k <= x.size(). False
// where x holds NaN or infinity, whose bits are above all others.
bool select(std::span<const float> x, size_t k, Cut& cut) {
  size_t wanted = k;
  std::array<uint32_t, 2048> high;
  count_digits(x, 20, 0, high);
  for (size_t digit = kInfinityBits >> 20; digit < high.size(); ++digit) {
    if (high[digit] != 0) return false;
  }
  cut.bits = find_digit(high, wanted);
  for (int shift : {10, 0}) {
    std::array<uint32_t, 1024> low;
    count_digits(x, shift, cut.bits, low);
    cut.bits = cut.bits << 10 | find_digit(low, wanted);
  }
  cut.ties = wanted;
  return true;
}

// What to collect in one pass so that at least k values, and few more, are there.
struct Guess {
  uint32_t bits = 0;  // 0: no guess
  size_t room = 0;    // candidates to make room for
};

constexpr size_t kSample = 16384;
constexpr size_t kLeastForSample = 16384;

// Takes the magnitude of a rank three standard deviations above the expected one, from values at
// equal distances: nothing random, since a wrong guess costs time and never exactness.
Guess guess_threshold(std::span<const float> x, size_t k) {
  const size_t n = x.size();
  if (n < kLeastForSample || k > n / 4) return {};
  std::array<float, kSample> storage;
  const std::span<float> sample =
      std::span(storage).first(std::clamp(n / 64, kSample / 16, kSample));
  for (size_t i = 0; i < sample.size(); ++i) sample[i] = x[i * n / sample.size()];
  const double expected = static_cast<double>(k) * sample.size() / n;
  const auto rank = static_cast<size_t>(expected + 3 * std::sqrt(expected) + 4);
  Cut cut;
  if (!select(sample, rank, cut)) return {};
  return {cut.bits, std::min(n, rank * n / sample.size() * 3 / 2 + 1024)};
}

size_t parse_count(const std::string& text) {
  size_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && count <= limits::kParameters ? count : 0;
}

double parse_fraction(const std::string& text) {
  double fraction = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fraction);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && fraction > 0 && fraction <= 1 ? fraction : 0;
}

class TopK final : public Codec {
 public:
  // One of the two is 0.
  TopK(size_t count, double fraction) : count_(count), fraction_(fraction) {}

  Status encode(const SharedBuffer& x, Rng&, Pool& pool, SharedBuffer& wire) const override {
    wire.reset();
    const std::span<const float> values = x.floats();
    KITH_ASSERT(values.size() <= limits::kParameters);
    const size_t k = kept(values.size());
    Buffer out = pool.acquire(kHeaderBytes + k * kEntryBytes);
    const uint32_t header[] = {static_cast<uint32_t>(values.size()), static_cast<uint32_t>(k)};
    std::memcpy(out.data(), header, sizeof header);
    auto* indices = reinterpret_cast<uint32_t*>(out.data() + kHeaderBytes);
    auto* kept_values = reinterpret_cast<float*>(indices + k);
    if (k > 0) {
      Status status;
      if (!choose_among_candidates(values, k, pool, indices, kept_values, status)) {
        status = choose_among_all(values, k, indices, kept_values);
      }
      if (!status.ok()) return status;
    }
    wire = std::move(out).freeze();
    return {};
  }

  Status decode_add(std::span<const std::byte> wire, float scale,
                    std::span<float> y) const override {
    if (Status status = check_size(wire, y.size()); !status.ok()) return status;
    const size_t k = kept(y.size());
    const std::byte* indices = wire.data() + kHeaderBytes;
    const std::byte* values = indices + k * sizeof(uint32_t);
    int64_t last = -1;
    for (size_t i = 0; i < k; ++i) {
      const auto index = load<uint32_t>(indices + i * sizeof(uint32_t));
      const auto value = load<float>(values + i * sizeof(float));
      if (index <= last || index >= y.size()) return Reason::kMalformed;
      if (magnitude_bits(value) >= kInfinityBits) return Reason::kNotFinite;
      y[index] = scale * value + y[index];
      last = index;
    }
    return {};
  }

  Status check(std::span<const std::byte> wire, size_t count) const override {
    if (Status status = check_size(wire, count); !status.ok()) return status;
    const size_t k = kept(count);
    int64_t last = -1;
    for (size_t i = 0; i < k; ++i) {
      const auto index = load<uint32_t>(wire.data() + kHeaderBytes + i * sizeof(uint32_t));
      if (index <= last || index >= count) return Reason::kMalformed;
      last = index;
    }
    const auto values = wire.subspan(kHeaderBytes + k * sizeof(uint32_t));
    return kernels::all_finite_bytes(values) ? Status() : Reason::kNotFinite;
  }

  std::string describe() const override {
    if (count_ > 0) return "top-k:" + std::to_string(count_);
    if (fraction_ == 1) return "top-k:1.0";  // "1" would be a count
    char text[32];
    const auto [end, error] = std::to_chars(text, text + sizeof text, fraction_);
    KITH_ASSERT(error == std::errc());
    return "top-k:" + std::string(text, end);
  }

 private:
  // k for a vector of n values; at least one of any.
  size_t kept(size_t n) const {
    if (count_ > 0) return std::min(count_, n);
    const auto rounded = static_cast<size_t>(fraction_ * static_cast<double>(n) + 0.5);
    return std::min(n, std::max(rounded, size_t{1}));
  }

  Status check_size(std::span<const std::byte> wire, size_t count) const {
    const size_t size = kHeaderBytes + kept(count) * kEntryBytes;
    if (wire.size() < size) return Reason::kTruncated;
    if (wire.size() > size) return Reason::kOversized;
    if (load<uint32_t>(wire.data()) != count) return Reason::kMalformed;
    if (load<uint32_t>(wire.data() + 4) != kept(count)) return Reason::kMalformed;
    return {};
  }

  // False where the guess did not hold; `status` is set otherwise.
  static bool choose_among_candidates(std::span<const float> x, size_t k, Pool& pool,
                                      uint32_t* indices, float* values, Status& status) {
    const Guess guess = guess_threshold(x, k);
    if (guess.bits == 0) return false;
    Buffer scratch = pool.acquire(guess.room * kEntryBytes);
    auto* some_values = reinterpret_cast<float*>(scratch.data());
    auto* some_indices = reinterpret_cast<uint32_t*>(some_values + guess.room);
    const size_t found = HWY_DYNAMIC_DISPATCH(collect)(x.data(), x.size(), guess.bits, x.size(),
                                                       guess.room, some_indices, some_values);
    if (found < k || found > guess.room) return false;
    Cut cut;
    if (!select({some_values, found}, k, cut)) {
      status = Reason::kNotFinite;
      return true;
    }
    // No branch on the values: every candidate is written, and the next one overwrites it unless it
    // is kept. Ends at the k-th kept, so nothing is written behind it.
    size_t kept = 0;
    for (size_t i = 0; kept < k; ++i) {
      const uint32_t bits = magnitude_bits(some_values[i]);
      const bool tie = bits == cut.bits && cut.ties > 0;
      cut.ties -= tie;
      indices[kept] = some_indices[i];
      values[kept] = some_values[i];
      kept += bits > cut.bits || tie;
    }
    return true;
  }

  static Status choose_among_all(std::span<const float> x, size_t k, uint32_t* indices,
                                 float* values) {
    Cut cut;
    if (!select(x, k, cut)) return Reason::kNotFinite;
    const size_t found =
        HWY_DYNAMIC_DISPATCH(collect)(x.data(), x.size(), cut.bits, cut.ties, k, indices, values);
    KITH_ASSERT(found == k);
    return {};
  }

  size_t count_;
  double fraction_;
};

std::unique_ptr<Codec> make_top_k(const std::string& argument) {
  const size_t count = parse_count(argument);
  const double fraction = count > 0 ? 0 : parse_fraction(argument);
  if (count == 0 && fraction == 0) {
    throw OperatorError("codec \"top-k:" + argument +
                        "\": wants a fraction in (0, 1] or a count, as in \"top-k:0.01\" or "
                        "\"top-k:1000\"");
  }
  return std::make_unique<TopK>(count, fraction);
}

}  // namespace

extern const CodecInfo top_k_codec = {
    .name = "top-k",
    .argument = "fraction in (0, 1], or a count",
    .help = "the k largest magnitudes, exactly: 8 bytes each; biased, wants error feedback",
    .example = "top-k:0.01",
    .make = make_top_k,
};

}  // namespace kith
#endif  // HWY_ONCE
