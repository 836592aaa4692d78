// Runs on machines and lines that fail, in virtual time: what the tests of faults share.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include "daemon/job.h"
#include "daemon/learn/model.h"
#include "daemon/sim/simulator.h"
#include "topology/rng.h"

namespace kith {

// Node i tends to i; rounds of 0.1 s on average. The steps end at length 0, so that all can be at
// one place in the end.
inline constexpr const char* kIndexJob = R"(
  [model]
  kind = "quadratic"
  replicas = 4
  offsets = "index"
  noise = 0
  [train]
  learning_rate = 0.05
  schedule = "cosine"
  [delays]
  compute = "uniform:0.05:0.15"
  latency_ms = 5
)";

inline Time at(double s) {
  return Time(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(s)));
}

inline double seconds_of(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

struct FaultyRun {
  SimulationResult result;
  bool stalled = false;
  double longest_pause = 0;  // s, between two rounds that were reported
  uint64_t reports = 0;

  double x(uint32_t node) const { return static_cast<double>(result.parameters[node].floats()[0]); }
  double end() const { return seconds_of(result.end.time_since_epoch()); }
};

// Of the laboratory. Stalled after some 2 million events.
inline FaultyRun run_with(std::vector<Fault> faults, const Job& job, uint32_t nodes) {
  constexpr uint64_t kMostLooks = 2000;  // one every 1024 events
  std::ranges::stable_sort(faults, {}, &Fault::at);
  const std::unique_ptr<Model> model = model_info("quadratic").make({}, nodes, job.model.options);
  FaultyRun run;
  SimulationSettings settings;
  settings.threads = 1;
  settings.faults = std::move(faults);
  settings.average_in_reports = false;
  Time last{};
  settings.on_report = [&](const SimulationReport& report) {
    run.longest_pause = std::max(run.longest_pause, seconds_of(report.time - last));
    last = report.time;
    ++run.reports;
  };
  uint64_t looks = 0;
  settings.cancelled = [&] { return run.stalled = ++looks > kMostLooks; };
  run.result = simulate(job, nodes, *model, nullptr, settings);
  return run;
}

// Machines that crash and start again or sleep, and lines that carry nothing one way, for 10 s at
// most and within the first 60 s. `draw_node` says which machine.
template <class DrawNode>
std::vector<Fault> draw_faults(Rng& rng, int count, uint32_t nodes, DrawNode&& draw_node) {
  std::vector<Fault> faults;
  for (int k = 0; k < count; ++k) {
    const double begin = 50 * rng.uniform();
    const double end = begin + 10 * rng.uniform();
    const NodeId node{static_cast<uint32_t>(draw_node())};
    const NodeId peer{static_cast<uint32_t>(rng.below(nodes))};
    switch (rng.below(3)) {
      case 0:
        faults.push_back({at(begin), Fault::Kind::kCrash, node});
        faults.push_back({at(end), Fault::Kind::kRestart, node});
        break;
      case 1:
        faults.push_back({at(begin), Fault::Kind::kSleep, node});
        faults.push_back({at(end), Fault::Kind::kWake, node});
        break;
      default:
        faults.push_back({at(begin), Fault::Kind::kCut, node, peer});
        faults.push_back({at(end), Fault::Kind::kJoin, node, peer});
    }
  }
  return faults;
}

}  // namespace kith
