#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <thread>

#include "client/chaos_hunt.h"
#include "client/codec_trials.h"
#include "client/command/command.h"
#include "client/forecast.h"
#include "client/interrupt.h"
#include "client/training.h"
#include "client/view/progress.h"
#include "client/view/summary.h"
#include "daemon/job_timing.h"
#include "daemon/sim/simulator.h"
#include "daemon/store/result.h"
#include "daemon/store/run_folder.h"
#include "topology/error.h"

namespace kith {

namespace {

using std::chrono::steady_clock;

struct SimulateOptions {
  std::string path;
  uint32_t nodes = 0;
  unsigned threads = 0;
  std::string out;
  std::vector<std::string> set;
  std::string chaos;   // seeds; empty = no hunt
  std::string faults;  // a list of them, to be run again
  bool json = false;
  bool save_nodes = false;
};

double seconds_since(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

// One simulation, from its job file to its folder.
class Simulation {
 public:
  explicit Simulation(const SimulateOptions& options)
      : options_(options), job_(load_job(options.path, options.set)), view_(options.json) {
    validate(job_, options.nodes);
    make_timing(job_.delays);  // refuses a bad trace before there is a folder
    tell_notes(job_, options.nodes, view_);
    training_ = load_training(job_, options.nodes, true);
    tell_privacy(job_, training_.rows_by_node, view_);
    const double rows = training_.train ? static_cast<double>(training_.train->rows()) : 0;
    rounds_ = rounds_of(job_, options.nodes, rows / options.nodes);
    folder_.emplace(options.out, job_, options.nodes);
  }

  int run() {
    if (job_.choose_codec && !choose_codec()) return stopped(0);
    tell_forecast(job_, options_.nodes, *training_.model, true, view_);
    started_ = steady_clock::now();
    const SimulationResult result = simulate_nodes();
    const double wall = seconds_since(started_) - judging_seconds_;
    view_.clear();
    if (result.cancelled) return stopped(result.rounds);
    return conclude(result, wall);
  }

 private:
  bool evaluates() const { return job_.report.evaluate && training_.test; }

  int stopped(Round rounds) {
    view_.clear();
    std::fprintf(stderr, "kith: stopped as asked after %llu rounds; what there is lies in %s\n",
                 static_cast<unsigned long long>(rounds), folder_->path().c_str());
    return kInterrupted;
  }

  // False where it is interrupted. The folder then holds the job that runs.
  bool choose_codec() {
    Interrupt interrupt;
    choice_ = choose_in_simulator(
        job_, options_.nodes, training_, options_.threads, [&] { return interrupt.requested(); },
        view_);
    if (!choice_) return false;
    job_ = choice_->job;
    folder_->replace(job_);
    return true;
  }

  SimulationResult simulate_nodes() {
    Interrupt interrupt;
    SimulationSettings settings;
    settings.threads = options_.threads;
    settings.average_in_reports = evaluates();
    settings.on_report = [this](const SimulationReport& report) { show(report); };
    settings.cancelled = [&] { return interrupt.requested(); };
    return simulate(job_, options_.nodes, *training_.model, training_.train, settings);
  }

  void show(const SimulationReport& report) {
    MetricsPoint point{report.round + 1, seconds(report.time),      report.loss,
                       std::nullopt,     report.consensus_distance, report.bytes_sent_per_node};
    if (evaluates()) {
      const auto begun = steady_clock::now();
      point.accuracy =
          evaluate(*training_.model, *training_.test, report.average, workspace_).accuracy;
      judging_seconds_ += seconds_since(begun);
    }
    folder_->add(point);
    view_.update({point.round, rounds_, seconds_since(started_), point.loss, point.accuracy,
                  point.consensus_distance, point.bytes_sent_per_node, ""});
  }

  int conclude(const SimulationResult& result, double wall) {
    std::vector<NodeOutcome> outcomes;
    std::vector<std::span<const float>> vectors;
    for (size_t i = 0; i < result.parameters.size(); ++i) {
      outcomes.push_back(outcome_of(result, i));
      if (!training_.rows_by_node.empty()) outcomes.back().rows = training_.rows_by_node[i];
      vectors.push_back(result.parameters[i].floats());
    }
    RunResult summary = summarise(job_, *training_.model, training_.test.get(), outcomes,
                                  {wall, seconds(result.end), result.diverged, result.measures},
                                  std::thread::hardware_concurrency());
    if (choice_) summary.codec_choice = *choice_;
    folder_->write(summary);
    folder_->write_model("model", *training_.model, average_of(vectors), summary);
    for (size_t i = 0; options_.save_nodes && i < vectors.size(); ++i) {
      folder_->write_model("nodes/" + std::to_string(i), *training_.model, vectors[i], summary);
    }
    const std::string text =
        options_.json ? to_json(summary) + "\n" : render_summary(summary, folder_->path().string());
    std::fputs(text.c_str(), stdout);
    return summary.diverged ? kRunFailed : kDone;
  }

  static NodeOutcome outcome_of(const SimulationResult& result, size_t i) {
    const NodeCounters& counters = result.counters[i];
    NodeOutcome outcome;
    outcome.parameters = result.parameters[i].floats();
    outcome.rounds = result.rounds;
    outcome.loss = result.loss[i];
    outcome.batches = counters.batches;
    outcome.messages_sent = counters.messages_sent;
    outcome.messages_received = counters.messages_received;
    outcome.bytes_sent = counters.bytes_sent;
    outcome.bytes_received = counters.bytes_received;
    outcome.uncompressed_bytes_sent = counters.uncompressed_bytes_sent;
    outcome.messages_resent = counters.messages_resent;
    outcome.encode_seconds = seconds(counters.encoding);
    outcome.decode_seconds = seconds(counters.decoding);
    if (i < result.edges.size()) outcome.edges = result.edges[i];
    for (const uint64_t count : counters.refused) outcome.refused += count;
    return outcome;
  }

  const SimulateOptions& options_;
  Job job_;
  ProgressView view_;
  Training training_;
  std::optional<CodecChoice> choice_;  // where job_ asked for one
  Round rounds_ = 0;
  std::optional<RunFolder> folder_;
  Workspace workspace_;
  steady_clock::time_point started_;
  double judging_seconds_ = 0;  // no part of the simulation
};

int simulate_or_hunt(const SimulateOptions& options) {
  const bool hunts = !options.chaos.empty() || !options.faults.empty();
  if (options.path.empty() && (!options.faults.empty() || !hunts)) {
    throw OperatorError(std::string(hunts ? "--faults needs" : "it needs") +
                        " the job file: kith simulate JOB -n N");
  }
  if (options.path.empty() != (options.nodes == 0)) {
    throw OperatorError("JOB and -n go together: kith simulate JOB -n N; kith simulate --chaos " +
                        std::string("SEED draws both"));
  }
  if (!hunts) return Simulation(options).run();
  const SeedRange seeds = parse_seeds(options.chaos.empty() ? "0" : options.chaos);
  if (!options.out.empty() && seeds.first != seeds.last) {
    throw OperatorError("--out keeps the job and the faults of one seed: give --chaos one");
  }
  return hunt({options.path, options.nodes, options.set, options.faults, options.out}, seeds,
              options.threads, options.json);
}

}  // namespace

void add_simulate_command(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<SimulateOptions>();
  CLI::App* command = program.add_subcommand(
      "simulate", "run a job on any number of nodes in this process, in virtual time");
  command->add_option("JOB", options->path, "the job file");
  command->add_option("-n,--nodes", options->nodes, "number of nodes");
  command->add_option("--chaos", options->chaos,
                      "hunt for faults: draw what goes wrong from a seed, such as 7, or from each "
                      "of 1-500; without JOB the job is drawn as well");
  command->add_option("--faults", options->faults, "run a list of faults that a hunt has printed");
  command->add_option("--threads", options->threads,
                      "that compute, or processes that hunt; 0 = one per core");
  command->add_option("--set", options->set, kSetHelp)
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command->add_option("--out", options->out, "folder for the results (runs/<job>-<n>nodes-<k>)");
  command->add_flag("--save-nodes", options->save_nodes, "keep every node's model, too");
  command->add_flag("--json", options->json, "print the result as one JSON object");
  command->footer(
      "With --chaos or --faults the exit code is 127 after a crash, 128 without progress and 129 "
      "with a wrong result.\n"
      "Example: kith simulate examples/ring.toml -n 64 --set delays.latency_ms=20\n"
      "         kith simulate --chaos 1-500");
  command->callback(
      [options, &chosen] { chosen = [options] { return simulate_or_hunt(*options); }; });
}

}  // namespace kith
