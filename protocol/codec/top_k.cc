// The k largest magnitudes, exactly; of equal ones those with the lower index. The wire is that of
// sparse.h, with the positions themselves.
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
#include <cmath>

#include "protocol/codec/collect.h"
#include "protocol/codec/sparse.h"
#include "topology/assert.h"

namespace kith {

namespace {

constexpr size_t kEntryBytes = 8;

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
bool find_cut(std::span<const float> x, size_t k, Cut& cut) {
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
  if (!find_cut(sample, rank, cut)) return {};
  return {cut.bits, std::min(n, rank * n / sample.size() * 3 / 2 + 1024)};
}

class TopK final : public IndexedSparsifier {
 public:
  explicit TopK(Share share) : share_(share) {}

  std::optional<size_t> count(size_t n) const override { return share_.of(n); }
  std::string describe() const override { return "top-k:" + share_.text(); }

 private:
  Status select(std::span<const float> x, Pool& pool, Buffer& indices,
                Buffer& values) const override {
    const size_t k = share_.of(x.size());
    indices = pool.acquire(k * sizeof(uint32_t));
    values = pool.acquire_floats(k);
    if (k == 0) return {};
    auto* kept_indices = reinterpret_cast<uint32_t*>(indices.data());
    float* kept_values = values.floats().data();
    Status status;
    if (choose_among_candidates(x, k, pool, kept_indices, kept_values, status)) return status;
    return choose_among_all(x, k, kept_indices, kept_values);
  }

  // False where the guess did not hold; `status` is set otherwise.
  static bool choose_among_candidates(std::span<const float> x, size_t k, Pool& pool,
                                      uint32_t* indices, float* values, Status& status) {
    const Guess guess = guess_threshold(x, k);
    if (guess.bits == 0) return false;
    Buffer scratch = pool.acquire(guess.room * kEntryBytes);
    auto* some_values = reinterpret_cast<float*>(scratch.data());
    auto* some_indices = reinterpret_cast<uint32_t*>(some_values + guess.room);
    const size_t found = collect(x, guess.bits, x.size(), guess.room, some_indices, some_values);
    if (found < k || found > guess.room) return false;
    Cut cut;
    if (!find_cut({some_values, found}, k, cut)) {
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
    if (!find_cut(x, k, cut)) return Reason::kNotFinite;
    const size_t found = collect(x, cut.bits, cut.ties, k, indices, values);
    KITH_ASSERT(found == k);
    return {};
  }

  Share share_;
};

std::unique_ptr<Codec> make_top_k(const std::string& argument, std::unique_ptr<Codec> values) {
  const std::optional<Share> share = Share::parse(argument);
  if (!share) {
    throw OperatorError("codec \"top-k:" + argument +
                        "\": wants a fraction in (0, 1] or a count, as in \"top-k:0.01\" or "
                        "\"top-k:1000\"");
  }
  return make_sparse(std::make_unique<TopK>(*share), std::move(values));
}

}  // namespace

extern const CodecInfo top_k_codec = {
    .name = "top-k",
    .argument = "fraction in (0, 1], or a count",
    .help = "the k largest magnitudes, exactly; biased, wants error feedback",
    .example = "top-k:0.01",
    .over = make_top_k,
};

}  // namespace kith
