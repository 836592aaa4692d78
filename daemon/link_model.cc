#include "daemon/link_model.h"

#include <algorithm>

namespace kith {

OutgoingLink::OutgoingLink(const LinkModel& model, uint64_t seed, NodeId node) : model_(&model) {
  if (model.loss <= 0 && !model.jitter) return;
  streams_ = std::make_unique<Streams>(
      Streams{Rng(seed, node, Purpose::kLinkLoss), Rng(seed, node, Purpose::kLinkDelay)});
}

std::optional<Time> OutgoingLink::arrival(size_t bytes, Time now) {
  Time leaves = std::max(now, free_at_);
  if (model_->bandwidth > 0) {
    leaves += bounded_seconds(static_cast<double>(bytes) / model_->bandwidth);
    free_at_ = leaves;
  }
  Time arrives = leaves + model_->latency;
  if (!streams_) return arrives;
  if (model_->jitter) arrives += bounded_seconds(model_->jitter->sample(streams_->jitter));
  if (model_->loss > 0 && streams_->loss.uniform() < model_->loss) return std::nullopt;
  return arrives;
}

}  // namespace kith
