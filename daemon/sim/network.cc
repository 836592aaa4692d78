#include "daemon/sim/network.h"

#include <algorithm>

namespace kith {

Network::Network(const LinkModel& model, uint32_t nodes, uint64_t seed)
    : model_(model), free_at_(nodes) {
  if (model.loss <= 0) return;
  for (uint32_t i = 0; i < nodes; ++i) loss_.emplace_back(seed, NodeId{i}, Purpose::kLinkLoss);
}

std::optional<Time> Network::arrival(NodeId from, size_t bytes, Time now) {
  Time& free_at = free_at_[index_of(from)];
  Time leaves = std::max(now, free_at);
  if (model_.bandwidth > 0) {
    leaves += from_seconds(static_cast<double>(bytes) / model_.bandwidth);
    free_at = leaves;
  }
  if (!loss_.empty() && loss_[index_of(from)].uniform() < model_.loss) return std::nullopt;
  return leaves + model_.latency;
}

}  // namespace kith
