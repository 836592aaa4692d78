#include "daemon/plan.h"

#include <algorithm>
#include <cmath>

#include "daemon/job_robust.h"
#include "protocol/limits.h"
#include "topology/error.h"
#include "topology/reach.h"

namespace kith {

namespace {

constexpr Round kReportsPerRun = 50;

}  // namespace

Plan make_plan(const Job& job, uint32_t nodes, const Model& model, double rows_per_node) {
  if (job.choose_codec) {
    throw OperatorError(
        "codec.kind = \"auto\" is for kith run and kith simulate, which try codecs out and start "
        "the job with the one that they choose: name a codec here");
  }
  validate(job, nodes, model.parameters());
  Plan plan;
  plan.job = job;
  plan.nodes = nodes;
  plan.dimension = model.parameters();
  plan.layout = model.tensors();
  plan.rounds = rounds_of(job, nodes, rows_per_node);
  plan.report_every =
      job.report.every > 0 ? job.report.every : std::max<Round>(1, plan.rounds / kReportsPerRun);
  plan.checkpoint_every = job.checkpoint_every;
  plan.algorithm = &algorithm_info(job.algorithm.kind);
  plan.total_batches = static_cast<uint64_t>(
      std::ceil(static_cast<double>(plan.rounds) * batches_per_round(job, nodes, rows_per_node)));
  plan.graph = make_graph(job, nodes);
  plan.goes_on = goes_on(job, *plan.graph);
  plan.mixing = make_mixing(job, plan.graph);
  if (job.consensus_tolerance > 0) {
    plan.final_consensus = plan_gossip(*plan.mixing, job.consensus_tolerance);
  }
  plan.codec = make_layered_codec(job.codec, job.layers, plan.layout);
  if (job.memory.warm_up > 0) {
    plan.warm_up = std::make_unique<WarmUp>(job.codec, job.memory.warm_up);
  }
  if (codes_down(job)) {
    // The rules are for what nodes compute; of what a hub tells they say that tensors stand alone.
    plan.down = make_layered_codec(job.down, {.each = job.layers.any()}, plan.layout);
  }
  plan.aggregate = {&aggregate_info(job.aggregate.kind), job.aggregate.options};
  plan.adversary = parse_adversary(job.adversary.kind);
  plan.adversary.of_models = plan.algorithm->aggregates == Aggregates::kModels;
  plan.adversaries = adversaries_of(job, nodes);
  return plan;
}

NodeState Plan::node_state(NodeId self, size_t rows, SharedBuffer initial, Pool& pool) const {
  // Of N nodes' gradients with independent noise the mean is that much shorter (Lin et al. 2018).
  MemorySpec memory = job.memory;
  memory.clip /= std::sqrt(static_cast<float>(nodes));
  return {.self = self,
          .nodes = nodes,
          .seed = job.seed,
          .rounds = rounds,
          .total_batches = total_batches,
          .dimension = dimension,
          .rows = rows,
          .batch = job.train.batch.size,
          .report_every = report_every,
          .checkpoint_every = checkpoint_every,
          .checkpoint_pause = from_seconds(job.checkpoint_seconds),
          .layout = &layout,
          .mixing = mixing.get(),
          .meets = graph.get(),
          .peers_leave = false,
          .codec = codec.get(),
          .memory = memory,
          .warm_up = warm_up.get(),
          .down = down.get(),
          .optimizer = &job.train.optimizer,
          .aggregate = &aggregate,
          .adversary = lies(self) ? &adversary : nullptr,
          .final_consensus = final_consensus,
          .pool = &pool,
          .now = {},
          .checkpoint_period = 1,
          .checkpointed = {},
          .parameters = std::move(initial),
          .round = 0};
}

bool Plan::lies(NodeId node) const { return std::ranges::binary_search(adversaries, node); }

TrainerSetup Plan::trainer(NodeId self, const Model& model, std::shared_ptr<const Dataset> data,
                           Shard rows) const {
  return {.model = &model,
          .data = std::move(data),
          .rows = std::move(rows),
          .batch = job.train.batch,
          .optimizer = job.train.optimizer,
          .svrg_period = job.train.svrg_period,
          // Rehearsals compute on no rows.
          .privacy = model.needs_data() ? job.privacy : std::nullopt,
          .revocable = algorithm->cancels,
          .total_batches = total_batches,
          .seed = job.seed,
          .node = self};
}

void Plan::measure_coding(CodecMeter& meter) {
  if (codec->describe() != "identity") codec->measure_by(&meter);
  if (warm_up) warm_up->measure_by(&meter);
  if (down) down->measure_by(&meter);
}

size_t Plan::repair_depth() const {
  const Round late =
      algorithm->rounds_late != nullptr ? algorithm->rounds_late(job.algorithm.options) : 0;
  size_t depth = limits::kRepairUndirected;
  if (!graph->undirected()) depth = limits::kRepairDirected;
  if (!graph->undirected() && graph->period() == 1) {
    depth = std::max<size_t>(depth, longest_return(*graph) + 1);
  }
  return depth * (1 + late) * algorithm->messages_per_round;
}

Round Plan::rounds_apart() const {
  if (algorithm->central) return 0;
  Reach reach(*graph);
  uint32_t farthest = 0;
  const uint32_t starts = nodes <= kReturnNodes ? nodes : 1;
  for (uint32_t i = 0; i < starts; ++i) {
    reach.search(NodeId{i}, Direction::kOut);
    farthest = std::max(farthest, reach.depth());
  }
  if (starts < nodes) farthest *= 2;  // there and back
  const Round late =
      algorithm->rounds_late != nullptr ? algorithm->rounds_late(job.algorithm.options) : 0;
  // A round for each hop; where edges take turns, as many as it takes until the next one's.
  return std::min<Round>(farthest * (1 + late) * rounds_shown(*graph), limits::kRoundsAhead);
}

SharedBuffer initial_parameters(const Job& job, const Model& model, Pool& pool) {
  Buffer x = pool.acquire_floats(model.parameters());
  Rng rng(job.seed, NodeId{0}, Purpose::kInitialise);
  model.initialise(rng, x.floats());
  return std::move(x).freeze();
}

}  // namespace kith
