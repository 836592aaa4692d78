// k values at random positions, times n / k (Stich, Cordonnier, Jaggi 2018; Wangni et al. 2018).
// The wire is that of sparse.h; the positions are a seed of 8 bytes, from which the receiver draws
// them as the sender did, and the values stand as they are: the receiver multiplies.
//
// Unbiased: every position is sent with probability k / n, so E Q(x) = x and
//   E||Q(x) - x||^2 = (n / k - 1) ||x||^2   exactly, for every x.
// With error feedback the Compressor takes Q(u / (1 + w)), w = n / k - 1, which sends the values
// u_i themselves: rand-k without its scale, a contraction with delta = k / n exactly.
//
// Positions: every subset of k is equally likely. Draws from 0..n-1 that repeat none before mark a
// bit each; where k > n / 2 what is marked is left out instead. At most n / 2 marks, so each draw
// is a new one with probability 1/2 or more. All of it is arithmetic on integers.
//
// Cost: one pass over x, which looks for NaN and gathers in the same block; 2 k draws at most; n /
// 8 bytes for the marks.
#include "protocol/codec/rand_k.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "protocol/codec/collect.h"
#include "protocol/kernels.h"
#include "protocol/vector_targets.h"
#include "topology/assert.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "protocol/codec/rand_k.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace kith::HWY_NAMESPACE {

// Lists which bits of the words are 1; returns how many. Most words hold few: the first 2 of each
// are written whether there or not, so `out` has room for 2 more, and no branch depends on how
// many.
size_t list_bits(const uint64_t* words, size_t count, uint32_t* out) {
  size_t found = 0;
  for (size_t i = 0; i < count; ++i) {
    uint64_t word = words[i];
    const auto present = static_cast<size_t>(std::popcount(word));
    for (size_t j = 0; j < 2 || j < present; ++j) {
      out[found + j] = static_cast<uint32_t>(i * 64 + std::countr_zero(word));
      word &= word - 1;
    }
    found += present;
  }
  return found;
}

}  // namespace kith::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith {

HWY_EXPORT(list_bits);

namespace {

// xoshiro256** (Blackman, Vigna 2021): 64 random bits a step.
class Draws {
 public:
  explicit Draws(uint64_t seed) {
    Rng rng(seed, NodeId{0}, Purpose::kCodec);
    for (uint64_t& word : state_) word = rng.next();
  }

  uint64_t next() {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

 private:
  std::array<uint64_t, 4> state_;
};

// A bit for each of n positions: those that are sent, and nothing behind them.
class Marks {
 public:
  static constexpr size_t kWordBits = 64;
  static constexpr size_t kBlock = 64 * kWordBits;  // positions that are listed together

  Marks(uint64_t seed, size_t n, size_t k, Pool& pool)
      : words_((n + kWordBits - 1) / kWordBits), block_(pool.acquire(words_ * sizeof(uint64_t))) {
    std::memset(block_.data(), 0, block_.size());
    const bool left_out = k > n / 2;
    draw(seed, n, left_out ? n - k : k);
    if (left_out) invert(n);
  }

  // What is sent of one block.
  struct List {
    size_t count = 0;
    uint32_t from_first[kBlock + 2];  // as list_bits needs them
  };

  // Of the positions from `first` on, a multiple of kBlock.
  void list(size_t first, List& out) {
    const size_t words = std::min(kBlock / kWordBits, words_ - first / kWordBits);
    out.count = HWY_DYNAMIC_DISPATCH(list_bits)(data() + first / kWordBits, words, out.from_first);
  }

 private:
  static constexpr size_t kBatch = 128;  // draws whose words are fetched together

  uint64_t* data() { return reinterpret_cast<uint64_t*>(block_.data()); }

  // Marks `wanted` <= n / 2 of them. A number of 32 bits times n, over 2^32, is uniform once those
  // are refused whose lower half is below 2^32 mod n (Lemire 2019).
  void draw(uint64_t seed, size_t n, size_t wanted) {
    if (wanted == 0) return;
    Draws draws(seed);
    const auto uneven = static_cast<uint32_t>((uint64_t{1} << 32) % n);
    uint64_t products[kBatch];
    while (wanted > 0) {
      for (size_t i = 0; i < kBatch; i += 2) {
        const uint64_t both = draws.next();
        products[i] = (both & 0xffffffff) * n;
        products[i + 1] = (both >> 32) * n;
        __builtin_prefetch(data() + (products[i] >> 32) / kWordBits, 1);
        __builtin_prefetch(data() + (products[i + 1] >> 32) / kWordBits, 1);
      }
      if (wanted >= kBatch) {
        for (const uint64_t product : products) wanted -= mark(product, uneven);
      } else {
        for (size_t i = 0; i < kBatch && wanted > 0; ++i) wanted -= mark(products[i], uneven);
      }
    }
  }

