// What both bodies derive from a job before the first event: the same numbers, made in one place.
#pragma once

#include <memory>
#include <string>

#include "daemon/job.h"
#include "daemon/learn/trainer.h"
#include "protocol/adversary.h"
#include "protocol/aggregate.h"
#include "protocol/algorithm.h"
#include "protocol/codec_meter.h"
#include "protocol/edge.h"

namespace kith {

struct Plan {
  Job job;
  uint32_t nodes = 1;
  size_t dimension = 0;  // p
  Layout layout;         // the model's tensors
  Round rounds = 0;
  Round report_every = 1;      // rounds
  Round checkpoint_every = 0;  // rounds; 0 = never, or as the job says by time
  bool goes_on = false;        // nodes leave a neighbour that is silent
  uint64_t total_batches = 0;  // of one node
  const AlgorithmInfo* algorithm = nullptr;
  std::shared_ptr<const Graph> graph;  // all who may ever meet
  std::unique_ptr<Mixing> mixing;      // over this graph, or some of its edges in each round
  GossipRounds final_consensus;        // none where the job does not ask for it
  std::unique_ptr<Codec> codec;
  std::unique_ptr<WarmUp> warm_up;  // null where there is none
  std::unique_ptr<Codec> down;      // null where a hub codes nothing
  AggregateSpec aggregate;
  Adversary adversary;
  std::vector<NodeId> adversaries;  // sorted

  // The state that `self` starts from; `rows` of training data are its own (0 in the laboratory).
  // The plan and the pool outlive the node.
  NodeState node_state(NodeId self, size_t rows, SharedBuffer initial, Pool& pool) const;

  // For a trainer over `data`, whose rows `rows` are this node's (empty = all of them).
  TrainerSetup trainer(NodeId self, const Model& model, std::shared_ptr<const Dataset> data,
                       Shard rows) const;

  // It is one of the job's adversaries.
  bool lies(NodeId node) const;

  // Nodes that report: all of them, or the hub.
  uint32_t reporters() const { return algorithm->central ? 1 : nodes; }

  // Messages worth keeping per edge where links can lose them.
  size_t repair_depth() const;

  // That nodes can be apart, limits::kRoundsAhead at the most. O(nodes x edges).
  Round rounds_apart() const;

  // Lets `meter`, which outlives the plan, know what coding messages costs; sending floats as they
  // are is not coding.
  void measure_coding(CodecMeter& meter);

  bool reports(Round completed) const { return is_reported(completed, report_every, rounds); }
};

// `rows_per_node`: of the training set, on average; 0 for the laboratory. Validates the job.
Plan make_plan(const Job& job, uint32_t nodes, const Model& model, double rows_per_node);

// x_0, equal on all nodes of the job.
SharedBuffer initial_parameters(const Job& job, const Model& model, Pool& pool);

}  // namespace kith
