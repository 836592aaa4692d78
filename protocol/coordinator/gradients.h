// Coordinators that collect gradients: the hub of a star, node 0, gathers K gradients, takes one
// step and sends the model out again. What makes the algorithms of this family is who counts, who
// gets the new model when, and what becomes of the work under way:
//
//                  K counts            after the update             work under way
//   sync           all N nodes         all get x+                   there is none
//   k-sync         distinct nodes      all get x+                   cancelled
//   k-batch-sync   any gradients       all get x+                   cancelled; until then a node
//                                                                   goes on at the same x
//   async          one                 its sender gets x+           goes on
//   k-async        distinct nodes      the K senders get x+         goes on; senders idle till then
//   k-batch-async  any gradients       (senders got x on arrival)   goes on
//   ssp            one                 who is not too far ahead     goes on
// (Dutta, Joshi, Ghosh, Dube, Nagpurkar 2018 and 2021; Ho et al. 2013.) With K = N the first three
// distinct rows are one and the same algorithm, bit for bit, and this is one machine.
//
//   hub:  x+ = x - eta opt((1/K) sum_k s_k q_k),  q_k = C(g_k(x_k))
// x_k is the model that gradient k was taken at, s_k = 1, or 1 / (1 + staleness) if asked for
// (Zhang, Gupta, Lian, Liu 2016). C is the job's codec on the way up; x comes down as it is. With
// error feedback the learning rate stands inside the memory (e is rescaled when eta changes).
//
// The hub is a node like the others: it trains on its own data, and its gradient counts without a
// message. Its sums run in NodeId order, so nothing depends on the order of arrival but which
// gradients are in it.
//
// With codec.memory "ef21" a node sends the difference to its estimate of its gradient, and the hub
// steps with the mean of all estimates (compressor.h).
//
// With a rule of [aggregate] (sync alone) the hub steps along what the rule makes of the gradients
// (aggregator.h).
//
// Keeps: x; the hub K payloads and the optimiser's state; with a memory one vector more, or two
// with momentum, and the hub the mean estimate. Sends: one gradient up and one model down for each
// gradient computed; to nodes whose work was cancelled the model alone.
#pragma once

#include <memory>

#include "protocol/coordinator/hub.h"

namespace kith {

enum class Pull : uint8_t {
  kAllAtUpdate,      // work under way is cancelled
  kSendersAtUpdate,  // who contributed idles until then
  kAtArrival,        // who sends a gradient gets the model of that moment
  kBounded           // at arrival, unless more than `lead` gradients ahead of the slowest node
};

// How K follows the training loss (AdaSync, Dutta et al. 2021): by the law of how long an update
// takes; see theory/error.h. K never falls.
enum class AdaptiveK : uint8_t {
  kFixed,
  kBatch,    // K EX / N, where any gradients count
  kHarmonic  // the K-th of N exponentials, where nodes are distinct
};

struct GradientRule {
  const char* name;
  uint32_t k = 1;  // gradients of an update; at the start, where K adapts
  Pull pull = Pull::kAllAtUpdate;
  bool keep_drawing = false;  // a node that has sent a gradient computes the next at the same x
  uint64_t lead = 0;          // kBounded
  bool scale_by_staleness = false;
  AdaptiveK adaptive = AdaptiveK::kFixed;
  Duration review_every{};  // between two looks at the loss
};

std::unique_ptr<Algorithm> make_gradient_coordinator(const NodeState& state,
                                                     const GradientRule& rule);

// The options that algorithms of this family share.
OptionSpec option_k();
OptionSpec option_staleness_aware();
OptionSpec option_adasync();

// batches_per_round of these: K, or one gradient, shared by the nodes.
double batches_of_k(const Options& options, uint32_t nodes);
double batch_of_one(const Options& options, uint32_t nodes);

// run_time of an algorithm with K, by its law in theory/runtime.h; nothing where K changes.
std::optional<RunTime> run_time_of_k(const Options& options, const ClusterTiming& cluster,
                                     RunTime (*law)(const ClusterTiming&, uint32_t k));

// Throws OperatorError unless 1 <= algorithm.k <= the number of nodes.
void check_k(const Setting& setting);

// `rule` with K as the options want it: algorithm.k, and AdaSync by `law` if asked for.
GradientRule with_k(GradientRule rule, const Options& options, AdaptiveK law);

}  // namespace kith
