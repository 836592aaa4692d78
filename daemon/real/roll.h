// Who has come to a meeting of a run that goes on after a crash, and what each can go on from. What
// follows from it is a function of the roll alone, so that all who have the same do the same.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "daemon/store/checkpoint_folder.h"
#include "protocol/buffer.h"
#include "protocol/status.h"
#include "topology/types.h"

namespace kith {

// Of a process within a run: no two that run one node have the same, and later ones have higher
// ones, unless the disk between them was lost. `generation`: RunStart's; `unix_ns`: its begin.
inline constexpr int kLifeBits = 44;
constexpr uint64_t life_of(uint32_t generation, uint64_t unix_ns) {
  return uint64_t{generation} << kLifeBits | (unix_ns >> 20 & ((uint64_t{1} << kLifeBits) - 1));
}
constexpr bool is_first(uint64_t life) { return life >> kLifeBits == 0; }

class Roll {
 public:
  struct Row {
    uint64_t life = 0;
    // Newest first; the beginning, where the node would go back to it, is one of round 0. Empty =
    // it is in the run already, or again.
    std::vector<Restart> entries;
  };

  explicit Roll(uint32_t nodes) : nodes_(nodes) {}

  // True where that is news: nothing was known of the node, or an earlier life of it.
  bool enter(NodeId node, Row row);
  bool merge(const Roll& other);

  bool full() const { return rows_.size() == nodes_; }
  bool holds(NodeId node) const { return rows_.contains(node); }
  // It has been there in this very life.
  bool holds(NodeId node, uint64_t life) const;
  std::vector<NodeId> absent() const;  // sorted

  // A node is in its first life, and waits for its neighbours: the run has not begun.
  bool begins() const;

  // The round that most nodes can go on from, and the latest of those: what one alone has lost, or
  // was away for, throws nobody back who can do without it. Where nobody can do without anybody all
  // can go back to the beginning, so that it is one that serves all.
  Round agreed() const;

  // Equal, but for one chance in 2^64, where the rolls are.
  uint64_t digest() const;

  // Grammar: for each node, by NodeId, its number (4 bytes), its life (8), the number of its
  // entries (1), and for each its round (8) and the last that it serves (8). Little-endian.
  SharedBuffer encode(Pool& pool) const;
  // Untrusted. kMalformed, and nothing is changed.
  [[nodiscard]] Status decode(std::span<const std::byte> bytes);
  // Of a roll whose nodes have so many entries each.
  static size_t encoded_bytes(uint32_t nodes, size_t entries);

 private:
  std::vector<std::byte> bytes() const;

  uint32_t nodes_;
  std::map<NodeId, Row> rows_;
};

}  // namespace kith
