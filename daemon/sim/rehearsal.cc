#include "daemon/sim/rehearsal.h"

#include <algorithm>
#include <memory>
#include <string>

#include "daemon/sim/dummy_model.h"
#include "daemon/sim/simulator.h"
#include "topology/error.h"

namespace kith {

namespace {

// Those after the first few: what begins and ends a run is no round's.
constexpr Round kFirst = 4;
constexpr Round kRounds = 8;  // changing graphs have shown most of themselves

// Of the vectors of all nodes together, times batches of a round.
constexpr double kFloats = 200'000;
constexpr double kMostFloats = 4'000'000;  // where tensors must stay whole
constexpr size_t kFewestFloats = 1000;     // of one vector

constexpr auto kRandom = DummyModel::Gradient::kRandom;

bool looks_at_tensors(const Job& job) {
  if (job.layers.any() || algorithm_info(job.algorithm.kind).looks_at_tensors) return true;
  const std::string codecs = job.codec + "|" + job.down;
  return std::ranges::any_of(all_codecs(), [&](const CodecInfo* info) {
    return info->shaped != nullptr && codecs.find(info->name) != std::string::npos;
  });
}

SimulationResult first_rounds(const Job& job, uint32_t nodes, const Model& model, Round rounds) {
  const std::string count = std::to_string(rounds);
  SimulationSettings settings;
  settings.threads = 1;
  return simulate(
      parse_job(job.text, {"stop.rounds=" + count, "stop.epochs=0", "report.every=" + count,
                           "report.evaluate=false", "checkpoint.every=0", "checkpoint.seconds=0",
                           "consensus.tolerance=0", "train.variance_reduction=none"}),
      nodes, model, nullptr, settings);
}

double payload_scale(const Model& model, const DummyModel& dummy) {
  return static_cast<double>(model.parameters()) / static_cast<double>(dummy.parameters());
}

// Null where it would take long.
std::unique_ptr<DummyModel> dummy_of(const Job& job, uint32_t nodes, const Model& model) {
  const size_t parameters = model.parameters();
  const double work = std::max(1.0, batches_per_round(job, nodes, 0)) * nodes;
  if (looks_at_tensors(job)) {
    if (work * static_cast<double>(parameters) > kMostFloats) return nullptr;
    return std::make_unique<DummyModel>(model.tensors(), parameters, kRandom);
  }
  const size_t shortened = std::max(kFewestFloats, static_cast<size_t>(kFloats / work));
  return std::make_unique<DummyModel>(Layout{}, std::min(parameters, shortened), kRandom);
}

}  // namespace

std::optional<Rehearsal> rehearse(const Job& job, uint32_t nodes, const Model& model) {
  if (nodes > kMostNodesTried) return std::nullopt;
  const std::unique_ptr<DummyModel> dummy = dummy_of(job, nodes, model);
  if (!dummy) return std::nullopt;
  const double scale = payload_scale(model, *dummy);
  try {
    const SimulationResult first = first_rounds(job, nodes, *dummy, kFirst);
    const SimulationResult all = first_rounds(job, nodes, *dummy, kFirst + kRounds);
    if (all.diverged) return std::nullopt;
    const auto a_round = [&](uint32_t node, uint64_t NodeCounters::*what) {
      const auto more = static_cast<double>(all.counters[node].*what) -
                        static_cast<double>(first.counters[node].*what);
      return more / kRounds;
    };
    Rehearsal rehearsal;
    for (uint32_t i = 0; i < nodes; ++i) {
      const double payload = a_round(i, &NodeCounters::payload_bytes_sent);
      const double bytes = (scale - 1) * payload + a_round(i, &NodeCounters::bytes_sent);
      rehearsal.messages += a_round(i, &NodeCounters::messages_sent) / nodes;
      rehearsal.bytes += bytes / nodes;
      rehearsal.bytes_most = std::max(rehearsal.bytes_most, bytes);
    }
    rehearsal.seconds = (seconds(all.end) - seconds(first.end)) / kRounds;
    return rehearsal;
  } catch (const OperatorError&) {
    return std::nullopt;  // delays of a file that this machine has not
  }
}

}  // namespace kith
