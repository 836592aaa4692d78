#include "protocol/coordinator/control_variate.h"

#include <algorithm>

#include "protocol/kernels.h"
#include "topology/assert.h"

namespace kith {

void ControlVariate::begin(const NodeState& state, SharedBuffer global) {
  if (!own_) {
    correction_ = std::move(global);
    return;
  }
  KITH_ASSERT(global);  // the hub has heard of this node's
  Buffer difference = state.pool->acquire_floats(state.dimension);
  kernels::subtract(global.floats(), own_.floats(), difference.floats());
  correction_ = std::move(difference).freeze();
}

void ControlVariate::end(const NodeState& state, const SharedBuffer& coded, double rates) {
  if (!(rates > 0)) return;  // steps of length 0 tell nothing
  Buffer next = state.pool->acquire_floats(state.dimension);
  if (correction_) {
    kernels::scale(-1.0f, correction_.floats(), next.floats());
  } else {
    std::ranges::fill(next.floats(), 0.0f);
  }
  const Status status = decode_add(*state.codec, state.self, coded, static_cast<float>(1 / rates),
                                   next.floats(), *state.pool);
  KITH_ASSERT(status.ok());  // what this node encoded itself
  own_ = std::move(next).freeze();
}

}  // namespace kith
