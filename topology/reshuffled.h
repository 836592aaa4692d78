// A regular graph that is another in every round, without anybody drawing the whole of it: what
// epidemic learning with exact degrees asks for (De Vos et al. 2023, EL-Oracle).
//
// Round t has a random permutation P of the nodes and floor(d / 2) distinct offsets, the first of
// them 1, the others drawn from 2 .. (N - 1) / 2. Node P(x) is joined to P(x + s) and P(x - s) for
// each offset s, all mod N, and where d is odd (N is even then) to P(x + N / 2). So every round is
// simple and d-regular, and connected where d >= 2; a node's neighbours are a uniform draw of d
// others, up to what topology/permutation.h says.
//
// Whatever graph the permutation relabels, with W = (I + A) / (d + 1) the expectation of W^2 is
// a I + (1 - a) J with a = (1 - d / (N - 1)) / (d + 1): one round shrinks the expected squared
// disagreement by exactly that (lemma of De Vos et al. for EL-Oracle), about 1 / (d + 1), even
// where a graph that stays the same would mix at a rate that falls with N.
//
// O(d log N + d^2 / 16) time for a node and round; no memory but the arguments.
#pragma once

#include "topology/undirected_graph.h"

namespace kith {

class ReshuffledRegular final : public UndirectedGraph {
 public:
  // Needs degree < nodes and nodes * degree even.
  ReshuffledRegular(uint32_t nodes, uint32_t degree, uint64_t seed)
      : UndirectedGraph(nodes), degree_(degree), seed_(seed) {}

  Round period() const override { return kNeverRepeats; }
  void in(NodeId node, Round round, std::vector<NodeId>& out) const override;

 private:
  uint32_t degree_;
  uint64_t seed_;
};

}  // namespace kith
