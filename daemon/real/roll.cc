#include "daemon/real/roll.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

#include "protocol/limits.h"
#include "topology/assert.h"

namespace kith {

namespace {

static_assert(std::endian::native == std::endian::little);

constexpr size_t kRowBytes = sizeof(uint32_t) + sizeof(uint64_t) + sizeof(uint8_t);

template <class T>
void put(std::vector<std::byte>& out, T value) {
  const size_t at = out.size();
  out.resize(at + sizeof value);
  std::memcpy(out.data() + at, &value, sizeof value);
}

// False where there is not so much left.
template <class T>
bool take(std::span<const std::byte>& in, T& value) {
  if (in.size() < sizeof value) return false;
  std::memcpy(&value, in.data(), sizeof value);
  in = in.subspan(sizeof value);
  return true;
}

bool take_entries(std::span<const std::byte>& in, Roll::Row& row) {
  uint8_t count = 0;
  if (!take(in, count)) return false;
  for (uint8_t i = 0; i < count; ++i) {
    Restart entry;
    if (!take(in, entry.round) || !take(in, entry.last) || entry.last < entry.round) return false;
    row.entries.push_back(entry);
  }
  return std::ranges::is_sorted(row.entries, std::greater<>(), &Restart::round);
}

}  // namespace

bool Roll::enter(NodeId node, Row row) {
  KITH_ASSERT(index_of(node) < nodes_);
  KITH_ASSERT(row.entries.size() <= limits::kRestarts);
  const auto [known, fresh] = rows_.try_emplace(node, row);
  if (fresh) return true;
  if (known->second.life >= row.life) return false;
  known->second = std::move(row);
  return true;
}

bool Roll::merge(const Roll& other) {
  bool news = false;
  for (const auto& [node, row] : other.rows_) news |= enter(node, row);
  return news;
}

bool Roll::holds(NodeId node, uint64_t life) const {
  const auto found = rows_.find(node);
  return found != rows_.end() && found->second.life == life;
}

std::vector<NodeId> Roll::absent() const {
  std::vector<NodeId> absent;
  for (uint32_t i = 0; i < nodes_; ++i) {
    if (!holds(NodeId{i})) absent.push_back(NodeId{i});
  }
  return absent;
}

bool Roll::begins() const {
  return std::ranges::any_of(rows_, [](const auto& each) {
    return is_first(each.second.life) && !each.second.entries.empty();
  });
}

Round Roll::agreed() const {
  if (begins()) return 0;
  std::vector<Round> rounds;
  for (const auto& [node, row] : rows_) {
    for (const Restart& entry : row.entries) rounds.push_back(entry.round);
  }
  std::ranges::sort(rounds);
  rounds.erase(std::unique(rounds.begin(), rounds.end()), rounds.end());
  Round best = 0;
  int64_t most = 0;
  for (const Round round : rounds) {
    const int64_t served = std::ranges::count_if(rows_, [round](const auto& each) {
      return serving(each.second.entries, round).has_value();
    });
    if (served < most) continue;
    best = round;
    most = served;
  }
  return best;
}

std::vector<std::byte> Roll::bytes() const {
  std::vector<std::byte> out;
  for (const auto& [node, row] : rows_) {
    put(out, index_of(node));
    put(out, row.life);
    put(out, static_cast<uint8_t>(row.entries.size()));
    for (const Restart& entry : row.entries) {
      put(out, entry.round);
      put(out, entry.last);
    }
  }
  return out;
}

uint64_t Roll::digest() const {
  const std::vector<std::byte> all = bytes();
  return XXH3_64bits(all.data(), all.size());
}

SharedBuffer Roll::encode(Pool& pool) const {
  const std::vector<std::byte> all = bytes();
  Buffer block = pool.acquire(all.size());
  std::ranges::copy(all, block.data());
  return std::move(block).freeze();
}

Status Roll::decode(std::span<const std::byte> in) {
  std::map<NodeId, Row> rows;
  while (!in.empty()) {
    uint32_t node = 0;
    Row row;
    if (!take(in, node) || !take(in, row.life) || !take_entries(in, row)) {
      return Reason::kMalformed;
    }
    const bool in_order = rows.empty() || index_of(rows.rbegin()->first) < node;
    if (node >= nodes_ || !in_order || row.entries.size() > limits::kRestarts) {
      return Reason::kMalformed;
    }
    rows.emplace(NodeId{node}, std::move(row));
  }
  rows_ = std::move(rows);
  return {};
}

size_t Roll::encoded_bytes(uint32_t nodes, size_t entries) {
  return nodes * (kRowBytes + entries * 2 * sizeof(Round));
}

}  // namespace kith
