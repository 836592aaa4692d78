// The hub's model on its way to the nodes, where that is coded as well (codec.down).
//
//   all nodes hold a copy w of the hub's z, and compute at it:
//   hub:   q = C(z - w)      w+ = w + decode(q)      node:  w+ = w + decode(q)
//
// Difference compression against what was sent last (EF21-P, Gruntkowska, Tyurin, Richtarik 2023;
// the server's half of DoubleSqueeze, Tang et al. 2019): what q leaves out is z - w+ and is told
// with the next, so there is error feedback by construction, and w follows z as closely as C is
// good. An unbiased codec is used as a contraction, see compressor.h. The last model goes down as
// it is.
//
// Every node must hear every q, and go on from w: for algorithms in which all nodes get the news of
// each round and nothing else decides where they are. (Where nodes are pulled towards z from places
// of their own, z follows them; what w lacks of it must not be added to that, and it diverges.)
//
// Keeps: w, on the hub a second vector, on the others their model. Costs: an encoding for all nodes
// together and a decoding on each.
#pragma once

#include "protocol/algorithm.h"
#include "protocol/compressor.h"

namespace kith {

class Downlink {
 public:
  // Off where the job codes nothing on the way down.
  explicit Downlink(const NodeState& state);

  bool on() const { return codec_ != nullptr; }

  // On the hub: sets `wire` to q for state.parameters = z of state.round, and moves w. False where
  // z - w is not finite.
  bool encode(const NodeState& state, SharedBuffer& wire);

  // w of the hub.
  const SharedBuffer& copy() const { return copy_; }

  // On another node, whose w is state.parameters.
  Status receive(NodeState& state, const Payload& wire) const;

  void persist(Archive& archive);

 private:
  const Codec* codec_;  // null = off
  SharedBuffer copy_;   // on the hub
  LastSent last_sent_;  // by the hub
};

}  // namespace kith
