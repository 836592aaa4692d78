#include <algorithm>
#include <cmath>

#include "daemon/job_text.h"
#include "daemon/sim/chaos/draw.h"
#include "protocol/aggregate.h"
#include "topology/error.h"
#include "topology/registry.h"
#include "topology/rng.h"

namespace kith::chaos {

namespace {

constexpr uint32_t kMostNodes = 16;
constexpr int64_t kReplicas = 8;  // parameters of the laboratory model
constexpr int kTries = 40;        // of one algorithm
constexpr double kMostVariance = 3;

// What a run may cost, and how far it must get: with a cosine schedule the second half of its steps
// shrinks what the first half left to exp(-0.09 kSteps).
constexpr double kEvents = 30'000;
constexpr double kSteps = 40;  // rounds times local steps times learning rate
constexpr double kFewestRounds = 150;
constexpr double kMostRounds = 1500;

class JobDraw {
 public:
  JobDraw(uint64_t seed, uint32_t attempt)
      : rng_(seed, NodeId{0}, Purpose::kTest, uint64_t{2} * attempt) {}

  DrawnJob draw() {
    for (;;) {
      const std::vector<const AlgorithmInfo*> algorithms = all_algorithms();
      info_ = algorithms[rng_.below(algorithms.size())];
      for (int i = 0; i < kTries; ++i) {
        try {
          return draw_around();
        } catch (const OperatorError&) {
          // A pair that cannot work.
        }
      }
    }
  }

 private:
  DrawnJob draw_around() {
    sections_.clear();
    nodes_ = 2 + static_cast<uint32_t>(rng_.below(kMostNodes - 1));
    set("job", "seed", static_cast<int64_t>(rng_.below(1'000'000)));
    draw_model();
    draw_algorithm();
    draw_topology();
    draw_codec();
    draw_training();
    draw_delays();
    const int64_t checkpoints[] = {0, 1, 5, 20};
    set("checkpoint", "every", checkpoints[rng_.below(4)]);
    if (one_in(10)) set("consensus", "tolerance", 0.01);
    set("stop", "rounds", int64_t{1});
    fit_length();
    const std::string toml = write_sections(sections_);
    validate(parse_job(toml), nodes_, kReplicas);
    return {toml, nodes_};
  }

  void draw_model() {
    set("model", "kind", std::string("quadratic"));
    set("model", "replicas", kReplicas);
    std::vector<double> offsets;
    for (uint32_t i = 0; i < nodes_; ++i) offsets.push_back(std::round(200 * rng_.normal()) / 100);
    set("model", "offset", offsets);
    if (one_in(4)) set("model", "noise", 0.1);
  }

  void draw_algorithm() {
    set("algorithm", "kind", std::string(info_->name));
    local_steps_ = 1;
    for (const OptionSpec& spec : info_->options) draw_option(spec);
  }

  // Those of a few values by chance; of the others those that make another machine of it.
  void draw_option(const OptionSpec& spec) {
    const std::string key = spec.key;
    if (!spec.choices.empty()) {
      set("algorithm", key, spec.choices[rng_.below(spec.choices.size())]);
    } else if (spec.type == OptionSpec::Type::kFlag) {
      set("algorithm", key, rng_.below(2) == 0);
    } else if (key == "local_steps" || key == "fragments") {
      const int64_t steps = key == "fragments" ? 2 : 1 + static_cast<int64_t>(rng_.below(4));
      const int64_t value = has("fragments") && key == "local_steps" ? 4 : steps;
      if (key == "local_steps") local_steps_ = static_cast<double>(value);
      if (spec.type == OptionSpec::Type::kNumbers) {
        set("algorithm", key, std::vector<double>{static_cast<double>(value)});
      } else {
        set("algorithm", key, value);
      }
    } else if (key == "k" || key == "participants") {
      set("algorithm", key, static_cast<int64_t>(1 + rng_.below(nodes_)));
    } else if (key == "overlap" || key == "lead") {
      set("algorithm", key, static_cast<int64_t>(rng_.below(4)));
    }
  }

  void draw_topology() {
    const auto graphs = all_graphs();
    const GraphInfo& graph = *graphs[rng_.below(graphs.size())];
    set("topology", "graph", std::string(info_->needs.star ? "star" : graph.name));
  }

