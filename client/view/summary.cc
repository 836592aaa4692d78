#include "client/view/summary.h"

#include <fmt/format.h>

#include "client/view/units.h"

namespace kith {

namespace {

std::string line(const std::string& name, const std::string& text) {
  return fmt::format("  {:<14} {}\n", name, text);
}

std::string accuracy_lines(const RunResult& result) {
  const Accuracy& accuracy = *result.accuracy;
  const bool all = result.evaluated_nodes == result.nodes;
  std::string text = line("accuracy", percent_text(accuracy.average_model) +
                                          "  average of all nodes' models, on the test set");
  text +=
      line("", fmt::format("{}  worst node ({}{})", percent_text(accuracy.min),
                           index_of(*result.worst_node),
                           all ? "" : fmt::format(", of {} looked at", result.evaluated_nodes)));
  return text;
}

std::string laboratory_lines(const LaboratoryResult& lab) {
  const auto figure = [&](const char* name, const Estimate& e, double LaboratoryMoments::*moment) {
    std::string text = fmt::format("{:<10} {:.6g} +- {:.2g}", name, e.value, e.standard_error);
    if (lab.predicted) text += fmt::format("   theory {:.6g}", (*lab.predicted).*moment);
    return text;
  };
  return line("average", figure("mean", lab.mean_of_average, &LaboratoryMoments::mean_of_average) +
                             fmt::format("   ({} replicas)", count_text(lab.replicas))) +
         line("", figure("variance", lab.variance_of_average,
                         &LaboratoryMoments::variance_of_average)) +
         line("consensus", figure("distance", lab.consensus, &LaboratoryMoments::consensus) +
                               "   (squared, of a node to the average)");
}

std::string time_line(const RunResult& result) {
  std::string text = duration_text(result.seconds);
  if (result.virtual_seconds) {
    text = duration_text(*result.virtual_seconds) + " of simulated time, computed in " + text;
  }
  if (result.laboratory) return line("time", text);
  return line("time",
              text + fmt::format("  ({} samples/s in all)",
                                 count_text(static_cast<uint64_t>(result.samples_per_second))));
}

std::string traffic_lines(const RunResult& result) {
  const double sent = result.bytes_sent_per_node;
  const double synchronous = result.bytes_synchronous_per_node;
  std::string text =
      line("sent", fmt::format("{} per node in {} messages", bytes_text(sent),
                               count_text(static_cast<uint64_t>(result.messages_sent_per_node))));
  std::string comparison =
      "synchronous SGD with a central server: " + bytes_text(synchronous) + " per node";
  if (sent > 0 && synchronous > 0) {
    const double ratio = synchronous / sent;
    constexpr double kEqual = 1.05;
    if (ratio > kEqual) comparison += fmt::format(", {:.1f}x as much", ratio);
    if (ratio < 1 / kEqual) comparison += fmt::format(", {:.1f}x less", 1 / ratio);
    if (ratio <= kEqual && ratio >= 1 / kEqual) comparison += ", about the same";
  }
  return text + line("", comparison);
}

std::string round_time_line(const RoundTime& time) {
  std::string text = number_text(time.measured) + " s a round";
  if (time.predicted) {
    text += fmt::format("; theory {} s: {} ({})", number_text(time.predicted->seconds_per_update()),
                        time.predicted->formula, method_name(time.predicted->method));
  }
  return line("", text);
}

std::string staleness_line(const Measures& measures) {
  std::string text = fmt::format("{:.3g} rounds on average, of {} gradients applied",
                                 measures.mean_staleness(), count_text(measures.applied));
  if (measures.late > 0) text += fmt::format("; {} came too late", count_text(measures.late));
  return line("staleness", text);
}

std::string spared_line(const Measures& measures) {
  const double all = static_cast<double>(measures.sent + measures.spared);
  return line("spared", fmt::format("{:.1f} % of {} messages went as a header alone: {} of payload",
                                    100 * static_cast<double>(measures.spared) / all,
                                    count_text(measures.sent + measures.spared),
                                    bytes_text(static_cast<double>(measures.spared_bytes))));
}

std::string heading(const RunResult& result) {
  return fmt::format("{} {} ({} parameters) on {} {}: {} rounds of {}, graph {}, messages {}\n",
                     result.diverged ? "Diverged:" : "Trained", result.model,
                     count_text(result.parameters), result.nodes,
                     result.nodes == 1 ? "node" : "nodes", count_text(result.rounds),
                     result.algorithm, result.graph,
                     result.codec == "identity" ? "uncompressed" : "as " + result.codec);
}

std::string lost_line(const RunResult& result) {
  std::string nodes;
  for (const NodeId node : result.lost) {
    nodes += (nodes.empty() ? "" : ", ") + std::to_string(index_of(node));
  }
  return line("lost", fmt::format("node{} {}: the others have gone on, and this is theirs",
                                  result.lost.size() == 1 ? "" : "s", nodes));
}

}  // namespace

std::string render_summary(const RunResult& result, const std::string& folder) {
  std::string text = heading(result);
  if (result.diverged) {
    text += "  the numbers grew beyond all bounds: try a smaller train.learning_rate\n";
  }
  if (!result.lost.empty()) text += lost_line(result);
  if (!result.adversary.empty()) text += line("adversaries", result.adversary);
  if (result.accuracy) text += accuracy_lines(result);
  if (result.privacy) text += line("privacy", result.privacy_text);
  text += line("loss", number_text(result.loss) + "  training, mean of the nodes' last round");
  if (result.laboratory) {
    text += laboratory_lines(*result.laboratory);
  } else {
    text += line("disagreement", number_text(result.consensus_distance) +
                                     "  mean squared distance of a node's model to the average");
  }
  if (result.measures && result.measures->applied > 0) text += staleness_line(*result.measures);
  if (result.measures && result.measures->sent > 0) text += spared_line(*result.measures);
  text += time_line(result);
  if (result.round_time) text += round_time_line(*result.round_time);
  if (!result.injected.empty()) {
    text += line("", "not this machine's own speed, delays are injected: " + result.injected);
  }
  text += traffic_lines(result);
  return text + line("model", folder + "/model.safetensors") +
         line("all figures", folder + "/result.json");
}

}  // namespace kith
