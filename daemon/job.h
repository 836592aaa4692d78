// A job: everything that decides what is trained, typed and validated. TOML in, one struct out.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/learn/batch_schedule.h"
#include "daemon/learn/privacy.h"
#include "protocol/algorithm.h"
#include "protocol/layered_codec.h"
#include "protocol/memory.h"
#include "protocol/optimizer.h"
#include "topology/mixing.h"
#include "topology/options.h"

namespace kith {

// A registered kind and its checked options.
struct Choice {
  std::string kind;
  Options options;
};

struct DataSpec {
  std::string source;  // "fashion-mnist", "none" (quadratic), or a path: .csv, .npy, IDX
  std::string labels;  // path of the labels, for .npy and IDX; empty where not needed
  std::string test;    // path of a test set; empty = split off test_fraction
  std::string test_labels;
  std::string label_column;  // CSV: header name or 0-based number; empty = last
  size_t classes = 0;        // labels are below it; 0 = one above the highest of the training set
  double test_fraction = 0.2;
  std::string scale;      // "unit" (bytes / 255), "standard" (mean 0, variance 1), "none"
  std::string partition;  // "iid", "dirichlet:ALPHA", "shards:CLASSES_PER_NODE"
};

struct TrainSpec {
  BatchSchedule batch;  // samples of one step on one node
  OptimizerSpec optimizer;
  std::optional<uint64_t> svrg_period;  // batches between snapshots, 0 = one pass; absent: no SVRG
};

// How long computing and messages take: in the simulator, and with `inject` on real daemons. Laws
// as protocol/theory/delay.h names them; job_timing.h makes of it what the bodies use.
struct DelaySpec {
  enum class Per : uint8_t {
    kBatch,  // a draw for each batch of a Compute
    kRound,  // one draw for a whole Compute, times its batches
  };
  std::string compute = {};        // law of the time of one batch, s
  std::vector<double> scale = {};  // of node i's computing; nodes beyond the list: 1
  Per per = Per::kBatch;
  double latency = 0;       // s, each message
  std::string jitter = {};  // law of what comes on top of it, s; empty = none
  double bandwidth = 0;  // bytes/s out of each node, 0 = unlimited; sends queue behind each other
  double encode = 0;     // bytes/s of floats that a node encodes, 0 = in no time; never injected
  double decode = 0;     // the same for decoding
  double loss = 0;       // probability that a message is lost
  bool inject = false;   // real daemons emulate all this
};

// Nodes that lie in what they send (protocol/adversary.h).
struct AdversarySpec {
  std::string kind = "none";       // "sign-flip:2" and the like
  std::vector<double> nodes = {};  // who: whole numbers; or
  uint32_t count = 0;              // so many, drawn from the seed among the nodes but node 0
};

struct ReportSpec {
  Round every = 0;       // rounds between reports; chosen from the length of the run when absent
  bool evaluate = true;  // test accuracy of the average model at each report
};

struct Job {
  std::string name;
  uint64_t seed = 1;
  Choice model;
  DataSpec data;
  TrainSpec train;
  Choice algorithm;
  Choice graph;
  std::string weights;        // mixing rule; empty = default_mixing
  std::string when_silent;    // "auto", "go-on", "wait": see goes_on()
  std::string codec;          // while it is to be chosen (job_codec.h) "identity"
  bool choose_codec = false;  // codec.kind = "auto"
  LayerRules layers;          // which tensors are coded otherwise
  MemorySpec memory;
  Choice aggregate;         // the rule that brings vectors together; "mean" = the algorithm's own
  AdversarySpec adversary;  // job_robust.h
  std::optional<PrivacySpec> privacy;  // job_privacy.h; absent: gradients as they are
  std::string down;                    // codec of what a hub tells its nodes; "identity" = as it is
  DelaySpec delays;
  ReportSpec report;
  double consensus_tolerance = 0;  // of a phase of gossip alone at the end; 0 = there is none
  Round checkpoint_every = 0;      // rounds; 0 = never, or
  double checkpoint_seconds = 0;   // between two; 0 = never
  Round rounds = 0;                // exactly one of rounds and epochs is above zero
  double epochs = 0;               // passes of the average node over its shard

  bool keeps_checkpoints() const { return checkpoint_every > 0 || checkpoint_seconds > 0; }

  std::string text;  // the TOML that it came from, overrides applied: what daemons are sent
};

struct JobKey {
  const char* section;
  OptionSpec spec;
};

// The one table of all fixed keys; kinds add their own to their section ([model], [train],
// [algorithm], [topology]).
const std::vector<JobKey>& job_keys();

// What `section.key` may be set to, and the keys that this adds to the section.
struct JobKind {
  const char* section;
  const char* key;
  const char* name;
  const char* help;
  OptionSpecs options;
};
std::vector<JobKind> job_kinds();

// `overrides` are "section.key=value" as given to --set. Throws OperatorError that names the key.
Job parse_job(const std::string& toml, const std::vector<std::string>& overrides = {});
Job load_job(const std::string& path, const std::vector<std::string>& overrides = {});

// Checks the pairs (algorithm, graph, codec, model, data, nodes) and refuses impossible ones with
// what would work. `parameters` of the model: 0 = not known yet, for it may depend on the data.
void validate(const Job& job, uint32_t nodes, size_t parameters = 0);

// No message loses anything of what it stands for (of those that codec.kind codes).
bool lossless(const Job& job);

// What a hub tells its nodes is coded.
bool codes_down(const Job& job);

// How messages are written, for people: "qsgd:15", "qsgd:15, down as top-k:0.01".
std::string codec_text(const Job& job);

std::shared_ptr<const Graph> make_graph(const Job& job, uint32_t nodes);

// The weights that the job gossips with: those of its algorithm where that makes its own, else of
// topology.weights. `graph` is the job's.
std::unique_ptr<Mixing> make_mixing(const Job& job, std::shared_ptr<const Graph> graph);

// Whether nodes go on without one that answers nothing, a hub included, and take it up again when
// it does, or wait for it. "auto" goes on where the algorithm can. A star that keeps checkpoints
// goes back to them instead.
bool goes_on(const Job& job, const Graph& graph);
// Whether the algorithm, one without a coordinator, can do so over this graph.
bool goes_on_over(const AlgorithmInfo& algorithm, const Graph& graph);

// Batches of a node in a round, for shards of `rows_per_node` rows on average (0: laboratory).
double batches_per_round(const Job& job, uint32_t nodes, double rows_per_node);

// Rounds of the job for shards of `rows_per_node` rows on average: of stop.epochs as many as it
// takes to see so many samples, with batches that grow, and are no larger than a shard.
Round rounds_of(const Job& job, uint32_t nodes, double rows_per_node);

}  // namespace kith
