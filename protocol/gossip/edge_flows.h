// What each edge has moved a node's memory by, where a memory r adds up the differences that gossip
// brings:
//   r_i+ = r_i + sum_j w_ij (q_j - q_i)      so      r_i = sum_j f_ij      f_ij+ = f_ij + w_ij (q_j
//   - q_i)
// With w_ij = w_ji the two ends of an edge have f_ij = -f_ji, so that all r together are 0: that is
// what makes the average of trackers the average of gradients (gradient tracking, BEER), and keeps
// the average of x where the memory corrects it (D2, EXTRA, K-GT). When an edge is given up both
// ends take its flow back, r_i -= f_ij, and all r of those who are left are 0 together again,
// whoever has died, with no word to anybody (flow updating: Jesus, Baquero, Almeida 2009;
// push-flow: Gansterer, Niederbrucker, Strakova, Schulze Grotthoff 2013, there for averages alone).
//
// Keeps: p floats for each neighbour, and takes a pass over memory for each and round: only where
// neighbours may leave.
#pragma once

#include <span>

#include "protocol/algorithm.h"
#include "protocol/gossip/peer_vectors.h"

namespace kith {

class EdgeFlows {
 public:
  // f_ij += scale w_ij (q_j - own), q_j being the payload of the message from row.neighbors[j].
  // Nothing where neighbours do not leave.
  void add(const NodeState& state, const SharedBuffer& own, const MixingRow& row,
           std::span<const Message> messages, float scale = 1.0f);

  // f_ij += scale difference.
  void add(const NodeState& state, NodeId peer, float scale, std::span<const float> difference);

  // memory -= f_ij, and the edge begins anew. An empty memory is 0.
  void take_back(const NodeState& state, NodeId peer, SharedBuffer& memory);

  void persist(Archive& archive) { flows_.persist(archive); }

 private:
  Buffer writable_flow(const NodeState& state, NodeId peer);

  PeerVectors flows_;
};

}  // namespace kith
