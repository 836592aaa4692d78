// k values at random positions, times n / k (Stich, Cordonnier, Jaggi 2018; Wangni et al. 2018).
// The wire is that of sparse.h; the positions are a seed of 8 bytes, from which the receiver draws
// them as the sender did, and the values stand as they are: the receiver multiplies.
//
// Unbiased: every position is sent with probability k / n, so E Q(x) = x and
//   E||Q(x) - x||^2 = (n / k - 1) ||x||^2   exactly, for every x.
// With error feedback the Compressor takes Q(u / (1 + w)), w = n / k - 1, which sends the values
// u_i themselves: rand-k without its scale, a contraction with delta = k / n exactly.
//
// Positions: every subset of k is equally likely. More than k balls fall on the positions, each
// anywhere; which ones are hit has, given their number, any set of that size with equal chance.
// Those too many are left out again, any of them with equal chance. Where k > n / 2 what is drawn
// so is left out, and the rest is sent. The balls are first counted for each block of positions,
// whose counts fit a cache, and then fall within it, block after block. All of it is arithmetic on
// integers, and on doubles by rules that IEEE 754 has for every machine.
//
// Cost: one pass over x, which looks for NaN and gathers in the same block; about k balls, 2 bytes
// each, and 2 bytes for each block of 4096 positions.
#include "protocol/codec/rand_k.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "protocol/codec/collect.h"
#include "protocol/kernels.h"
#include "topology/assert.h"

namespace kith {

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

// `wanted` <= n / 2 of n positions, by block.
class RandomSubset {
 public:
  static constexpr size_t kBlock = 4096;  // positions; the last block may have fewer

  RandomSubset(uint64_t seed, size_t n, size_t wanted, Pool& pool)
      : n_(n),
        blocks_((n + kBlock - 1) / kBlock),
        block_bits_(std::bit_width(blocks_ - 1)),
        offset_bits_(blocks_ == 1 ? std::max<unsigned>(1, std::bit_width(n - 1)) : 12),
        draws_(seed) {
    const size_t balls = balls_for(n, wanted);
    counts_ = pool.acquire((size_t{1} << block_bits_) * sizeof(uint16_t));
    offsets_ = pool.acquire((balls + kAtOnce) * sizeof(uint16_t));
    size_t hit = 0;
    do {
      spread(balls);
      hit = fall();
    } while (hit < wanted);  // rare, and what is left is as random as ever
    leave_out(hit - wanted, hit, pool);
  }

  // Offsets within the next block of those that were drawn there; each block once, in order.
  std::span<const uint16_t> next() {
    uint16_t* const begin = offsets() + read_;
    size_t count = counts()[block_++];
    const size_t end = read_ + count;
    while (left_out_at_ < left_outs_ && left_outs()[left_out_at_] < end) {
      const size_t at = left_outs()[left_out_at_] - read_ - (end - read_ - count);
      std::copy(begin + at + 1, begin + count, begin + at);
      --count;
      ++left_out_at_;
    }
    read_ = end;
    return {begin, count};
  }

 private:
  static constexpr size_t kAtOnce = 32;  // offsets that are written before anybody counts them

  uint16_t* counts() { return reinterpret_cast<uint16_t*>(counts_.data()); }
  uint16_t* offsets() { return reinterpret_cast<uint16_t*>(offsets_.data()); }
  uint64_t* left_outs() { return reinterpret_cast<uint64_t*>(left_out_.data()); }

  // So many that fewer than `wanted` hit positions are a matter of 4 standard deviations: n log(1 /
  // (1 - wanted / n)) would hit `wanted` on average. By the series, since log differs between
  // machines.
  static size_t balls_for(size_t n, size_t wanted) {
    const auto positions = static_cast<double>(n);
    const double share = static_cast<double>(wanted) / positions;
    double fill = 0;
    double power = share;
    for (int i = 1; i <= 64; ++i) {
      fill += power / i;
      power *= share;
    }
    const double deviation = fill * std::sqrt(2 * positions);
    return static_cast<size_t>(std::ceil(fill * positions + 4 * deviation)) + 4;
  }

  // How many balls fall on each block. Blocks are drawn from a power of two of them; balls beyond
  // the last position fall again.
  void spread(size_t balls) {
    std::memset(counts_.data(), 0, counts_.size());
    if (blocks_ == 1) {
      counts()[0] = static_cast<uint16_t>(balls);
      return;
    }
    const size_t at_once = 64 / block_bits_;
    size_t fallen = 0;
    while (fallen < balls) {
      uint64_t random = draws_.next();
      for (size_t i = std::min(at_once, balls - fallen); i > 0; --i) {
        fallen += falls_on(random & ((uint64_t{1} << block_bits_) - 1));
        random >>= block_bits_;
      }
    }
  }

  size_t falls_on(size_t block) {
    const size_t whole = n_ / kBlock;
    const size_t rest = n_ % kBlock;
    if (block == whole && rest > 0) [[unlikely]] {
      const bool inside = (draws_.next() >> 52) < rest;
      counts()[block] += inside;
      return inside;
    }
    ++counts()[block];
    return block < whole;
  }

