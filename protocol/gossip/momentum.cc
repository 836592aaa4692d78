#include "protocol/gossip/momentum.h"

#include "protocol/kernels.h"
#include "topology/error.h"

namespace kith {

SharedBuffer momentum_direction(const NodeState& state, const SharedBuffer& g, float beta,
                                const SharedBuffer& m) {
  const float decay = state.optimizer->weight_decay;
  if (!m && decay == 0) return g;
  Buffer u = state.pool->acquire_floats(state.dimension);
  if (m) {
    kernels::add_scaled(g.floats(), beta, m.floats(), u.floats());
    if (decay != 0) kernels::axpy(decay, state.parameters.floats(), u.floats());
  } else {
    kernels::add_scaled(g.floats(), decay, state.parameters.floats(), u.floats());
  }
  return std::move(u).freeze();
}

SharedBuffer plain_step(const NodeState& state, const SharedBuffer& u) {
  const float rate = state.optimizer->rate_at(state.round, state.total_batches);
  Buffer v = state.pool->acquire_floats(state.dimension);
  kernels::add_scaled(state.parameters.floats(), -rate, u.floats(), v.floats());
  return std::move(v).freeze();
}

OptionSpec option_gossip_momentum(const char* help) {
  return {"beta", OptionSpec::Type::kNumber, 0.9, help, 0, 0.999999};
}

void check_own_momentum(const char* name, const Setting& setting) {
  if (setting.optimizer.kind == OptimizerSpec::Kind::kSgd && setting.optimizer.momentum == 0) {
    return;
  }
  throw OperatorError(std::string("algorithm.kind = \"") + name +
                      "\" has a momentum of its own: set train.optimizer = \"sgd\", "
                      "train.momentum = 0, and algorithm.beta in its place");
}

}  // namespace kith
