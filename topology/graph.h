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

  // True when in == out for every node and round, and the graph's own weights, if it has any, are
  // the same both ways.
  virtual bool undirected() const = 0;

  // Rounds after which the graph repeats; 1 = it never changes. kNeverRepeats: it never does, but a
  // node's in-degree and out-degree stay what they are in round 0.
  virtual Round period() const { return 1; }

  // True where the graph brings a mixing matrix of its own, doubly stochastic in every round.
  virtual bool weighted() const { return false; }

  // Replaces `out` by the off-diagonal entries of row `node` of that matrix: the peers are those of
  // in(), the weights are positive. Needs weighted().
  virtual void weights(NodeId node, Round round, std::vector<Neighbor>& out) const;
};

// Replaces `out` by all who `node` ever hears or is heard by: sorted, without itself; every other
// node where the graph never repeats. O(period degree).
void all_neighbors(const Graph& graph, NodeId node, std::vector<NodeId>& out);

// Rounds that show all there is to a graph: one period, or the first kRoundsShown of one that
// never repeats.
inline constexpr Round kRoundsShown = 64;
Round rounds_shown(const Graph& graph);

}  // namespace kith
