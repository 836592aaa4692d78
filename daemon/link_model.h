// The link model: what becomes of a message on its way to another node. The simulator uses it for
// all its nodes, a real daemon that injects delays for what it sends itself.
//
//   leaves = max(now, the sender's link is free) + bytes / bandwidth      (sends queue up)
//   arrives = leaves + latency + jitter, unless it is lost
//
// With jitter messages of one edge may overtake each other, as the contract allows.
#pragma once

#include <memory>
#include <optional>

#include "protocol/theory/delay.h"
#include "protocol/time.h"
#include "topology/rng.h"

namespace kith {

struct LinkModel {
  Duration latency{};
  std::shared_ptr<const Delay> jitter = {};  // of each message, on top of the latency; null = none
  double bandwidth = 0;                      // bytes/s out of each node; 0 = unlimited
  double loss = 0;                           // probability, each message for itself

  // Every message arrives at once.
  bool ideal() const {
    return latency == Duration::zero() && !jitter && bandwidth <= 0 && loss <= 0;
  }
};

// The link out of one node. Losses and jitter are streams of (seed, node, purpose), one draw a
// message, lost or not: turning one on moves no draw of the other.
class OutgoingLink {
 public:
  // `model` outlives the link.
  OutgoingLink(const LinkModel& model, uint64_t seed, NodeId node);
  OutgoingLink(LinkModel&& model, uint64_t seed, NodeId node) = delete;

  // When a message of `bytes` sent at `now` arrives; nothing when it is lost. A lost message still
  // takes its time on the link. `now` never falls.
  std::optional<Time> arrival(size_t bytes, Time now);

 private:
  struct Streams {
    Rng loss;
    Rng jitter;
  };

  const LinkModel* model_;
  Time free_at_{};
  std::unique_ptr<Streams> streams_;  // null where nothing is drawn
};

}  // namespace kith
