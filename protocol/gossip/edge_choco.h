// CHOCO-SGD (Koloskova, Stich, Jaggi 2019) where the weights change from round to round: nodes
// gossip by compressed differences, each edge by itself.
//
//   v_i = T(x_i)                               `local_steps` steps of the node's own optimiser
//   q_ij = C(v_i - xhat_ij)                    to each neighbour j of the round
//   xhat_ij+ = xhat_ij + q_ij                  what j has of i: both ends keep it, bit for bit
//   x_i+ = v_i + gamma sum_j w_ij (xhat_ji+ - xhat_ij+)      over the neighbours of the round
//
// A public copy, the same for all neighbours, would have to reach every one of them in every round,
// on edges that are left out as well; a sum of copies would need weights that stay. So each edge
// has copies of its own, which change when it is used and only then. All begin as x_0, which every
// node knows, and take no memory before their first use. What C leaves out stays in the difference.
// When a neighbour leaves, its edge begins anew with x_0.
// An unbiased codec is used as a contraction (protocol/compressor.h).
//
// Keeps: x, v and two vectors for each node that it has ever met: (2 + 2 degree) p floats. Sends: q
// to each neighbour of the round, coded for it alone: as many encodings as neighbours. Waits: for
// its neighbours. Needs: edges that go both ways, W symmetric; gamma below 1 for coarse codecs.
// Invariants: the average of x is moved by steps alone, for what two nodes add is the same but for
// the sign; with C = identity and gamma = 1 it is D-PSGD in the order ATC over the same W, to
// rounding.
#pragma once

#include <map>

#include "protocol/compressor.h"
#include "protocol/gossip/lockstep.h"

namespace kith {

class EdgeChoco final : public LockstepGossip {
 public:
  // `state` holds x_0.
  EdgeChoco(const NodeState& state, const char* name, uint32_t local_steps, float gamma);

  void persist(Archive& archive) override;

 private:
  struct Copies {
    SharedBuffer own;     // xhat_ij: what the peer has of this node
    SharedBuffer theirs;  // xhat_ji
    LastSent last_sent;

    void persist(Archive& archive);
  };

  bool encode_for(NodeState& state, const SharedBuffer& v, NodeId peer,
                  SharedBuffer& wire) override;
  Copies& copies_with(NodeId peer);
  void forget(const NodeState&, NodeId peer) override { edges_.erase(peer); }
  SharedBuffer combine(NodeState& state, const Exchange& exchange) override;
  void describe_memory(std::string& out) const override;

  const float gamma_;
  SharedBuffer start_;              // x_0
  std::map<NodeId, Copies> edges_;  // by peer
};

}  // namespace kith