  // 1 where this is a new position, without a branch on what was drawn.
  size_t mark(uint64_t product, uint32_t uneven) {
    const size_t index = product >> 32;
    uint64_t& word = data()[index / kWordBits];
    const uint64_t before = word;
    const bool fair = static_cast<uint32_t>(product) >= uneven;
    word |= static_cast<uint64_t>(fair) << index % kWordBits;
    return word != before;
  }

  void invert(size_t n) {
    for (size_t i = 0; i < words_; ++i) data()[i] = ~data()[i];
    if (n % kWordBits != 0) data()[words_ - 1] &= (uint64_t{1} << n % kWordBits) - 1;
  }

  size_t words_;
  Buffer block_;
};

bool stays_finite(std::span<const float> values, float gain) {
  bool finite = true;
  for (const float value : values) {
    finite &= magnitude_bits(gain * value) < kInfinityBits;
  }
  return finite;
}

// Block by block, so that a value is gathered from where the search for NaN has just brought it.
// What would leave the range of floats at the receiver is not finite either.
Status gather(std::span<const float> x, Marks& marks, double gain, std::span<float> to) {
  Marks::List sent;
  float* next = to.data();
  for (size_t first = 0; first < x.size(); first += Marks::kBlock) {
    const auto block = x.subspan(first, std::min(Marks::kBlock, x.size() - first));
    if (!kernels::all_finite(block)) return Reason::kNotFinite;
    marks.list(first, sent);
    for (size_t i = 0; i < sent.count; ++i) *next++ = block[sent.from_first[i]];
  }
  KITH_ASSERT(next == to.data() + to.size());
  return stays_finite(to, static_cast<float>(gain)) ? Status() : Reason::kNotFinite;
}

}  // namespace

Status RandK::choose(std::span<const float> x, Rng& rng, Pool& pool, Chosen& chosen) const {
  const uint64_t seed = rng.next();
  chosen.positions = pool.acquire(sizeof seed);
  std::memcpy(chosen.positions.data(), &seed, sizeof seed);
  const size_t k = share_.of(x.size());
  chosen.values = pool.acquire_floats(k);
  if (k == 0) return {};
  Marks marks(seed, x.size(), k, pool);
  return gather(x, marks, gain(x.size(), k), chosen.values.floats());
}

Status RandK::positions(std::span<const std::byte> coded, size_t n, size_t k, Pool& pool,
                        PositionSink& sink) const {
  uint64_t seed;
  std::memcpy(&seed, coded.data(), sizeof seed);
  Marks marks(seed, n, k, pool);
  Marks::List sent;
  for (size_t first = 0; first < n; first += Marks::kBlock) {
    marks.list(first, sent);
    for (size_t i = 0; i < sent.count; ++i) sent.from_first[i] += static_cast<uint32_t>(first);
    for (size_t i = 0; i < sent.count; i += PositionSink::kMost) {
      sink.take({sent.from_first + i, std::min(PositionSink::kMost, sent.count - i)});
    }
  }
  return {};
}

double RandK::gain(size_t n, size_t k) const {
  return k == 0 ? 1 : static_cast<double>(n) / static_cast<double>(k);
}

namespace {

std::unique_ptr<Codec> make_rand_k(const std::string& argument, std::unique_ptr<Codec> values) {
  const std::optional<Share> share = Share::parse(argument);
  if (!share) {
    throw OperatorError("codec \"rand-k:" + argument +
                        "\": wants a fraction in (0, 1] or a count, as in \"rand-k:0.01\" or "
                        "\"rand-k:1000\"");
  }
  return make_sparse(std::make_unique<RandK>(*share), std::move(values));
}

}  // namespace

extern const CodecInfo rand_k_codec = {
    .name = "rand-k",
    .argument = "fraction in (0, 1], or a count",
    .help = "k values at random positions, times n / k: 4 bytes each; unbiased",
    .example = "rand-k:0.01",
    .over = make_rand_k,
};

}  // namespace kith
#endif  // HWY_ONCE
