#include "daemon/job_robust.h"

#include <algorithm>
#include <cmath>

#include "protocol/adversary.h"
#include "protocol/aggregate.h"
#include "topology/error.h"
#include "topology/rng.h"

namespace kith {

namespace {

// Rounds of a graph that changes whose neighbourhoods are looked at.
constexpr Round kRoundsLookedAt = 16;

std::string with_rules() {
  std::string list;
  for (const AlgorithmInfo* info : all_algorithms()) {
    if (info->aggregates == Aggregates::kNothing) continue;
    list += (list.empty() ? "\"" : ", \"") + std::string(info->name) + "\"";
  }
  return list;
}

std::string rule_of(const Job& job) { return "aggregate.kind = \"" + job.aggregate.kind + "\""; }

// The fewest vectors, a node's own included, that are ever brought together.
size_t fewest_vectors(const Job& job, uint32_t nodes, const Graph& graph) {
  const AlgorithmInfo& info = algorithm_info(job.algorithm.kind);
  if (info.aggregates == Aggregates::kUpdates) {
    const auto& values = job.algorithm.options.values();
    if (!values.contains("participants")) return nodes;
    const int64_t participants = job.algorithm.options.integer("participants");
    return participants == 0 ? nodes : static_cast<size_t>(participants);
  }
  size_t fewest = nodes;
  std::vector<NodeId> peers;
  for (Round round = 0; round < std::min<Round>(graph.period(), kRoundsLookedAt); ++round) {
    for (uint32_t i = 0; i < nodes; ++i) {
      peers.clear();
      graph.in(NodeId{i}, round, peers);
      fewest = std::min(fewest, peers.size() + 1);
    }
  }
  return fewest;
}

void check_enough(const Job& job, uint32_t nodes, const Graph& graph) {
  const AggregateInfo& rule = aggregate_info(job.aggregate.kind);
  if (rule.fewest == nullptr) return;
  const size_t needed = rule.fewest(job.aggregate.options);
  const size_t there = fewest_vectors(job, nodes, graph);
  if (there >= needed) return;
  const bool hub = algorithm_info(job.algorithm.kind).aggregates == Aggregates::kUpdates;
  throw OperatorError(rule_of(job) + " needs at least " + std::to_string(needed) +
                      " vectors, but " +
                      (hub ? "a round brings together " + std::to_string(there)
                           : "on topology.graph = \"" + job.graph.kind + "\" some node has " +
                                 std::to_string(there) + " with its own") +
                      ": " + (hub ? "start more nodes" : "choose a graph with more neighbours") +
                      ", a smaller aggregate.byzantine, or aggregate.kind = \"centred-clipping\"");
}

void check_rule(const Job& job, uint32_t nodes, const Graph& graph) {
  if (job.aggregate.kind == "mean") return;
  const AlgorithmInfo& algorithm = algorithm_info(job.algorithm.kind);
  if (algorithm.aggregates == Aggregates::kNothing) {
    throw OperatorError(rule_of(job) +
                        " takes the place of a weighted mean, but algorithm.kind = \"" +
                        algorithm.name + "\" needs the sum itself: take one of " + with_rules());
  }
  if (algorithm.aggregates == Aggregates::kModels &&
      !aggregate_info(job.aggregate.kind).of_models) {
    throw OperatorError(
        rule_of(job) +
        " cuts steps to a length, but over a graph nodes send whole models: take "
        "aggregate.kind = \"centred-clipping\", which cuts what a neighbour differs "
        "by");
  }
  const auto& values = job.algorithm.options.values();
  if (values.contains("weighting") && job.algorithm.options.text("weighting") == "rows") {
    throw OperatorError(rule_of(job) +
                        " believes nobody, but algorithm.weighting = \"rows\" lets each node say "
                        "how much it counts: set algorithm.weighting = \"equal\"");
  }
  if (job.memory.kind == MemoryKind::kEf21 || job.memory.kind == MemoryKind::kDgc) {
    throw OperatorError(rule_of(job) +
                        " looks at what nodes send, which with this codec.memory are not their "
                        "gradients: leave codec.memory out, or set it to \"error-feedback\"");
  }
  if (make_codec(job.codec)->decodes_jointly()) {
    throw OperatorError(rule_of(job) + " looks at single vectors, but codec.kind = \"" + job.codec +
                        "\" decodes all of them together: take \"rand-k:F\"");
  }
  if (job.consensus_tolerance > 0) {
    throw OperatorError(rule_of(job) +
                        " believes nobody, but the averaging at the end that consensus.tolerance "
                        "asks for believes everybody: leave consensus.tolerance out");
  }
  check_enough(job, nodes, graph);
}

void check_named(const Job& job, uint32_t nodes) {
  for (const double node : job.adversary.nodes) {
    if (node != std::floor(node) || node >= nodes) {
      throw OperatorError("adversary.nodes has " + to_text(OptionValue(node)) +
                          ", but nodes are whole numbers from 0 to " + std::to_string(nodes - 1));
    }
    if (node != 0 || !algorithm_info(job.algorithm.kind).central) continue;
    throw OperatorError(
        "adversary.nodes has node 0, but with algorithm.kind = \"" + job.algorithm.kind +
        "\" that is the hub, whose model is everybody's: nothing stands a bad hub. Name others");
  }
}

void check_adversary(const Job& job, uint32_t nodes) {
  const Adversary adversary = parse_adversary(job.adversary.kind);
  const bool named = !job.adversary.nodes.empty();
  if (adversary.kind == Adversary::Kind::kNone) {
    if (!named && job.adversary.count == 0) return;
    throw OperatorError(
        "adversary.nodes and adversary.count need adversary.kind, which says what bad nodes send, "
        "such as \"sign-flip:1\"");
  }
  if (named == (job.adversary.count > 0)) {
    throw OperatorError("adversary.kind = \"" + job.adversary.kind +
                        "\" does not say who: set one of adversary.nodes and adversary.count");
  }
  if (algorithm_info(job.algorithm.kind).aggregates == Aggregates::kNothing) {
    throw OperatorError("adversary.kind = \"" + job.adversary.kind +
                        "\" changes vectors of the model's size, which the messages of "
                        "algorithm.kind = \"" +
                        job.algorithm.kind + "\" may not be: take one of " + with_rules());
  }
  if (job.adversary.count >= nodes) {
    throw OperatorError("adversary.count is " + std::to_string(job.adversary.count) + ", but of " +
                        std::to_string(nodes) + " nodes it can be " + std::to_string(nodes - 1) +
                        " at the most: node 0 is never one");
  }
  if (job.consensus_tolerance > 0) {
    throw OperatorError(
        "adversary.kind = \"" + job.adversary.kind +
        "\" is of what nodes send while they train, not of the averaging at the end "
        "that consensus.tolerance asks for: leave consensus.tolerance out");
  }
  const bool by_value =
      !job.choose_codec && !job.layers.any() && make_codec(job.codec)->bytes_per_value() > 0;
  if (adversary.kind == Adversary::Kind::kNan && !by_value) {
    throw OperatorError(
        "adversary.kind = \"nan\" needs a codec that can write NaN, but codec.kind "
        "= \"" +
        codec_text(job) + "\" refuses it: take \"identity\", \"fp16\" or \"bf16\"");
  }
  const auto& values = job.algorithm.options.values();
  const bool stretches =
      adversary.kind == Adversary::Kind::kSignFlip || adversary.kind == Adversary::Kind::kHuge;
  if (stretches && values.contains("order") && job.algorithm.options.text("order") == "cta") {
    throw OperatorError("adversary.kind = \"" + job.adversary.kind +
                        "\" changes the step in what a node sends, but with algorithm.order = "
                        "\"cta\" it sends its model of before the step: set algorithm.order = "
                        "\"atc\", or adversary.kind = \"noise:S\"");
  }
  check_named(job, nodes);
}

}  // namespace

void check_robust(const Job& job, uint32_t nodes, const Graph& graph) {
  check_rule(job, nodes, graph);
  check_adversary(job, nodes);
}

std::vector<NodeId> adversaries_of(const Job& job, uint32_t nodes) {
  std::vector<NodeId> chosen;
  for (const double node : job.adversary.nodes) {
    chosen.push_back(NodeId{static_cast<uint32_t>(node)});
  }
  // Floyd's sample without replacement of 1, .., N - 1.
  Rng rng(job.seed, NodeId{0}, Purpose::kAdversary);
  for (uint32_t last = nodes - job.adversary.count; last < nodes; ++last) {
    const NodeId drawn{1 + static_cast<uint32_t>(rng.below(last))};
    const bool there = std::ranges::find(chosen, drawn) != chosen.end();
    chosen.push_back(there ? NodeId{last} : drawn);
  }
  std::ranges::sort(chosen);
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  return chosen;
}

std::string adversary_note(const Job& job, uint32_t nodes) {
  const std::vector<NodeId> chosen = adversaries_of(job, nodes);
  if (chosen.empty()) return "";
  constexpr size_t kNamed = 20;
  std::string list;
  for (size_t i = 0; i < std::min(chosen.size(), kNamed); ++i) {
    list += (i > 0 ? ", " : "") + std::to_string(index_of(chosen[i]));
  }
  if (chosen.size() > kNamed) list += ", ...";
  return std::to_string(chosen.size()) + " of " + std::to_string(nodes) + " nodes (" + list +
         ") are bad on purpose: what each sends is " + job.adversary.kind;
}

}  // namespace kith
