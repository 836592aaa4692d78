// The link model: what becomes of a message between two simulated nodes.
//
//   leaves = max(now, link of the sender is free) + bytes / bandwidth      (sends queue up)
//   arrives = leaves + latency, unless it is lost
#pragma once

#include <optional>
#include <vector>

#include "protocol/time.h"
#include "topology/rng.h"

namespace kith {

struct LinkModel {
  Duration latency{};
  double bandwidth = 0;  // bytes/s out of each node; 0 = unlimited
  double loss = 0;       // probability, each message for itself
};

class Network {
 public:
  Network(const LinkModel& model, uint32_t nodes, uint64_t seed);

  // When a message of `bytes` that `from` sends at `now` arrives; nothing when it is lost. A lost
  // message still takes its time on the sender's link.
  std::optional<Time> arrival(NodeId from, size_t bytes, Time now);

 private:
  LinkModel model_;
  std::vector<Time> free_at_;  // of each sender's link
  std::vector<Rng> loss_;      // one stream a sender; empty without loss
};

}  // namespace kith
