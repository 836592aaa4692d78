#include "protocol/codec/elias_fano.h"

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

// The lows by their place; the last few, behind which less than a word is readable, with care.
class Lows {
 public:
  Lows(std::span<const std::byte> bytes, uint32_t bits)
      : bytes_(bytes), bits_(bits), mask_((uint64_t{1} << bits) - 1) {}

  uint32_t at(size_t i) const {
    const size_t bit = i * bits_;
    const size_t byte = bit / 8;
    uint64_t word;
    if (byte + sizeof word <= bytes_.size()) {
      std::memcpy(&word, bytes_.data() + byte, sizeof word);
    } else {
      word = bits_ > 0 ? load_word(bytes_.subspan(byte)) : 0;
    }
    return static_cast<uint32_t>(word >> bit % 8 & mask_);
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

// Calls `take(i, index)` for each of the k positions.
template <class Take>
Status read(std::span<const std::byte> coded, size_t n, size_t k, Take take) {
  const Layout layout(n, k);
  KITH_ASSERT(coded.size() == layout.high_bytes + layout.low_bytes);
  const auto highs = coded.first(layout.high_bytes);
  const Lows lows(coded.subspan(layout.high_bytes), layout.low_bits);
  size_t i = 0;
  uint64_t least = 0;  // of the next position
  for (size_t byte = 0; byte < highs.size(); byte += 8) {
    for (uint64_t word = load_word(highs.subspan(byte)); word != 0; word &= word - 1) {
      if (i == k) return Reason::kMalformed;
      const uint64_t high = byte * 8 + static_cast<size_t>(std::countr_zero(word)) - i;
      const uint64_t index = high << layout.low_bits | lows.at(i);
      if (index < least || index >= n) return Reason::kMalformed;
      take(i++, static_cast<uint32_t>(index));
      least = index + 1;
    }
  }
  return i == k && lows.rest_is_zero(k) ? Status() : Reason::kMalformed;
}

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
  uint32_t block[PositionSink::kMost];
  const Status status = read(coded, n, k, [&](size_t i, uint32_t index) {
    block[i % PositionSink::kMost] = index;
    if ((i + 1) % PositionSink::kMost == 0) sink.take(block);
  });
  const size_t rest = k % PositionSink::kMost;
  if (status.ok() && rest > 0) sink.take(std::span(block).first(rest));
  return status;
}

Status check(std::span<const std::byte> coded, size_t n, size_t k) {
  return read(coded, n, k, [](size_t, uint32_t) {});
}

}  // namespace kith::elias_fano
