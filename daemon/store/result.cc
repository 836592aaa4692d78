#include "daemon/store/result.h"

#include <algorithm>
#include <cmath>
#include <latch>
#include <map>

#include "daemon/job_robust.h"
#include "daemon/job_timing.h"
#include "daemon/learn/trainer.h"
#include "daemon/learn/workers.h"
#include "daemon/store/hash.h"
#include "protocol/limits.h"
#include "topology/assert.h"

namespace kith {

namespace {

using Vectors = std::vector<std::span<const float>>;

// |a - b|^2 in double precision, in index order.
double squared_distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t k = 0; k < a.size(); ++k) {
    const double d = static_cast<double>(a[k]) - static_cast<double>(b[k]);
    sum += d * d;
  }
  return sum;
}

// Evenly spread ids: 0 and then every N/count-th.
std::vector<uint32_t> sample_of(uint32_t nodes) {
  const uint32_t count = std::min(nodes, kEvaluatedNodes);
  std::vector<uint32_t> ids;
  for (uint32_t i = 0; i < count; ++i) {
    ids.push_back(static_cast<uint32_t>(uint64_t{i} * nodes / count));
  }
  return ids;
}

std::vector<Evaluation> evaluate_all(const Model& model, const Dataset& test,
                                     const Vectors& vectors, unsigned threads) {
  std::vector<Evaluation> evaluations(vectors.size());
  std::latch left(static_cast<ptrdiff_t>(vectors.size()));
  Workers workers(std::max(1u, threads));
  for (size_t i = 0; i < vectors.size(); ++i) {
    workers.submit([&, i](Workspace& workspace) {
      evaluations[i] = evaluate(model, test, vectors[i], workspace);
      left.count_down();
    });
  }
  left.wait();
  return evaluations;
}

void add_accuracy(RunResult& result, const Model& model, const Dataset& test,
                  const Vectors& vectors, std::span<const float> average, unsigned threads) {
  const std::vector<uint32_t> sample = sample_of(result.nodes);
  Vectors chosen = {average};
  for (uint32_t id : sample) chosen.push_back(vectors[id]);
  const std::vector<Evaluation> evaluations = evaluate_all(model, test, chosen, threads);
  Accuracy accuracy{evaluations[0].accuracy, 0, 2, -1};
  for (size_t i = 0; i < sample.size(); ++i) {
    const double a = evaluations[i + 1].accuracy;
    result.per_node[sample[i]].accuracy = a;
    accuracy.mean += a / static_cast<double>(sample.size());
    accuracy.max = std::max(accuracy.max, a);
    if (a < accuracy.min) {
      accuracy.min = a;
      result.worst_node = node_of(result, sample[i]);
    }
  }
  result.test_loss = evaluations[0].loss;
  result.accuracy = accuracy;
  result.evaluated_nodes = static_cast<uint32_t>(sample.size());
}

void describe_job(RunResult& result, const Job& job, const Model& model) {
  result.job = job.name;
  result.algorithm = job.algorithm.kind;
  result.graph = job.graph.kind;
  result.codec = codec_text(job);
  result.model = job.model.kind;
  result.parameters = model.parameters();
}

uint64_t total_batches(const Job& job, size_t nodes, Round rounds) {
  const double per_round =
      algorithm_info(job.algorithm.kind)
          .batches_per_round(job.algorithm.options, static_cast<uint32_t>(nodes));
  return static_cast<uint64_t>(std::ceil(static_cast<double>(rounds) * per_round));
}

// Of the node that has told most: nodes of equal shards and batches are looked at once.
std::optional<PrivacySpent> privacy_of(const Job& job, std::span<const NodeOutcome> nodes,
                                       Round rounds) {
  if (!job.privacy) return std::nullopt;
  const uint64_t total = total_batches(job, nodes.size(), rounds);
  std::map<std::pair<size_t, uint64_t>, PrivacySpent> spent;
  std::optional<PrivacySpent> most;
  for (const NodeOutcome& node : nodes) {
    if (node.rows == 0) continue;
    const auto [place, fresh] = spent.try_emplace({node.rows, node.batches});
    if (!fresh) continue;
    place->second = privacy_spent(job, node.batches, total, node.rows);
    if (!most || most->epsilon < place->second.epsilon) most = place->second;
  }
  return most;
}