  void draw_codec() {
    if (info_->codec != nullptr || one_in(2)) {
      set("codec", "kind", std::string(info_->codec != nullptr ? info_->codec : "identity"));
      return;
    }
    const auto codecs = all_codecs();
    const uint64_t choice = rng_.below(codecs.size() + 2);
    const char* chains[] = {"top-k:0.25 | qsgd:15", "top-k:0.5 | int8 | zstd"};
    const std::string codec =
        choice < codecs.size() ? codecs[choice]->example : chains[choice - codecs.size()];
    // Of few values one in a hundred is one, sent eight times as long: no run stands that.
    const bool wild = make_codec(codec)->variance_bound(kReplicas) > kMostVariance;
    set("codec", "kind", wild ? std::string("rand-k:0.5") : codec);
    const char* memories[] = {"none", "none", "error-feedback", "error-feedback", "ef21", "dgc"};
    set("codec", "memory", std::string(memories[rng_.below(6)]));
    if (info_->codes_down && one_in(3)) {
      set("codec", "down", std::string(one_in(2) ? "top-k:0.25" : "qsgd:15"));
    }
    if (info_->aggregates != Aggregates::kNothing && one_in(5)) {
      const auto rules = all_aggregates();
      set("aggregate", "kind", std::string(rules[rng_.below(rules.size())]->name));
    }
  }

  void draw_training() {
    const double momenta[] = {0, 0, 0, 0.5, 0.9};
    momentum_ = momenta[rng_.below(5)];
    if (momentum_ > 0) set("train", "momentum", momentum_);
    set("train", "schedule", std::string("cosine"));
  }

  void draw_delays() {
    const double scales[] = {0.005, 0.02, 0.1};  // s
    const double mean = scales[rng_.below(3)];
    const std::string laws[] = {
        "constant:" + to_text(mean),
        "uniform:" + to_text(mean / 2) + ":" + to_text(mean * 3 / 2),
        "exponential:" + to_text(mean),
    };
    set("delays", "compute", laws[rng_.below(3)]);
    if (one_in(4)) set("delays", "scale", std::vector<double>{1, rounded(1 + 4 * rng_.uniform())});
    set("delays", "latency_ms", static_cast<double>(rng_.below(50)));
    const char* jitters[] = {"", "exponential:0.01", "uniform:0:0.05", "exponential:0.1"};
    set("delays", "jitter", std::string(jitters[rng_.below(4)]));
    if (one_in(3)) set("delays", "loss", rounded(0.01 + 0.09 * rng_.uniform()));
    if (one_in(6)) set("delays", "bandwidth_mbit", rounded(2 + 8 * rng_.uniform()));
  }

  // Rounds by what they cost, and steps as long as so many rounds must take.
  void fit_length() {
    const Job job = parse_job(write_sections(sections_));
    const double contributions =
        batches_per_round(job, nodes_, 0) * nodes_ / std::max(1.0, local_steps_);
    double events = 3 * contributions;
    if (!info_->central) {
      std::vector<NodeId> peers;
      make_graph(job, nodes_)->in(NodeId{nodes_ / 2}, 0, peers);
      events = nodes_ * (3.0 + static_cast<double>(peers.size()) * info_->messages_per_round);
    }
    const double rounds = std::clamp(std::floor(kEvents / events), kFewestRounds, kMostRounds);
    const double rate = std::clamp(kSteps / (rounds * local_steps_), 0.01, 0.25);
    set("train", "learning_rate", rate * (1 - momentum_));
    set("stop", "rounds", static_cast<int64_t>(rounds));
  }

  bool has(const std::string& key) const {
    return std::ranges::any_of(info_->options,
                               [&](const OptionSpec& spec) { return spec.key == key; });
  }

  static double rounded(double value) { return std::round(100 * value) / 100; }

  bool one_in(uint64_t n) { return rng_.below(n) == 0; }

  void set(const std::string& section, const std::string& key, OptionValue value) {
    sections_[section][key] = std::move(value);
  }

  Rng rng_;
  const AlgorithmInfo* info_ = nullptr;
  uint32_t nodes_ = 0;
  double local_steps_ = 1;
  double momentum_ = 0;
  JobSections sections_;
};

}  // namespace

DrawnJob draw_job(uint64_t seed, uint32_t attempt) { return JobDraw(seed, attempt).draw(); }

}  // namespace kith::chaos
