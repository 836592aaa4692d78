// The one table of the job file's fixed keys: parsing, defaults, ranges, help and README follow it.
#include "daemon/job.h"
#include "daemon/learn/model.h"
#include "protocol/aggregate.h"
#include "protocol/limits.h"
#include "topology/registry.h"

namespace kith {

namespace {

using Type = OptionSpec::Type;

constexpr double kAny = std::numeric_limits<double>::infinity();
constexpr double kMostRounds = 1e15;

OptionSpec text(const char* key, const char* fallback, const char* help,
                std::vector<std::string> choices = {}) {
  return {key, Type::kText, std::string(fallback), help, -kAny, kAny, std::move(choices)};
}

OptionSpec number(const char* key, double fallback, double low, double high, const char* help) {
  return {key, Type::kNumber, fallback, help, low, high};
}

OptionSpec integer(const char* key, int64_t fallback, double low, double high, const char* help) {
  return {key, Type::kInteger, fallback, help, low, high};
}

OptionSpec flag(const char* key, bool fallback, const char* help) {
  return {key, Type::kFlag, fallback, help};
}

void add(std::vector<JobKey>& keys, const char* section, OptionSpecs specs) {
  for (OptionSpec& spec : specs) keys.push_back({section, std::move(spec)});
}

void add_what(std::vector<JobKey>& keys) {
  add(keys, "job",
      {text("name", "job", "name of the run and of its folder; the file's own name when absent"),
       integer("seed", 1, 0, 9e15, "decides every random choice: same seed, same run")});
  add(keys, "model", {text("kind", "", "what is trained; required")});
  add(keys, "data",
      {text("source", "none", "\"fashion-mnist\", or the path of a .csv, .npy or IDX file"),
       text("labels", "", "path of the labels, for .npy and IDX"),
       text("test", "", "path of a test set; absent: test_fraction is split off"),
       text("test_labels", "", "path of its labels, for .npy and IDX"),
       text("label_column", "", "CSV: name or number (from 0) of the label column; absent: last"),
       integer("classes", 0, 0, 1e6,
               "labels are below it; 0 = one above the highest of the training set"),
       number("test_fraction", 0.2, 0, 0.9, "share of the rows kept for testing"),
       text("scale", "unit",
            "\"unit\" (bytes / 255), \"standard\" (mean 0, variance 1) or \"none\"",
            {"unit", "standard", "none"}),
       text("partition", "iid",
            "who gets which rows: \"iid\", \"dirichlet:ALPHA\" (small = one-sided) or "
            "\"shards:K\"")});
}

OptionSpec fractions(const char* key, const char* help) {
  return {key, Type::kNumbers, std::vector<double>{}, help, 0, 1};
}

void add_training(std::vector<JobKey>& keys) {
  add(keys, "train",
      {integer("batch", 32, 1, limits::kBatch, "samples of one step on one node, at first"),
       fractions("batch_milestones", "fractions of the run where the batch grows"),
       number("batch_factor", 1, 1, limits::kBatch, "multiplies the batch at each of these"),
       number("learning_rate", 0.1, 0, 1e6, "step size"),
       text("optimizer", "sgd", "rule of a step"),
       number("weight_decay", 0, 0, 1e6,
              "pull to 0: sgd adds it x parameters to the gradient, adamw shrinks the parameters"),
       text("schedule", "constant", "learning rate over the run", {"constant", "step", "cosine"}),
       integer("warm_up_steps", 0, 0, kMostRounds, "batches of a node over which the rate rises"),
       fractions("milestones", "schedule \"step\": fractions of the run, such as [0.5, 0.75]"),
       number("factor", 0.1, 0, 1, "schedule \"step\": multiplies the rate at each milestone"),
       number("floor", 0, 0, 1, "schedule \"cosine\": last rate as a fraction of learning_rate"),
       text("variance_reduction", "none",
            "\"svrg\": gradients whose noise vanishes, at twice to three times the computing",
            {"none", "svrg"}),
       integer("svrg_period", 0, 0, kMostRounds,
               "\"svrg\": batches of a node between snapshots; 0 = one pass over its data")});
}

OptionSpecs sgd_options() {
  return {number("momentum", 0, 0, 0.9999, "0 = plain SGD"),
          flag("nesterov", false, "Nesterov's form of momentum")};
}

OptionSpecs adamw_options() {
  return {number("beta1", 0.9, 0, 0.9999, "memory of the mean of the gradients"),
          number("beta2", 0.999, 0, 0.999999, "memory of the mean of their squares"),
          number("epsilon", 1e-8, 1e-20, 1, "added to the root of that")};
}

// Absent, or a rule.
std::vector<std::string> weights() {
  std::vector<std::string> rules = mixing_rules();
  rules.insert(rules.begin(), "");
  return rules;
}

void add_exchange(std::vector<JobKey>& keys) {
  add(keys, "algorithm", {text("kind", "dpsgd", "how the nodes work together")});
  add(keys, "topology",
      {text("graph", "ring", "who talks to whom"),
       text("weights", "", "how much a neighbour counts; absent: the rule that suits the graph",
            weights()),
       text("when_silent", "auto",
            "a neighbour that answers nothing: \"wait\" for it, or \"go-on\" without it until it "
            "is back; \"auto\" goes on where the algorithm and the graph allow it",
            {"auto", "go-on", "wait"})});
  add(keys, "codec",
      {text("kind", "identity",
            "how a message is written: \"top-k:0.01\", \"qsgd:15\", ...; a bar between two is a "
            "chain; \"auto\" tries some out at the start and takes the one that is soonest there"),
       flag("per_layer", false, "every tensor of the model is coded by itself"),
       text("small", "", "codec of tensors with fewer values than small_size, each by itself"),
       integer("small_size", 1024, 1, limits::kParameters, "see codec.small"),
       text("layers", "",
            "codecs of single tensors: \"layers.0.weight = top-k:0.01; layers.0.bias = fp16\""),
       text("memory", "none",
            "of what messages leave out: \"error-feedback\" adds it to the next; \"ef21\" sends "
            "differences to an estimate; \"dgc\" sums up momentum and sends the largest of it",
            {"none", "error-feedback", "ef21", "dgc"}),
       number("momentum", 0, 0, 0.9999, "memory \"ef21\", \"dgc\": of the nodes' own gradients"),
       number("clip", 0, 0, 1e30,
              "memory \"dgc\": longest mean gradient, / sqrt(nodes) for one node's; 0 = any"),
       integer("warm_up", 0, 0, kMostRounds,
               "memory \"dgc\": rounds in which more is sent, from a quarter of the values on"),
       text("down", "identity",
            "of what a hub tells all its nodes: the difference to what it told them last")});
}

void add_robustness(std::vector<JobKey>& keys) {
  add(keys, "aggregate", {text("kind", "mean", "how the vectors of several nodes become one")});
  OptionSpec nodes = {"nodes",
                      Type::kNumbers,
                      std::vector<double>{},
                      "bad nodes, for experiments: [3, 7]",
                      0,
                      static_cast<double>(limits::kNodes)};
  add(keys, "adversary",
      {text("kind", "none",
            "what bad nodes send: \"sign-flip:F\" -F times their step, \"huge:F\" F times, "
            "\"noise:S\" with a normal deviate of size S added to each value, \"nan\""),
       std::move(nodes),
       integer("count", 0, 0, limits::kNodes,
               "in place of nodes: so many, drawn from the seed; never node 0")});
}

void add_privacy(std::vector<JobKey>& keys) {
  add(keys, "privacy",
      {number("clip", 0, 0, 1e30,
              "C: the gradient of each row is cut to this length; 0 = no privacy"),
       number("noise", 0, 0, 1e6,
              "sigma, the noise multiplier: N(0, (sigma C / batch)^2) is added to each value of a "
              "gradient; 0 = none, or from 0.1"),
       number("delta", 1e-5, 1e-15, 0.5, "that epsilon is stated for; below 1 / rows"),
       flag("secret", true,
            "daemons draw noise and batches from a number of their own; else from job.seed, which "
            "all who know the job can do as well; the simulator always does so")});
}

void add_delays(std::vector<JobKey>& keys) {
  OptionSpec scale = {"scale",
                      Type::kNumbers,
                      std::vector<double>{},
                      "how many times as long node 0, 1, ... computes; nodes beyond the list: 1",
                      1e-6,
                      1e6};
  add(keys, "delays",
      {text("compute", "constant:0.001",
            "time of one batch (s): a law such as \"exponential:0.01\", or \"trace:PATH\""),
       std::move(scale),
       text(
           "per", "batch",
           "\"batch\": a draw for each batch; \"round\": one for all batches between two exchanges",
           {"batch", "round"}),
       number("latency_ms", 0, 0, 1e9, "time of flight of a message, ms"),
       text("jitter", "", "law of a further time of flight (s), drawn for each message"),
       number("bandwidth_mbit", 0, 0, 1e9, "outgoing Mbit/s of a node; 0 = unlimited"),
       number("encode_mbyte", 0, 0, 1e9,
              "Mbyte/s of floats that a node's codec encodes (simulator alone; \"kith codec\" "
              "measures it); 0 = in no time"),
       number("decode_mbyte", 0, 0, 1e9, "the same of decoding"),
       number("loss", 0, 0, 0.99, "probability that a message is lost"),
       flag("inject", false, "real daemons emulate these delays, too; else the simulator alone")});
}

void add_run(std::vector<JobKey>& keys) {
  add(keys, "stop",
      {integer("rounds", 0, 0, kMostRounds, "rounds to run: this or epochs"),
       number("epochs", 0, 0, 1e9,
              "passes of the average node over its own data: this or rounds")});
  add(keys, "consensus",
      {number(
          "tolerance", 0, 0, 0.5,
          "at the end nodes average till no more than this is left of what parts them; 0 = not")});
  add(keys, "report",
      {integer("every", 0, 0, kMostRounds, "rounds between reports; 0 = chosen by the length"),
       flag("evaluate", true, "test accuracy of the average model at each report")});
  add(keys, "checkpoint",
      {integer("every", 0, 0, kMostRounds,
               "rounds between two states that a daemon keeps, to go on after a crash; 0 = none"),
       number("seconds", 0, 0, 1e6,
              "in place of every: at the most so long between two; 0 = none")});
}

std::vector<JobKey> make_keys() {
  std::vector<JobKey> keys;
  add_what(keys);
  add_training(keys);
  add_exchange(keys);
  add_robustness(keys);
  add_privacy(keys);
  add_delays(keys);
  add_run(keys);
  return keys;
}

}  // namespace

const std::vector<JobKey>& job_keys() {
  static const std::vector<JobKey> keys = make_keys();
  return keys;
}

std::vector<JobKind> job_kinds() {
  std::vector<JobKind> kinds;
  for (const ModelInfo* info : all_models()) {
    kinds.push_back({"model", "kind", info->name, info->help, info->options});
  }
  kinds.push_back({"train", "optimizer", "sgd", "with or without momentum", sgd_options()});
  kinds.push_back({"train", "optimizer", "adamw",
                   "Adam with decoupled weight decay (Loshchilov, Hutter 2019)", adamw_options()});
  for (const AlgorithmInfo* info : all_algorithms()) {
    kinds.push_back({"algorithm", "kind", info->name, info->help, info->options});
  }
  for (const AggregateInfo* info : all_aggregates()) {
    kinds.push_back({"aggregate", "kind", info->name, info->help, info->options});
  }
  for (const GraphInfo* info : all_graphs()) {
    kinds.push_back({"topology", "graph", info->name, info->help, info->options()});
  }
  return kinds;
}

}  // namespace kith
