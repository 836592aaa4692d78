// What a run came to: the same summary for real daemons and for the simulator.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/edge_ledger.h"
#include "daemon/job.h"
#include "daemon/job_codec.h"
#include "daemon/job_privacy.h"
#include "daemon/learn/dataset.h"
#include "daemon/learn/model.h"
#include "daemon/store/laboratory.h"
#include "daemon/store/round_time.h"
#include "protocol/measures.h"

namespace kith {

// How one node ended, as a body hands it over. The parameters must outlive the call.
struct NodeOutcome {
  std::span<const float> parameters;
  Round rounds = 0;      // completed
  double loss = 0;       // training loss of its last round
  uint64_t batches = 0;  // computed
  size_t rows = 0;       // of its shard; 0 = none, or not known
  uint64_t messages_sent = 0;
  uint64_t messages_received = 0;
  uint64_t bytes_sent = 0;  // on the wire
  uint64_t bytes_received = 0;
  uint64_t uncompressed_bytes_sent = 0;  // what the same messages would have taken as floats
  uint64_t messages_resent = 0;
  uint64_t refused = 0;
  double encode_seconds = 0;  // spent on coding messages; virtual in a simulation
  double decode_seconds = 0;
  std::vector<EdgeCounters> edges = {};  // by peer; empty where nobody kept account
};

struct NodeResult {
  NodeOutcome outcome;             // without the parameters
  double distance_to_average = 0;  // |x_i - mean x|^2
  std::optional<double> accuracy;  // on the test set; absent for nodes outside of the sample
};

// Of the test set, as fractions. `mean`, `min` and `max` are over the nodes that were evaluated.
struct Accuracy {
  double average_model = 0;
  double mean = 0;
  double min = 0;
  double max = 0;
};

struct RunResult {
  std::string job;
  std::string algorithm;
  std::string graph;
  std::string codec;
  std::string model;
  uint32_t nodes = 0;        // that ended
  std::vector<NodeId> lost;  // left for good by the others, sorted
  size_t parameters = 0;     // floats of the model
  Round rounds = 0;
  double seconds = 0;                     // wall clock of the training
  std::optional<double> virtual_seconds;  // of the simulated cluster
  double loss = 0;                        // mean over the nodes of the last round's training loss
  std::optional<double> test_loss;        // of the average model
  std::optional<Accuracy> accuracy;
  std::optional<NodeId> worst_node;  // of those evaluated
  uint32_t evaluated_nodes = 0;
  double consensus_distance = 0;  // mean over the nodes of |x_i - mean x|^2
  double bytes_sent_per_node = 0;
  double messages_sent_per_node = 0;
  double bytes_uncompressed_per_node = 0;
  double bytes_synchronous_per_node = 0;
  double samples_per_second = 0;  // training samples of all nodes per wall-clock second
  bool diverged = false;
  std::string aggregate;            // aggregate.kind
  std::vector<NodeId> adversaries;  // bad on purpose, sorted
  std::string adversary;            // what they were, in words; empty = none
  std::string injected;             // delays that the daemons emulated, in words; empty = none
  std::string parameters_hash;      // hash_parameters in NodeId order
  std::optional<LaboratoryResult> laboratory;
  std::optional<PrivacySpent> privacy;      // of the node that has told most of its rows
  std::string privacy_text;                 // the same in words
  std::optional<RoundTime> round_time;      // where delays are simulated or injected
  std::optional<CodecChoice> codec_choice;  // where the job left it open
  std::optional<Measures> measures;         // where its algorithm has any
  std::vector<NodeResult> per_node;
};

struct RunTiming {
  double seconds = 0;
  std::optional<double> virtual_seconds;
  bool diverged = false;
  Measures measures = {};         // of the hub; of all nodes together where there is none
  std::vector<NodeId> lost = {};  // nodes that are not among those handed over; sorted
  size_t hub = 0;                 // of a job that has one, at the end: which of those handed over
};

// More nodes than this are not all evaluated: as many, spread evenly over the ids, stand for them.
inline constexpr uint32_t kEvaluatedNodes = 64;

// `test` is null for the laboratory or where no accuracy is wanted. Evaluates on `threads` threads.
RunResult summarise(const Job& job, const Model& model, const Dataset* test,
                    std::span<const NodeOutcome> nodes, const RunTiming& timing, unsigned threads);

// Which node the i-th of `per_node` is.
NodeId node_of(const RunResult& result, size_t i);

// Mean over the vectors, summed in double precision in the order given.
std::vector<float> average_of(std::span<const std::span<const float>> vectors);

// Mean over the vectors of their squared distance to `average`.
double consensus_distance_of(std::span<const std::span<const float>> vectors,
                             std::span<const float> average);

// JSON with documented keys (client/README.md); `indent` below 0 = one line.
std::string to_json(const RunResult& result, int indent = 2);

// One line of metrics.jsonl.
struct MetricsPoint {
  Round round = 0;
  double seconds = 0;                   // virtual in a simulation
  double loss = 0;                      // mean over the nodes of the round's training loss
  std::optional<double> accuracy = {};  // of the average model
  std::optional<double> consensus_distance = {};
  double bytes_sent_per_node = 0;
};
std::string to_json(const MetricsPoint& point);

}  // namespace kith
