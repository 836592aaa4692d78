#include "daemon/sim/gossip_stability.h"

#include <string>
#include <vector>

#include "daemon/sim/dummy_model.h"
#include "daemon/sim/simulator.h"
#include "topology/error.h"

namespace kith {

namespace {

constexpr Round kRounds = 600;
constexpr size_t kFloats = 1000;  // of a vector
constexpr int kHalvings = 7;
constexpr double kAgreed = 1e-9 * kFloats;  // of squares near 1 at first: rounding is left

Job gossip_alone(const Job& job, double gamma) {
  return parse_job(
      job.text,
      {"algorithm.gamma=" + to_text(gamma), "stop.rounds=" + std::to_string(kRounds),
       "stop.epochs=0", "report.every=" + std::to_string(kRounds / 2), "report.evaluate=false",
       "checkpoint.every=0", "checkpoint.seconds=0", "consensus.tolerance=0",
       "train.learning_rate=1", "train.optimizer=sgd", "train.momentum=0", "train.weight_decay=0",
       "train.schedule=constant", "train.variance_reduction=none"});
}

// Consensus distance in the middle and at the end; nothing where it grew beyond all bounds.
std::vector<double> distances(const Job& job, uint32_t nodes) {
  std::vector<double> out;
  SimulationSettings settings;
  settings.threads = 1;
  settings.average_in_reports = false;
  settings.on_report = [&](const SimulationReport& report) {
    out.push_back(report.consensus_distance);
  };
  const DummyModel model({}, kFloats, DummyModel::Gradient::kFirstAlone);
  return simulate(job, nodes, model, nullptr, settings).diverged ? std::vector<double>() : out;
}

bool draws_nearer(const Job& job, uint32_t nodes) {
  const std::vector<double> found = distances(job, nodes);
  return found.size() == 2 && (found[1] < found[0] || found[1] < kAgreed);
}

}  // namespace

std::optional<StepAdvice> advise_step(const Job& job, uint32_t nodes) {
  const auto& values = job.algorithm.options.values();
  if (!values.contains("gamma") || nodes < 2 || nodes > kMostNodesTried) return std::nullopt;
  if (job.layers.any() || make_codec(job.codec)->lossless()) return std::nullopt;
  StepAdvice advice{.given = job.algorithm.options.number("gamma")};
  try {
    if (draws_nearer(gossip_alone(job, advice.given), nodes)) return std::nullopt;
    double gamma = advice.given;
    for (int i = 0; i < kHalvings && advice.works == 0; ++i) {
      gamma /= 2;
      if (draws_nearer(gossip_alone(job, gamma), nodes)) advice.works = gamma;
    }
  } catch (const OperatorError&) {
    return std::nullopt;  // the job has keys that do not go with plain steps
  }
  return advice;
}

}  // namespace kith