  // Lets them fall within their blocks. Returns how many positions are hit; counts() then has those
  // of each block.
  size_t fall() {
    size_t hit = 0;
    for (size_t block = 0; block < blocks_; ++block) {
      const size_t size = std::min(kBlock, n_ - block * kBlock);
      const bool whole = size == size_t{1} << offset_bits_;
      const size_t of_block = whole ? fall_within<true>(counts()[block], size, offsets() + hit)
                                    : fall_within<false>(counts()[block], size, offsets() + hit);
      counts()[block] = static_cast<uint16_t>(of_block);
      hit += of_block;
    }
    return hit;
  }

  // `whole`: every number of offset_bits_ bits is below `size`; of a block that is not balls fall
  // again where one is not.
  template <bool whole>
  size_t fall_within(size_t balls, size_t size, uint16_t* out) {
    std::array<uint64_t, kBlock / 64> taken = {};
    const size_t at_once = 60 / offset_bits_;
    const uint64_t mask = (uint64_t{1} << offset_bits_) - 1;
    size_t hit = 0;
    while (balls > 0) {
      uint64_t random = draws_.next();
      for (size_t i = std::min(at_once, balls); i > 0; --i) {
        const uint64_t offset = random & mask;
        random >>= offset_bits_;
        const bool inside = whole || offset < size;
        uint64_t& word = taken[offset / 64];
        const uint64_t before = word;
        word |= static_cast<uint64_t>(inside) << offset % 64;
        out[hit] = static_cast<uint16_t>(offset);
        hit += word != before;
        balls -= inside;
      }
    }
    return hit;
  }

  // Draws `count` of the `hit` ones, all different: what is drawn twice is drawn again.
  void leave_out(size_t count, size_t hit, Pool& pool) {
    left_outs_ = count;
    left_out_ = pool.acquire(count * sizeof(uint64_t));
    uint64_t* const first = left_outs();
    for (uint64_t* end = first; end != first + count;) {
      while (end != first + count) *end++ = below(hit);
      std::sort(first, end);
      end = std::unique(first, end);
    }
  }

  // Uniform below `bound` <= 2^32 (Lemire 2019).
  uint64_t below(uint64_t bound) {
    const uint64_t uneven = (uint64_t{1} << 32) % bound;
    for (;;) {
      const uint64_t product = (draws_.next() >> 32) * bound;
      if ((product & 0xffffffff) >= uneven) return product >> 32;
    }
  }

  const size_t n_;
  const size_t blocks_;
  const unsigned block_bits_;
  const unsigned offset_bits_;
  Draws draws_;
  Buffer counts_;    // u16 by block
  Buffer offsets_;   // u16, of one block after the other
  Buffer left_out_;  // u64, which of them, sorted
  size_t left_outs_ = 0;
  size_t block_ = 0;        // of next()
  size_t read_ = 0;         // offsets before it
  size_t left_out_at_ = 0;  // those before it
};

// The positions that are sent: what is drawn, or all others.
class Sent {
 public:
  static constexpr size_t kBlock = RandomSubset::kBlock;

  Sent(uint64_t seed, size_t n, size_t k, Pool& pool)
      : n_(n), others_(k > n / 2), drawn_(seed, n, others_ ? n - k : k, pool) {}

  // Of the next block, as offsets within it; each block once, in order.
  std::span<const uint16_t> next() {
    const std::span<const uint16_t> drawn = drawn_.next();
    const size_t size = std::min(kBlock, n_ - first_);
    first_ += size;
    return others_ ? all_but(drawn, size) : drawn;
  }

 private:
  std::span<const uint16_t> all_but(std::span<const uint16_t> drawn, size_t size) {
    std::array<bool, kBlock> out = {};
    for (const uint16_t offset : drawn) out[offset] = true;
    size_t count = 0;
    for (size_t i = 0; i < size; ++i) {
      list_[count] = static_cast<uint16_t>(i);
      count += !out[i];
    }
    return {list_.data(), count};
  }

  const size_t n_;
  const bool others_;
  RandomSubset drawn_;
  size_t first_ = 0;
  std::array<uint16_t, kBlock> list_;  // of all_but
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
Status gather(std::span<const float> x, Sent& sent, double gain, std::span<float> to) {
  float* next = to.data();
  for (size_t first = 0; first < x.size(); first += Sent::kBlock) {
    const auto block = x.subspan(first, std::min(Sent::kBlock, x.size() - first));
    if (!kernels::all_finite(block)) return Reason::kNotFinite;
    for (const uint16_t offset : sent.next()) *next++ = block[offset];
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
  Sent sent(seed, x.size(), k, pool);
  return gather(x, sent, gain(x.size(), k), chosen.values.floats());
}

Status RandK::positions(std::span<const std::byte> coded, size_t n, size_t k, Pool& pool,
                        PositionSink& sink) const {
  if (k == 0) return {};
  uint64_t seed;
  std::memcpy(&seed, coded.data(), sizeof seed);
  Sent sent(seed, n, k, pool);
  std::array<uint32_t, PositionSink::kMost> indices;
  for (size_t first = 0; first < n; first += Sent::kBlock) {
    std::span<const uint16_t> offsets = sent.next();
    while (!offsets.empty()) {
      const size_t count = std::min(indices.size(), offsets.size());
      for (size_t i = 0; i < count; ++i) indices[i] = static_cast<uint32_t>(first + offsets[i]);
      sink.take({indices.data(), count});
      offsets = offsets.subspan(count);
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
