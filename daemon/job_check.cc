#include "daemon/job_check.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "daemon/job_privacy.h"
#include "daemon/job_robust.h"
#include "daemon/job_train.h"
#include "daemon/learn/model.h"
#include "protocol/limits.h"
#include "protocol/theory/delay.h"
#include "topology/error.h"
#include "topology/reach.h"
#include "topology/registry.h"
#include "topology/spectral.h"

namespace kith {

namespace {

void check_name(const std::string& name) {
  const bool good = !name.empty() && name.size() <= 64 && name[0] != '.' &&
                    std::ranges::all_of(name, is_name_letter);
  if (good) return;
  throw OperatorError("job.name is \"" + name +
                      "\", but it names a folder: use up to 64 letters, digits, '-', '_' and '.'");
}

std::optional<double> number_after(const std::string& text, const std::string& prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + prefix.size(), end, value);
  if (error != std::errc{} || rest != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

void check_partition(const std::string& rule) {
  if (rule == "iid") return;
  const auto alpha = number_after(rule, "dirichlet:");
  if (alpha && *alpha > 0) return;
  const auto classes = number_after(rule, "shards:");
  if (classes && *classes >= 1 && *classes == std::floor(*classes)) return;
  throw OperatorError("data.partition is \"" + rule +
                      "\", but must be \"iid\", \"dirichlet:ALPHA\" with ALPHA above 0, or "
                      "\"shards:K\" with a whole K from 1");
}

void check_data(const Job& job) {
  const bool has_data = !job.data.source.empty() && job.data.source != "none";
  const bool needs_data = model_info(job.model.kind).needs_data;
  if (needs_data && !has_data) {
    throw OperatorError("model.kind = \"" + job.model.kind +
                        "\" needs data: set data.source to \"fashion-mnist\" or to the path of a "
                        ".csv, .npy or IDX file");
  }
  if (!needs_data && has_data) {
    throw OperatorError("model.kind = \"" + job.model.kind +
                        "\" makes its own gradients and takes no data: remove data.source = \"" +
                        job.data.source + "\"");
  }
  check_partition(job.data.partition);
}

void check_stop(const Job& job) {
  if (job.rounds == 0 && job.epochs == 0) {
    throw OperatorError("the job does not say when to stop: set stop.rounds or stop.epochs");
  }
  if (job.rounds > 0 && job.epochs > 0) {
    throw OperatorError("stop.rounds and stop.epochs are both set: keep one of them");
  }
  if (job.epochs > 0 && !model_info(job.model.kind).needs_data) {
    throw OperatorError("stop.epochs needs data to pass over, which model.kind = \"" +
                        job.model.kind + "\" has not: set stop.rounds");
  }
}

std::string pair_of(const Job& job) { return "algorithm.kind = \"" + job.algorithm.kind + "\""; }

void check_graph(const Job& job) {
  const Needs& needs = algorithm_info(job.algorithm.kind).needs;
  if (needs.star && job.graph.kind != "star") {
    throw OperatorError(pair_of(job) + " needs topology.graph = \"star\", but it is \"" +
                        job.graph.kind +
                        "\": its node 0 collects from all the others. Set topology.graph = "
                        "\"star\", or algorithm.kind = \"dpsgd\"");
  }
}

// Before make_mixing, whose sentence knows nothing of the job's keys. Two rules can fail:
// "uniform", whose rows sum to 1 always, and "column-stochastic", and both on irregular graphs
// alone.
void check_doubly_stochastic(const Job& job, const Graph& graph, const std::string& rule) {
  const bool columns = rule.ends_with("column-stochastic");
  if (!columns && !rule.ends_with("uniform")) return;
  if (regular(graph)) return;
  const std::string remedy =
      graph.undirected() ? "remove topology.weights, or set it to \"metropolis\""
                         : "choose a graph in which all nodes have equally many neighbours, or "
                           "algorithm.kind = \"sgp\", which needs no such weights";
  throw OperatorError(pair_of(job) +
                      " needs weights whose rows and columns sum to 1, but topology.weights = \"" +
                      rule + "\" does not give that on topology.graph = \"" + job.graph.kind +
                      "\", where degrees differ: " + remedy);
}

// On a directed graph those who hear late hold nobody up until the news has come round, and what is
// sent to them meanwhile must be kept.
void check_lead(const Job& job, const Graph& graph) {
  if (graph.undirected() || graph.period() != 1) return;
  if (!algorithm_info(job.algorithm.kind).synchronous) return;
  const uint32_t lead = longest_return(graph);
  if (lead < limits::kRoundsAhead) return;
  throw OperatorError("topology.graph = \"" + job.graph.kind + "\" with " +
                      std::to_string(graph.nodes()) + " nodes lets a node run " +
                      std::to_string(lead) + " rounds ahead of one that it tells, and at most " +
                      std::to_string(limits::kRoundsAhead - 1) +
                      " are kept: start fewer nodes, or choose a graph such as \"ring\" or "
                      "\"static-exponential\"");
}

// Of a sample of the nodes none keeps a state in rounds that it could foretell.
void check_checkpoint(const Job& job) {
  if (job.checkpoint_seconds == 0) return;
  if (job.checkpoint_every > 0) {
    throw OperatorError("checkpoint.every and checkpoint.seconds are both set: keep one of them");
  }
  const auto& options = job.algorithm.options.values();
  if (options.contains("participants") && job.algorithm.options.integer("participants") > 0) {
    throw OperatorError(
        "checkpoint.seconds needs all nodes in each round, but algorithm.participants leaves some "
        "out: set checkpoint.every");
  }
}

void check_silence(const Job& job, const Graph& graph) {
  if (job.when_silent != "go-on" || goes_on(job, graph)) return;
  if (algorithm_info(job.algorithm.kind).needs.star) {
    throw OperatorError(
        "topology.when_silent = \"go-on\" and checkpoint.every are two ways for a star to get over "
        "a dead node: it goes on without it, or back to a checkpoint of all when it has started "
        "again. Leave one of the two out");
  }
  std::string able;
  for (const AlgorithmInfo* info : all_algorithms()) {
    if (goes_on_over(*info, graph)) able += (able.empty() ? "" : ", ") + std::string(info->name);
  }
  const std::string graphs = graph.undirected() ? "this graph" : "a graph with one-way edges";
  throw OperatorError("topology.when_silent = \"go-on\" needs, over " + graphs +
                      ", an algorithm.kind of " + able +
                      ": leave it out, and nodes wait for a neighbour that is silent");
}

void check_lossless(const Job& job) {
  if (lossless(job)) return;
  throw OperatorError(pair_of(job) +
                      " goes on from what its nodes have told each other, and cannot make up for "
                      "what a codec loses, but "
                      "codec.kind = \"" +
                      codec_text(job) +
                      "\" loses something: take codec.kind = \"identity\" or \"zstd\", or "
                      "algorithm.kind = \"choco-sgd\"");
}

// No eigenvalue of W lies outside the circles around w_ii with radius sum_j |w_ij| (Gershgorin).
double least_by_circles(const Mixing& mixing) {
  double least = 1;
  MixingRow row;
  for (uint32_t i = 0; i < mixing.graph().nodes(); ++i) {
    mixing.row(NodeId{i}, 0, row);
    double end = static_cast<double>(row.self);
    for (const Neighbor& neighbor : row.neighbors) {
      end -= std::abs(static_cast<double>(neighbor.weight));
    }
    least = std::min(least, end);
  }
  return least;
}

void check_eigenvalues(const Job& job, const std::shared_ptr<const Graph>& graph,
                       const std::string& rule) {
  const double bound = algorithm_info(job.algorithm.kind).needs.eigenvalues_above;
  if (bound <= -1) return;
  const std::unique_ptr<Mixing> made = make_mixing(rule, graph);
  const Mixing& mixing = *made;
  if (least_by_circles(mixing) > bound) return;
  constexpr double kRounding = 1e-6;  // of weights in floats
  const double least = spectrum(mixing).lambda_min;
  if (least > bound + kRounding) return;
  throw OperatorError(
      pair_of(job) + " needs weights whose eigenvalues are all above " + to_text(bound) +
      ", but topology.weights = \"" + rule + "\" has " + to_text(least) +
      " on topology.graph = \"" + job.graph.kind + "\" with " +
      std::to_string(mixing.graph().nodes()) +
      " nodes, and the models would part: set topology.weights = \"lazy-" + rule +
      "\", which leaves half of each model where it is, or take algorithm.kind = \"extra\", which "
      "goes with any weights");
}

void check_weights(const Job& job, const std::shared_ptr<const Graph>& graph) {
  const AlgorithmInfo& info = algorithm_info(job.algorithm.kind);
  if (info.weights == nullptr) {
    const std::string rule = job.weights.empty() ? default_mixing(*graph) : job.weights;
    if (info.needs.doubly_stochastic) check_doubly_stochastic(job, *graph, rule);
    check_mixing(rule, *graph);
    return check_eigenvalues(job, graph, rule);
  }
  if (!job.weights.empty()) {
    throw OperatorError(pair_of(job) +
                        " makes its own weights from the graph, but topology.weights is \"" +
                        job.weights + "\": leave it out, or take algorithm.kind = \"dpsgd\"");
  }
  info.weights->check(job.algorithm.options, *graph);
}

// What a codec that decodes the payloads of all nodes together asks for.
void check_joint(const Job& job) {
  if (!make_codec(job.codec)->decodes_jointly()) return;
  const std::string kind = "codec.kind = \"" + job.codec + "\"";
  if (!algorithm_info(job.algorithm.kind).all_contribute) {
    throw OperatorError(kind +
                        " is decoded by a hub from the payloads of all nodes together, which " +
                        pair_of(job) +
                        " does not average with equal weights: take algorithm.kind = \"sync\", or "
                        "codec.kind = \"rand-k:F\"");
  }
  if (job.memory.kind != MemoryKind::kNone || job.layers.any()) {
    throw OperatorError(
        kind +
        " goes neither with codec.memory, for a node does not know what the hub makes of its "
        "payload "
        "beside the others, nor with codecs by layers: leave them out, or take codec.kind = "
        "\"rand-k:F\"");
  }
}

void check_algorithm(const Job& job, uint32_t nodes, size_t parameters) {
  const AlgorithmInfo& info = algorithm_info(job.algorithm.kind);
  const bool down = codes_down(job);
  if (down && !info.codes_down) {
    throw OperatorError(
        "codec.down is \"" + job.down + "\", but with algorithm.kind = \"" + info.name +
        "\" no hub tells its model to all nodes in every round: leave it out, or take an "
        "algorithm whose nodes all wait for each other, such as \"sync\" or "
        "\"local-sgd\"");
  }
  if (info.check == nullptr) return;
  Setting setting{
      .options = job.algorithm.options, .nodes = nodes, .optimizer = job.train.optimizer};
  setting.parameters = parameters;
  if (!job.layers.any()) {
    setting.codec = job.codec;
    if (parameters > 0) {
      setting.codec_variance = make_codec(job.codec)->variance_bound(parameters);
    }
  }
  const bool remembers = job.memory.kind != MemoryKind::kNone;
  setting.coded = job.codec != "identity" || job.layers.any() ||
                  (remembers && job.memory.kind != MemoryKind::kErrorFeedback);
  setting.down = down;
  setting.error_feedback = job.memory.kind == MemoryKind::kErrorFeedback && !lossless(job);
  if (job.model.kind == "quadratic") {
    const double steepest = std::ranges::max(job.model.options.numbers("curvature"));
    setting.step_times_curvature =
        static_cast<double>(job.train.optimizer.learning_rate) * steepest;
  }
  info.check(setting);
}

void check_law(const std::string& key, const std::string& spec) {
  const std::optional<std::string> trace = trace_path(spec);
  if (trace && !trace->empty()) return;  // read where it is needed
  if (trace) {
    throw OperatorError(key + " is \"" + spec +
                        "\", which names no file: give \"trace:PATH\", a text file with one "
                        "number of seconds a line");
  }
  try {
    make_delay(spec);
  } catch (const OperatorError& error) {
    throw OperatorError(key + ": " + error.what());
  }
}

void check_delays(const Job& job) {
  check_law("delays.compute", job.delays.compute);
  if (!job.delays.jitter.empty()) check_law("delays.jitter", job.delays.jitter);
}

void check_consensus(const Job& job) {
  if (job.consensus_tolerance == 0) return;
  const AlgorithmInfo& info = algorithm_info(job.algorithm.kind);
  if (!info.central && job.algorithm.kind != "consensus") return;
  throw OperatorError("consensus.tolerance asks for averaging at the end, but with " +
                      pair_of(job) +
                      (info.central ? " all nodes end with one model by themselves: leave it out"
                                    : " that is all there is: set stop.rounds, and leave it out"));
}

void check_scale(const Job& job, uint32_t nodes) {
  const size_t given = job.delays.scale.size();
  if (given <= nodes) return;
  throw OperatorError("delays.scale has " + std::to_string(given) + " numbers, but there are " +
                      std::to_string(nodes) + " nodes: give at most one for each");
}

// Of the memories that go with some algorithms and codecs alone.
void check_memory(const Job& job) {
  const MemorySpec& memory = job.memory;
  const bool feedback = memory.kind == MemoryKind::kErrorFeedback;
  if (feedback && algorithm_info(job.algorithm.kind).keeps_differences) {
    throw OperatorError(
        "codec.memory is \"error-feedback\", but with " + pair_of(job) +
        " what a codec leaves out stays in the next difference by itself, and would be sent twice: "
        "leave it out");
  }
  const bool dgc = memory.kind == MemoryKind::kDgc;
  const bool ef21 = memory.kind == MemoryKind::kEf21;
  const std::string name = std::string("codec.memory = \"") + (dgc ? "dgc" : "ef21") + "\"";
  if (memory.momentum > 0 && !dgc && !ef21) {
    throw OperatorError(
        "codec.momentum needs codec.memory = \"ef21\" or \"dgc\"; for momentum of the optimiser "
        "set train.momentum");
  }
  if ((memory.clip > 0 || memory.warm_up > 0) && !dgc) {
    throw OperatorError("codec.clip and codec.warm_up need codec.memory = \"dgc\"");
  }
  if (!dgc && !ef21) return;
  if (!algorithm_info(job.algorithm.kind).all_contribute) {
    throw OperatorError(name +
                        " needs a hub that hears every node's gradient in every round: set " +
                        "algorithm.kind = \"sync\", or codec.memory = \"error-feedback\"");
  }
  if (dgc && (!make_codec(job.codec)->sends_some() || job.layers.any())) {
    throw OperatorError(name + " needs a codec that sends some of the values of the whole model, " +
                        "such as \"top-k:0.01\", but codec.kind is \"" + job.codec + "\"");
  }
  if (dgc && job.train.optimizer.momentum > 0) {
    throw OperatorError(name + " has the momentum of each node in its own memory: set " +
                        "codec.momentum in place of train.momentum");
  }
  if (memory.warm_up > 0) WarmUp(job.codec, memory.warm_up);
}

void check_layers(const Job& job) {
  if (job.choose_codec && job.layers.any()) {
    throw OperatorError(
        "codec.kind = \"auto\" chooses one codec for all tensors: leave codec.per_layer, "
        "codec.small and codec.layers out, or name a codec");
  }
  make_codec(job.codec);
  if (!job.layers.small.empty()) make_codec(job.layers.small);
  for (const auto& [tensor, codec] : job.layers.named) make_codec(codec);
}

}  // namespace

bool lossless(const Job& job) {
  const auto keeps = [](const std::string& spec) { return make_codec(spec)->lossless(); };
  return keeps(job.codec) && (job.layers.small.empty() || keeps(job.layers.small)) &&
         std::ranges::all_of(job.layers.named,
                             [&](const auto& rule) { return keeps(rule.second); });
}

bool is_name_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

bool codes_down(const Job& job) { return job.down != "identity"; }

std::string codec_text(const Job& job) {
  return job.codec + (job.layers.any() ? ", by layers" : "") +
         (codes_down(job) ? ", down as " + job.down : "");
}

void check_job(const Job& job) {
  check_name(job.name);
  check_data(job);
  check_stop(job);
  check_checkpoint(job);
  check_train(job);
  check_privacy(job);
  check_graph(job);
  check_layers(job);
  check_memory(job);
  check_consensus(job);
  // A sum of differences is rounded, so that nothing would be lossless about it.
  if (codes_down(job) && make_codec(job.down)->lossless()) {
    throw OperatorError("codec.down is \"" + job.down +
                        "\", which loses nothing; differences are sent only through one that does: "
                        "leave it out, or take one of those that lose something");
  }
  check_delays(job);
}

void validate(const Job& job, uint32_t nodes, size_t parameters) {
  check_job(job);
  if (nodes == 0 || nodes > limits::kNodes) {
    throw OperatorError("-n is " + std::to_string(nodes) + ", but must be between 1 and " +
                        std::to_string(limits::kNodes));
  }
  const std::shared_ptr<const Graph> graph = make_graph(job, nodes);
  const Needs& needs = algorithm_info(job.algorithm.kind).needs;
  if (needs.undirected && !graph->undirected()) {
    throw OperatorError(pair_of(job) +
                        " needs a graph whose edges go both ways, but "
                        "topology.graph = \"" +
                        job.graph.kind +
                        "\" is directed: choose one such as \"ring\" or \"torus\"");
  }
  if (needs.undirected_changes && graph->period() != 1 && !graph->undirected()) {
    throw OperatorError(pair_of(job) +
                        " needs edges that go both ways where the graph changes, but "
                        "topology.graph = \"" +
                        job.graph.kind +
                        "\" is directed: choose one such as \"base-k-plus-1\" or \"ring\"");
  }
  if (needs.fixed && graph->period() != 1) {
    throw OperatorError(pair_of(job) +
                        " needs a graph that stays the same, but topology.graph = \"" +
                        job.graph.kind +
                        "\" changes from round to round: choose one such as \"ring\" or "
                        "\"torus\", or algorithm.kind = \"dpsgd\"");
  }
  check_lead(job, *graph);
  check_silence(job, *graph);
  check_weights(job, graph);
  if (needs.lossless) check_lossless(job);
  check_joint(job);
  check_scale(job, nodes);
  check_algorithm(job, nodes, parameters);
  check_robust(job, nodes, *graph);
}

}  // namespace kith
