// Expected wall-clock time of one round of the algorithms over a hub or a graph (ALGORITHMS 2A, 2B,
// 2D, 3).
//
// The model. N workers; node 0 is the hub and a worker as well, with a round trip of 0. Worker i
// computes one mini-batch in an independent draw X_i of its law, then communicates for the constant
// D_i: its gradient (or model) up to the hub, the hub's model down to it, half of D_i each way. The
// hub's own work takes no time, links have no queue. Simultaneous arrivals count in node order.
//
//   synchronous    all compute at one x; the hub waits for all; all restart.
//   K-sync         waits for the first K; the rest is cancelled at once; all restart.
//   K-batch-sync   workers draw batch after batch at one x, without waiting for an answer, till K
//                  have arrived from anyone: at D + X, D + X + X', ...; all else is cancelled; all
//                  restart.
//   async          an arrival updates x; that worker pulls it and restarts (K-async with K = 1).
//   K-async        waits for K different workers; those that have contributed idle till the update,
//                  then pull and restart; the others go on undisturbed with their old x.
//   K-batch-async  any K arrivals make an update; whoever has arrived pulls at once and restarts.
//   stale-synchronous, bound s   every arrival is an update; a worker that has finished c
//                  batches may begin the next when all workers have finished c - s (Ho et al.
//                  2013). s = 0 is a barrier after every batch.
//   local SGD      tau local steps, then the mean of all models with a barrier: X_i is then the sum
//                  of tau draws, or tau times one draw with draw_per_round. The same for elastic
//                  averaging (synchronous), FedAvg, SlowMo and DiLoCo over their participants.
//   elastic averaging, asynchronous   every tau local steps one exchange with the hub, no barrier.
//   overlap        (Overlap-Local-SGD, CoCoD-SGD) the mean of round r travels while round r + 1 is
//                  computed; a worker ends a round when its steps are done and the mean of the
//                  round before is there. Streaming DiLoCo waits for it after the first `behind` of
//                  its tau steps and takes the others after that; behind = tau is overlap, 0 is
//                  local SGD. With draw_per_round each of the two parts has a draw.
//
// Over a graph there is no hub; a message takes the latency along each edge.
//
//   gossip         a node ends a round when its own steps are done and the messages of all that it
//                  hears from are there: no barrier beyond them. Messages are sent after the steps
//                  or, combine first, before them; with a lag those of some rounds ago will do.
//   pairwise       (AD-PSGD, SwarmSGD) tau steps, then one exchange with a node that answers at
//                  once: D_i is two latencies. Nobody waits for anybody; with overlap the next
//                  steps are under way meanwhile.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/theory/delay.h"
#include "topology/graph.h"

namespace kith {

struct ClusterTiming {
  std::vector<std::shared_ptr<const Delay>> compute;  // by node: one batch, s; share equal laws
  std::vector<double> round_trip;                     // by node: D_i, s, >= 0
  bool draw_per_round = false;  // one draw for all local steps of a round, instead of one a step
  // Of algorithms over a graph; null = none known.
  std::shared_ptr<const Graph> graph = {};
  double latency = 0;  // of a message along an edge, one way, s
};

// What a round of gossip in lockstep is made of.
struct GossipTiming {
  uint32_t local_steps = 1;
  Round lag = 0;               // rounds that a message may be late
  bool combine_first = false;  // messages leave before the local steps
};

enum class Method : uint8_t {
  kClosedForm,
  kQuadrature,  // numerical integral or convolution: relative error 1e-4 or better, but some 1e-2
                // for local steps whose mean lies mostly in the far tail (log-normal with sigma
                // near 3)
  kPath,        // nothing is random: the one path, to its period
  kMonteCarlo,  // the timing itself was simulated: see standard_error
};

const char* method_name(Method method);

// A round is what the algorithm repeats: one update of the hub; for stale-synchronous, asynchronous
// elastic averaging and pairwise gossip one contribution of each worker on the average; for gossip
// in lockstep a round of all.
struct RunTime {
  double seconds_per_round = 0;
  double low = 0;             // proven bounds; both are the value where it is exact,
  double high = 0;            // and high is infinite where no upper bound is known
  double standard_error = 0;  // s, of a Monte Carlo value
  Method method = Method::kClosedForm;
  std::string formula;       // as in ALGORITHMS 3, for people
  uint32_t local_steps = 1;  // batches of each worker in a round that the algorithm prescribes
  double updates = 1;        // of the hub in a round

  double seconds_per_step() const { return seconds_per_round / local_steps; }
  double seconds_per_update() const { return seconds_per_round / updates; }
};

// All need as many round trips as laws, at least one node, and 1 <= k <= N (K-batch variants: any
// k >= 1) and tau >= 1: the caller checks what the operator wrote.
RunTime sync_time(const ClusterTiming& cluster);
RunTime k_sync_time(const ClusterTiming& cluster, uint32_t k);
RunTime k_batch_sync_time(const ClusterTiming& cluster, uint32_t k);
RunTime async_time(const ClusterTiming& cluster);
RunTime k_async_time(const ClusterTiming& cluster, uint32_t k);
RunTime k_batch_async_time(const ClusterTiming& cluster, uint32_t k);
RunTime stale_synchronous_time(const ClusterTiming& cluster, uint32_t bound);

RunTime local_sgd_time(const ClusterTiming& cluster, uint32_t tau);
RunTime elastic_async_time(const ClusterTiming& cluster, uint32_t tau);
RunTime overlap_time(const ClusterTiming& cluster, uint32_t tau);
RunTime overlap_time(const ClusterTiming& cluster, uint32_t tau, uint32_t behind);  // 0 .. tau

// Nothing where the cluster has no graph.
std::optional<RunTime> gossip_time(const ClusterTiming& cluster, const GossipTiming& gossip);
// While all nodes are at work; `high` is the pace of the slowest, who ends last.
RunTime pairwise_time(const ClusterTiming& cluster, uint32_t tau, bool overlap);

// Mean staleness of an applied gradient, in updates, in the long run: for every law of X.
double k_async_staleness(uint32_t nodes, uint32_t k);        // N/K - 1
double k_batch_async_staleness(uint32_t nodes, uint32_t k);  // (N - 1)/K

}  // namespace kith
