// What the algorithms share that send compressed differences to a copy of x that others hold.
#pragma once

#include "protocol/algorithm.h"
#include "protocol/compressor.h"

namespace kith {

// The wire of C(x - copy), C a contraction (protocol/compressor.h) and an empty copy 0. False where
// it is not finite.
bool encode_difference(const NodeState& state, const SharedBuffer& x, const SharedBuffer& copy,
                       LastSent& last_sent, Rng& rng, SharedBuffer& wire);

// copy += what is in `q` of `from`, which has been checked; an empty copy is 0.
void add_difference(const NodeState& state, NodeId from, const Payload& q, SharedBuffer& copy);

}  // namespace kith
