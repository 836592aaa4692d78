#include <cmath>
#include <nlohmann/json.hpp>

#include "daemon/store/result.h"

namespace kith {

namespace {

using nlohmann::ordered_json;

// JSON knows neither NaN nor infinity: null stands for them (a run that diverged).
ordered_json number(double value) {
  return std::isfinite(value) ? ordered_json(value) : ordered_json(nullptr);
}

ordered_json number(const std::optional<double>& value) {
  return value ? number(*value) : ordered_json(nullptr);
}

ordered_json of(const Accuracy& accuracy) {
  return {{"average_model", number(accuracy.average_model)},
          {"mean", number(accuracy.mean)},
          {"min", number(accuracy.min)},
          {"max", number(accuracy.max)}};
}

ordered_json of(const Estimate& estimate) {
  return {{"value", number(estimate.value)}, {"standard_error", number(estimate.standard_error)}};
}

ordered_json of(const LaboratoryResult& lab) {
  const auto figure = [&](const Estimate& estimate, double LaboratoryMoments::*moment) {
    ordered_json json = of(estimate);
    if (lab.predicted) json["predicted"] = number((*lab.predicted).*moment);
    return json;
  };
  return {{"replicas", lab.replicas},
          {"mean_of_average", figure(lab.mean_of_average, &LaboratoryMoments::mean_of_average)},
          {"variance_of_average",
           figure(lab.variance_of_average, &LaboratoryMoments::variance_of_average)},
          {"consensus", figure(lab.consensus, &LaboratoryMoments::consensus)}};
}

ordered_json of(const RoundTime& time) {
  ordered_json json = {{"measured", number(time.measured)}};
  if (!time.predicted) return json;
  const RunTime& theory = *time.predicted;
  json["predicted"] = number(theory.seconds_per_update());
  json["low"] = number(theory.low / theory.updates);
  json["high"] = number(theory.high / theory.updates);
  json["standard_error"] = number(theory.standard_error / theory.updates);
  json["method"] = method_name(theory.method);
  json["formula"] = theory.formula;
  return json;
}

ordered_json of(const PrivacySpent& spent) {
  return {{"epsilon", number(spent.epsilon)},
          {"epsilon_proven", number(spent.proven)},
          {"delta", number(spent.delta)}};
}

ordered_json of(const CodecChoice& choice) {
  ordered_json trials = ordered_json::array();
  for (const CodecTrial& trial : choice.trials) {
    trials.push_back({{"codec", trial.codec},
                      {"seconds_per_round", number(trial.cost.seconds)},
                      {"coding_seconds_per_round", number(trial.cost.coding_seconds)},
                      {"bytes_per_round", number(trial.cost.bytes)},
                      {"rounds_factor", number(trial.rounds)}});
  }
  return {{"taken", choice.trials[choice.taken].codec},
          {"bytes_per_second", number(bytes_per_second(choice.trials))},
          {"trials", std::move(trials)}};
}

ordered_json of(const Measures& measures) {
  size_t bins = measures.staleness.size();
  while (bins > 0 && measures.staleness[bins - 1] == 0) --bins;
  ordered_json json = {{"applied", measures.applied},
                       {"mean_staleness", measures.mean_staleness()},
                       {"staleness", ordered_json::array()},
                       {"late", measures.late}};
  for (size_t i = 0; i < bins; ++i) json["staleness"].push_back(measures.staleness[i]);
  if (measures.sent > 0) {
    json["messages_with_parameters"] = measures.sent;
    json["messages_spared"] = measures.spared;
    json["payload_bytes_spared"] = measures.spared_bytes;
  }
  if (measures.waits_for > 0) json["waits_for"] = measures.waits_for;
  if (measures.local_steps > 0) json["local_steps"] = measures.local_steps;
  if (measures.levels > 0) json["levels"] = measures.levels;
  return json;
}

// How many times fewer bytes the payloads took than floats would have; null where there were none.
ordered_json ratio(uint64_t uncompressed, uint64_t coded) {
  if (coded == 0) return nullptr;
  return number(static_cast<double>(uncompressed) / static_cast<double>(coded));
}

ordered_json of(const EdgeCounters& edge) {
  return {{"peer", index_of(edge.peer)},
          {"messages_sent", edge.messages_sent},
          {"messages_received", edge.messages_received},
          {"bytes_sent", edge.bytes_sent},
          {"bytes_received", edge.bytes_received},
          {"compression_ratio", ratio(edge.uncompressed_bytes_sent, edge.payload_bytes_sent)},
          {"decode_seconds", number(seconds(edge.decoding))}};
}

ordered_json of(const NodeResult& node, size_t id) {
  const NodeOutcome& outcome = node.outcome;
  ordered_json json = {{"node", id},
                       {"rounds", outcome.rounds},
                       {"loss", number(outcome.loss)},
                       {"distance_to_average", number(node.distance_to_average)},
                       {"messages_sent", outcome.messages_sent},
                       {"messages_received", outcome.messages_received},
                       {"bytes_sent", outcome.bytes_sent},
                       {"bytes_received", outcome.bytes_received},
                       {"messages_resent", outcome.messages_resent},
                       {"refused", outcome.refused},
                       {"encode_seconds", number(outcome.encode_seconds)},
                       {"decode_seconds", number(outcome.decode_seconds)}};
  if (!outcome.edges.empty()) {
    ordered_json& edges = json["edges"] = ordered_json::array();
    for (const EdgeCounters& edge : outcome.edges) edges.push_back(of(edge));
  }
  if (node.accuracy) json["accuracy"] = number(node.accuracy);
  return json;
}

ordered_json adversaries_of(const RunResult& result) {
  ordered_json ids = ordered_json::array();
  for (const NodeId node : result.adversaries) ids.push_back(index_of(node));
  return ids;
}

ordered_json heading(const RunResult& result) {
  return {{"job", result.job},
          {"algorithm", result.algorithm},
          {"graph", result.graph},
          {"codec", result.codec},
          {"aggregate", result.aggregate},
          {"adversaries", adversaries_of(result)},
          {"model", result.model},
          {"nodes", result.nodes},
          {"parameters", result.parameters},
          {"rounds", result.rounds},
          {"diverged", result.diverged},
          {"delays_injected", !result.injected.empty()},
          {"seconds", number(result.seconds)}};
}

}  // namespace

std::string to_json(const RunResult& result, int indent) {
  ordered_json json = heading(result);
  if (result.virtual_seconds) json["virtual_seconds"] = number(result.virtual_seconds);
  for (const NodeId node : result.lost) json["lost_nodes"].push_back(index_of(node));
  json["loss"] = number(result.loss);
  if (result.accuracy) {
    json["test_loss"] = number(result.test_loss);
    json["accuracy"] = of(*result.accuracy);
    json["worst_node"] = index_of(*result.worst_node);
    json["evaluated_nodes"] = result.evaluated_nodes;
  }
  json["consensus_distance"] = number(result.consensus_distance);
  json["bytes_sent_per_node"] = number(result.bytes_sent_per_node);
  json["messages_sent_per_node"] = number(result.messages_sent_per_node);
  json["bytes_uncompressed_per_node"] = number(result.bytes_uncompressed_per_node);
  json["bytes_synchronous_per_node"] = number(result.bytes_synchronous_per_node);
  json["samples_per_second"] = number(result.samples_per_second);
  json["parameters_hash"] = result.parameters_hash;
  if (result.laboratory) json["laboratory"] = of(*result.laboratory);
  if (result.round_time) json["seconds_per_round"] = of(*result.round_time);
  if (result.privacy) json["privacy"] = of(*result.privacy);
  if (result.codec_choice) json["codec_choice"] = of(*result.codec_choice);
  if (result.measures) json["gradients"] = of(*result.measures);
  ordered_json& nodes = json["per_node"] = ordered_json::array();
  for (size_t i = 0; i < result.per_node.size(); ++i) {
    nodes.push_back(of(result.per_node[i], index_of(node_of(result, i))));
  }
  return json.dump(indent);
}

std::string to_json(const MetricsPoint& point) {
  const ordered_json json = {{"round", point.round},
                             {"seconds", number(point.seconds)},
                             {"loss", number(point.loss)},
                             {"accuracy", number(point.accuracy)},
                             {"consensus_distance", number(point.consensus_distance)},
                             {"bytes_sent_per_node", number(point.bytes_sent_per_node)}};
  return json.dump();
}

}  // namespace kith