void add_traffic(RunResult& result, const Job& job, std::span<const NodeOutcome> nodes,
                 size_t hub) {
  const auto n = static_cast<double>(nodes.size());
  double batches = 0;
  const AlgorithmInfo& algorithm = algorithm_info(job.algorithm.kind);
  const bool central = algorithm.central;
  if (central) result.loss = nodes[hub].loss;
  for (const NodeOutcome& node : nodes) {
    result.bytes_sent_per_node += static_cast<double>(node.bytes_sent) / n;
    result.messages_sent_per_node += static_cast<double>(node.messages_sent) / n;
    result.bytes_uncompressed_per_node += static_cast<double>(node.uncompressed_bytes_sent) / n;
    if (!central) result.loss += node.loss / n;
    result.rounds = std::max(result.rounds, node.rounds);
    batches += static_cast<double>(node.batches);
  }
  // Synchronous SGD over a star: for each batch of a worker one gradient up and one model down.
  result.bytes_synchronous_per_node =
      batches / n * 2 * static_cast<double>(sizeof(float) * result.parameters);
  if (result.seconds == 0) return;
  const uint64_t total = total_batches(job, nodes.size(), result.rounds);
  double samples = 0;
  for (const NodeOutcome& node : nodes) {
    samples += static_cast<double>(job.train.batch.before(node.batches, total, limits::kBatch));
  }
  result.samples_per_second = samples / result.seconds;
}

}  // namespace

NodeId node_of(const RunResult& result, size_t i) {
  auto node = static_cast<uint32_t>(i);
  for (const NodeId lost : result.lost) node += index_of(lost) <= node ? 1 : 0;
  return NodeId{node};
}

std::vector<float> average_of(std::span<const std::span<const float>> vectors) {
  KITH_ASSERT(!vectors.empty());
  std::vector<double> sum(vectors[0].size());
  for (const std::span<const float> x : vectors) {
    for (size_t k = 0; k < sum.size(); ++k) sum[k] += x[k];
  }
  std::vector<float> average(sum.size());
  for (size_t k = 0; k < sum.size(); ++k) {
    average[k] = static_cast<float>(sum[k] / static_cast<double>(vectors.size()));
  }
  return average;
}

double consensus_distance_of(std::span<const std::span<const float>> vectors,
                             std::span<const float> average) {
  double sum = 0;
  for (const std::span<const float> x : vectors) sum += squared_distance(x, average);
  return sum / static_cast<double>(vectors.size());
}

RunResult summarise(const Job& job, const Model& model, const Dataset* test,
                    std::span<const NodeOutcome> nodes, const RunTiming& timing, unsigned threads) {
  RunResult result;
  describe_job(result, job, model);
  result.nodes = static_cast<uint32_t>(nodes.size());
  result.lost = timing.lost;
  result.seconds = timing.seconds;
  result.virtual_seconds = timing.virtual_seconds;
  result.diverged = timing.diverged;
  const bool simulated = timing.virtual_seconds.has_value();
  result.aggregate = job.aggregate.kind;
  result.adversaries = adversaries_of(job, result.nodes);
  result.adversary = adversary_note(job, result.nodes);
  if (job.delays.inject && !simulated) result.injected = describe(job.delays);
  add_traffic(result, job, nodes, timing.hub);
  result.privacy = privacy_of(job, nodes, result.rounds);
  if (result.privacy) result.privacy_text = privacy_text(job, *result.privacy);

  Vectors vectors;
  for (const NodeOutcome& node : nodes) vectors.push_back(node.parameters);
  result.parameters_hash = hash_parameters(vectors);
  const std::vector<float> average = average_of(vectors);
  result.consensus_distance = consensus_distance_of(vectors, average);
  for (const NodeOutcome& node : nodes) {
    result.per_node.push_back({node, squared_distance(node.parameters, average), std::nullopt});
    result.per_node.back().outcome.parameters = {};
  }
  if (result.rounds > 0 && !result.diverged && (simulated || job.delays.inject)) {
    const double seconds = simulated ? *timing.virtual_seconds : timing.seconds;
    result.round_time = {seconds / static_cast<double>(result.rounds),
                         predict_run_time(job, result.nodes)};
  }
  const Measures& measures = timing.measures;
  const bool measured = measures.applied > 0 || measures.local_steps > 0 || measures.sent > 0;
  if (measured) result.measures = timing.measures;
  if (test) add_accuracy(result, model, *test, vectors, average, threads);
  if (!model.needs_data()) {
    result.laboratory = measure_laboratory(vectors);
    result.laboratory->predicted = predict_laboratory(job, result.nodes, result.rounds);
  }
  return result;
}

}  // namespace kith
