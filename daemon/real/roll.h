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

class Roll {
 public:
  struct Row {
    uint32_t generation = 0;  // how often the node's daemon has gone on with the run
    // Newest first; the beginning, where the node would go back to it, is one of round 0. Empty =
    // it is in the run already, or again.
    std::vector<CheckpointFolder::Entry> entries;
  };

  explicit Roll(uint32_t nodes) : nodes_(nodes) {}

  // True where that is news: nothing was known of the node, or an earlier life of it.
  bool enter(NodeId node, Row row);
  bool merge(const Roll& other);

  bool full() const { return rows_.size() == nodes_; }
  bool holds(NodeId node) const { return rows_.contains(node); }
  // It has been there in this very life.
  bool holds(NodeId node, uint64_t generation) const;
  std::vector<NodeId> absent() const;  // sorted

  // A node is in its first life, and waits for its neighbours: the run has not begun.
  bool begins() const;

  // The round that most nodes can go on from, and the latest of those: what one alone has lost, or
  // was away for, throws nobody back who can do without it. Where nobody can do without anybody all
  // can go back to the beginning, so that it is one that serves all.
  Round agreed() const;

  // Equal, but for one chance in 2^64, where the rolls are.
  uint64_t digest() const;

  // Grammar: for each node, by NodeId, its number (4 bytes), its generation (4), the number of its
  // entries (1), and for each its round (8), with the highest bit set where it is not exact.
  // Little-endian.
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
