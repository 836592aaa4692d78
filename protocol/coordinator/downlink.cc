#include "protocol/coordinator/downlink.h"

#include "protocol/codec_meter.h"
#include "protocol/compressor.h"
#include "protocol/coordinator/hub.h"
#include "protocol/kernels.h"
#include "topology/assert.h"

namespace kith {

Downlink::Downlink(const NodeState& state) : codec_(state.down) {
  if (on() && state.self == kHub) copy_ = state.parameters;
}

bool Downlink::encode(const NodeState& state, SharedBuffer& wire) {
  const EncodingScope scope(*codec_, state.dimension);
  Buffer difference = state.pool->acquire_floats(state.dimension);
  kernels::subtract(state.parameters.floats(), copy_.floats(), difference.floats());
  Rng rng(state.seed, state.self, Purpose::kDownlink, state.round);
  if (!last_sent_
           .encode_contraction(*codec_, std::move(difference).freeze(), rng, *state.pool, wire)
           .ok()) {
    return false;
  }
  Buffer next = writable(std::move(copy_), *state.pool);
  const Status status = codec_->decode_add(wire.bytes(), 1.0f, next.floats());
  KITH_ASSERT(status.ok());  // a codec must understand what it wrote
  copy_ = std::move(next).freeze();
  return true;
}

Status Downlink::receive(NodeState& state, const Payload& wire) const {
  if (const Status status = check(*codec_, wire, state.dimension, *state.pool); !status.ok()) {
    return status;
  }
  Buffer next = writable(std::move(state.parameters), *state.pool);
  const Status status = decode_add(*codec_, kHub, wire, 1.0f, next.floats(), *state.pool);
  KITH_ASSERT(status.ok());  // it has been checked
  state.parameters = std::move(next).freeze();
  return {};
}

void Downlink::persist(Archive& archive) {
  if (!copy_) return;
  archive.vector("copy", copy_);
  archive.part("last_sent", last_sent_);
  if (!copy_) archive.refuse();
}

}  // namespace kith
