// A communication graph is a rule, not a matrix: it answers for one node in O(degree) memory, so
// that ten thousand nodes cost nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "topology/types.h"

namespace kith {

inline constexpr Round kNeverRepeats = UINT64_MAX;

class Graph {
 public:
  virtual ~Graph() = default;

  virtual uint32_t nodes() const = 0;

  // Replaces `out` by the nodes whose messages `node` receives in `round`: sorted, without itself.
  virtual void in(NodeId node, Round round, std::vector<NodeId>& out) const = 0;

  // Replaces `out` by the nodes that receive from `node` in `round`: sorted, without itself.
  virtual void out(NodeId node, Round round, std::vector<NodeId>& out) const = 0;

  // True when in == out for every node and round.
  virtual bool undirected() const = 0;

  // Rounds after which the graph repeats; 1 = it never changes.
  virtual Round period() const { return 1; }
};

}  // namespace kith
