#include "protocol/codec/elias_fano.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "topology/assert.h"

namespace kith::elias_fano {

namespace {

struct Layout {
  Layout(size_t n, size_t k) {
    if (k == 0) return;
    low_bits = static_cast<uint32_t>(std::bit_width(n / k)) - 1;
    high_bytes = (k + ((n - 1) >> low_bits) + 7) / 8;
    low_bytes = (k * low_bits + 7) / 8;
  }

  uint32_t low_bits = 0;
  size_t high_bytes = 0;
  size_t low_bytes = 0;
};

// Up to 8 bytes as a little-endian number.
uint64_t load_word(std::span<const std::byte> from) {
  uint64_t word = 0;
  std::memcpy(&word, from.data(), from.size() < 8 ? from.size() : 8);
  return word;
}

void pack_lows(std::span<const uint32_t> indices, uint32_t bits, std::span<std::byte> out) {
  const uint32_t mask = (uint32_t{1} << bits) - 1;
  uint64_t waiting = 0;
  uint32_t filled = 0;  // bits of `waiting`, fewer than 32 before each position
  std::byte* to = out.data();
  for (const uint32_t index : indices) {
    waiting |= static_cast<uint64_t>(index & mask) << filled;
    filled += bits;
    if (filled < 32) continue;
    const auto low = static_cast<uint32_t>(waiting);
    std::memcpy(to, &low, sizeof low);
    to += sizeof low;
    waiting >>= 32;
    filled -= 32;
  }
  if (filled > 0) std::memcpy(to, &waiting, (filled + 7) / 8);
}

// The lows by their place.
class Lows {
 public:
  Lows(std::span<const std::byte> bytes, uint32_t bits)
      : bytes_(bytes), bits_(bits), mask_((uint64_t{1} << bits) - 1) {}

  // From here on less than a word is readable where a low begins.
  size_t fast_until(size_t k) const {
    if (bits_ == 0 || bytes_.size() < sizeof(uint64_t)) return 0;
    return std::min(k, ((bytes_.size() - sizeof(uint64_t)) * 8 + 7) / bits_);
  }

  // i < fast_until(k)
  uint64_t fast_at(size_t i) const {
    const size_t bit = i * bits_;
    uint64_t word;
    std::memcpy(&word, bytes_.data() + bit / 8, sizeof word);
    return word >> bit % 8 & mask_;
  }

  uint64_t at(size_t i) const {
    if (bits_ == 0) return 0;
    const size_t bit = i * bits_;
    return load_word(bytes_.subspan(bit / 8)) >> bit % 8 & mask_;
  }

  bool rest_is_zero(size_t k) const {
    const size_t used = k * bits_ % 8;
    return used == 0 || std::to_integer<uint32_t>(bytes_.back()) >> used == 0;
  }

 private:
  std::span<const std::byte> bytes_;
  uint32_t bits_;
  uint64_t mask_;
};

// Reads the k positions and calls `flush` with up to PositionSink::kMost at a time. Nothing
// branches on a position: whether they increase is gathered, and looked at before they are handed
// over, and then the last one alone must be below n.
template <class Flush>
class Reader {
 public:
  Reader(std::span<const std::byte> coded, size_t n, size_t k, Flush flush)
      : layout_(n, k),
        highs_(coded.first(layout_.high_bytes)),
        lows_(coded.subspan(layout_.high_bytes), layout_.low_bits),
        n_(n),
        k_(k),
        flush_(flush) {
    KITH_ASSERT(coded.size() == layout_.high_bytes + layout_.low_bytes);
  }

  Status read() {
    const size_t fast = lows_.fast_until(k_);
    for (size_t byte = 0; byte < highs_.size(); byte += 8) {
      const uint64_t word = load_word(highs_.subspan(byte));
      const size_t end = i_ + static_cast<size_t>(std::popcount(word));
      if (end > k_) return Reason::kMalformed;
      const bool good = end <= fast
                            ? take(word, byte * 8, [this](size_t i) { return lows_.fast_at(i); })
                            : take(word, byte * 8, [this](size_t i) { return lows_.at(i); });
      if (!good) return Reason::kMalformed;
    }
    return i_ == k_ && hand_over(i_ % PositionSink::kMost) && lows_.rest_is_zero(k_)
               ? Status()
               : Reason::kMalformed;
  }

 private:
  template <class Low>
  bool take(uint64_t word, uint64_t first, Low low) {
    for (; word != 0; word &= word - 1) {
      const uint64_t high = first + static_cast<uint64_t>(std::countr_zero(word)) - i_;
      const uint64_t index = high << layout_.low_bits | low(i_);
      falls_ |= index < least_;
      least_ = index + 1;
      block_[i_ % PositionSink::kMost] = static_cast<uint32_t>(index);
      if (++i_ % PositionSink::kMost == 0 && !hand_over(PositionSink::kMost)) return false;
    }
    return true;
  }

  bool hand_over(size_t count) {
    if (falls_ || least_ > n_) return false;
    if (count > 0) flush_(std::span<const uint32_t>(block_, count));
    return true;
  }

  const Layout layout_;
  std::span<const std::byte> highs_;
  const Lows lows_;
  const size_t n_;
  const size_t k_;
  Flush flush_;
  size_t i_ = 0;
  uint64_t least_ = 0;  // of the next position
  bool falls_ = false;
  uint32_t block_[PositionSink::kMost];
};

}  // namespace

size_t bytes(size_t n, size_t k) {
  const Layout layout(n, k);
  return layout.high_bytes + layout.low_bytes;
}

void encode(std::span<const uint32_t> indices, size_t n, std::span<std::byte> out) {
  const Layout layout(n, indices.size());
  KITH_ASSERT(out.size() == layout.high_bytes + layout.low_bytes);
  if (indices.empty()) return;
  auto* highs = reinterpret_cast<uint8_t*>(out.data());
  std::memset(highs, 0, layout.high_bytes);
  for (size_t i = 0; i < indices.size(); ++i) {
    const size_t bit = (indices[i] >> layout.low_bits) + i;
    highs[bit / 8] |= static_cast<uint8_t>(1u << bit % 8);
  }
  pack_lows(indices, layout.low_bits, out.subspan(layout.high_bytes));
}

Status decode(std::span<const std::byte> coded, size_t n, size_t k, PositionSink& sink) {
  return Reader(coded, n, k, [&](std::span<const uint32_t> some) { sink.take(some); }).read();
}

Status check(std::span<const std::byte> coded, size_t n, size_t k) {
  return Reader(coded, n, k, [](std::span<const uint32_t>) {}).read();
}

}  // namespace kith::elias_fano
