#include "protocol/gossip/differences.h"

#include <algorithm>

#include "protocol/codec_meter.h"
#include "protocol/kernels.h"
#include "topology/assert.h"

namespace kith {

bool encode_difference(const NodeState& state, const SharedBuffer& x, const SharedBuffer& copy,
                       LastSent& last_sent, Rng& rng, SharedBuffer& wire) {
  const EncodingScope scope(*state.codec, state.dimension);
  SharedBuffer difference = x;
  if (copy) {
    Buffer rest = state.pool->acquire_floats(state.dimension);
    kernels::subtract(x.floats(), copy.floats(), rest.floats());
    difference = std::move(rest).freeze();
  }
  return last_sent.encode_contraction(*state.codec, difference, rng, *state.pool, wire).ok();
}

void add_difference(const NodeState& state, NodeId from, const Payload& q, SharedBuffer& copy) {
  const bool zero = !copy;
  Buffer next =
      zero ? state.pool->acquire_floats(state.dimension) : writable(std::move(copy), *state.pool);
  if (zero) std::ranges::fill(next.floats(), 0.0f);
  const Status status = decode_add(*state.codec, from, q, 1.0f, next.floats(), *state.pool);
  KITH_ASSERT(status.ok());  // messages are checked, and a codec understands what it wrote
  copy = std::move(next).freeze();
}

}  // namespace kith
