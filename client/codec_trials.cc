#include "client/codec_trials.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>

#include "client/command/command.h"
#include "client/view/units.h"
#include "daemon/sim/simulator.h"

namespace kith {

namespace {

using control::Phase;

// A simulated trial computes every gradient, and its times have no noise of a machine; but all
// candidates see the same draws of what the job's delays leave to chance.
constexpr TrialLength kSimulated = {.first = 10, .at_most = 10};
constexpr TrialLength kReal = {.first = 2, .at_most = 1000};

constexpr RoundCost kNeverThere = {std::numeric_limits<double>::infinity(), 0, 0};

std::string text_of(const CodecTrial& trial) {
  const RoundCost& cost = trial.cost;
  if (std::isinf(cost.seconds)) return fmt::format("  {}: diverges", trial.codec);
  return fmt::format("  {}: {} ms a round, {} ms of it coding, {} from a node", trial.codec,
                     number_text(1e3 * cost.seconds), number_text(1e3 * cost.coding_seconds),
                     bytes_text(cost.bytes));
}

std::string text_of(const CodecChoice& choice) {
  std::string text = "codec.kind = \"auto\" takes " + choice.trials[choice.taken].codec;
  if (const double speed = bytes_per_second(choice.trials); speed > 0) {
    text += fmt::format("; {}/s leave a node", bytes_text(speed));
  }
  return text + ".";
}

using Reports = std::vector<control::ReportEntry>;

// A round between the reports of `first` and `last`, counted from 0.
RoundCost cost_between(const std::vector<Reports>& reports, Round first, Round last) {
  RoundCost cost;
  const auto rounds = static_cast<double>(last - first);
  for (const Reports& of_node : reports) {
    const auto begun = std::ranges::find(of_node, first, &control::ReportEntry::round);
    const auto ended = std::ranges::find(of_node, last, &control::ReportEntry::round);
    if (begun == of_node.end() || ended == of_node.end()) continue;
    cost.seconds = std::max(cost.seconds, (ended->seconds - begun->seconds) / rounds);
    const auto bytes = static_cast<double>(ended->bytes_sent - begun->bytes_sent);
    cost.bytes = std::max(cost.bytes, bytes / rounds);
  }
  return cost;
}

// Until all nodes are done; false where one has diverged.
bool follow(Cluster& cluster, std::vector<Reports>& reports, double& coding_seconds) {
  constexpr std::chrono::milliseconds kPoll{10};
  for (;; std::this_thread::sleep_for(kPoll)) {
    bool over = true;
    for (size_t i = 0; const control::ProgressReply& reply : cluster.progress()) {
      if (reply.phase == Phase::kFailed || reply.phase == Phase::kIdle) {
        throw RunFailed(
            fmt::format("node {} at {} gave up the job: {}", i, cluster.endpoint(i), reply.error));
      }
      if (reply.phase == Phase::kDiverged) return false;
      over = over && reply.phase == Phase::kFinished;
      reports[i].insert(reports[i].end(), reply.reports.begin(), reply.reports.end());
      const control::Counters& counters = reply.counters;
      coding_seconds = std::max(coding_seconds, counters.encode_seconds + counters.decode_seconds);
      ++i;
    }
    if (over) return true;
  }
}

RoundCost try_on_daemons(Cluster& cluster, const Job& job, Round rounds) {
  cluster.start(job.text);
  std::vector<Reports> reports(cluster.nodes());
  double coding_seconds = 0;
  const bool finished = follow(cluster, reports, coding_seconds);
  cluster.stop_job();
  if (!finished) return kNeverThere;
  RoundCost cost = cost_between(reports, rounds / 2 - 1, rounds - 1);
  cost.coding_seconds = coding_seconds / static_cast<double>(rounds);
  return cost;
}

RoundCost try_in_simulator(const Job& job, uint32_t nodes, const Training& training, Round rounds,
                           SimulationSettings settings) {
  std::vector<SimulationReport> reports;
  settings.on_report = [&](const SimulationReport& report) { reports.push_back(report); };
  const SimulationResult result = simulate(job, nodes, *training.model, training.train, settings);
  if (result.diverged) return kNeverThere;
  RoundCost cost;
  if (reports.size() < 2) return cost;  // cancelled
  const auto half = static_cast<double>(rounds) / 2;
  const SimulationReport& last = reports.back();
  const SimulationReport& middle = reports[reports.size() - 2];
  cost.seconds = seconds(last.time - middle.time) / half;
  cost.bytes = static_cast<double>(last.bytes_sent_most - middle.bytes_sent_most) / half;
  for (const NodeCounters& node : result.counters) {
    const double coding = seconds(node.encoding + node.decoding);
    cost.coding_seconds = std::max(cost.coding_seconds, coding / static_cast<double>(rounds));
  }
  return cost;
}

}  // namespace

CodecChoice choose_on_daemons(const Job& job, Cluster& cluster, ProgressView& view) {
  view.say("Trying out codecs, some rounds with each:");
  const TrialRunner runner = {
      .run = [&](const Job& trial, Round rounds) { return try_on_daemons(cluster, trial, rounds); },
      .on_trial = [&](const CodecTrial& trial) { view.say(text_of(trial)); },
      .length = kReal};
  CodecChoice choice = choose_codec(job, static_cast<uint32_t>(cluster.nodes()), runner);
  view.say(text_of(choice));
  return choice;
}

std::optional<CodecChoice> choose_in_simulator(const Job& job, uint32_t nodes,
                                               const Training& training, unsigned threads,
                                               const std::function<bool()>& cancelled,
                                               ProgressView& view) {
  view.say("Trying out codecs, some simulated rounds with each:");
  SimulationSettings settings;
  settings.threads = threads;
  settings.average_in_reports = false;
  settings.cancelled = cancelled;
  const TrialRunner runner = {.run =
                                  [&](const Job& trial, Round rounds) {
                                    return try_in_simulator(trial, nodes, training, rounds,
                                                            settings);
                                  },
                              .on_trial =
                                  [&](const CodecTrial& trial) {
                                    if (!cancelled()) view.say(text_of(trial));
                                  },
                              .length = kSimulated};
  CodecChoice choice = choose_codec(job, nodes, runner);
  if (cancelled()) return std::nullopt;
  view.say(text_of(choice));
  return choice;
}

}  // namespace kith
