// What the [delays] of a job come to, made in one place for both bodies: the law of each node's
// computing, its draws, and the link model.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/job.h"
#include "daemon/link_model.h"
#include "protocol/theory/runtime.h"

namespace kith {

// How long the Computes of one node take, in the order in which it asks for them: the k-th has the
// k-th draw of the stream (seed, node, kComputeDelay), in both bodies. A Compute that is cancelled
// keeps its draw, so nothing later depends on whether a cancel came in time.
class ComputeDelays {
 public:
  // `law`: of one batch on this node.
  ComputeDelays(std::shared_ptr<const Delay> law, DelaySpec::Per per, uint64_t seed, NodeId node);

  // Of a Compute of so many steps, from its beginning; 1e9 s at the most.
  Duration next(uint32_t steps);

 private:
  std::shared_ptr<const Delay> law_;
  DelaySpec::Per per_;
  Rng rng_;
};

struct JobTiming {
  std::shared_ptr<const Delay> compute;  // of one batch on a node of scale 1
  std::vector<double> scale;             // by NodeId; nodes beyond the list: 1
  DelaySpec::Per per = DelaySpec::Per::kBatch;
  LinkModel link;

  // The law of one batch on `node`.
  std::shared_ptr<const Delay> compute_of(NodeId node) const;
  ComputeDelays delays_of(NodeId node, uint64_t seed) const;

  // As theory/runtime.h describes a cluster with a hub, but for the graph. Jitter, bandwidth and
  // loss are not in it.
  ClusterTiming cluster(uint32_t nodes) const;
};

// Reads the traces that the laws name. Throws OperatorError naming the key, and where it is a
// trace, the file and the line.
JobTiming make_timing(const DelaySpec& delays);

// "compute exponential:0.02 x [1, 5], latency 5 ms": what differs from no delay at all.
std::string describe(const DelaySpec& delays);

}  // namespace kith
