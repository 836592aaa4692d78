#include "daemon/sim/chaos/hunt.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "daemon/sim/chaos/checkers.h"

namespace kith::chaos {

namespace {

using Kind = Finding::Kind;

// settle_by: the sound run over again so many times, when all faults are over; where messages are
// lost patience has grown, and each further loss takes as long.
constexpr double kRuns = 2;
constexpr double kLossyRuns = 6;
constexpr Duration kRecovery = std::chrono::seconds(60);

// Of the way from the start to the optimum, and of what nodes' optima differ by.
constexpr double kPlace = 0.2;
// Of the way to the furthest point that any node starts from or tends to.
constexpr double kAnyPlace = 1.25;
// Of that, what a sound run may leave between its nodes.
constexpr double kFit = 0.2;
constexpr double kTimesSound = 3;
constexpr double kLoss = 0.25;
// Standard deviations that none of a few hundred normal draws is away from the mean.
constexpr double kMostDrawn = 5;

// Of those that count.
std::vector<double> mean_of(const SimulationResult& result, const std::vector<bool>& counts) {
  std::vector<double> mean(result.parameters.front().size() / sizeof(float));
  const auto count = static_cast<double>(std::ranges::count(counts, true));
  for (size_t i = 0; i < counts.size(); ++i) {
    const std::span<const float> x = result.parameters[i].floats();
    for (size_t j = 0; counts[i] && j < mean.size(); ++j) {
      mean[j] += static_cast<double>(x[j]) / count;
    }
  }
  return mean;
}

std::vector<double> mean_of(const SimulationResult& result) {
  return mean_of(result, std::vector<bool>(result.parameters.size(), true));
}

double furthest(std::span<const float> x, const std::vector<double>& from) {
  double most = 0;
  for (size_t j = 0; j < x.size(); ++j) {
    const double distance = std::abs(static_cast<double>(x[j]) - from[j]);
    most = std::isfinite(distance) ? std::max(most, distance)
                                   : std::numeric_limits<double>::infinity();
  }
  return most;
}

// Largest distance of a node from the mean of all.
double parted(const SimulationResult& result) {
  const std::vector<double> mean = mean_of(result);
  double most = 0;
  for (const SharedBuffer& x : result.parameters) most = std::max(most, furthest(x.floats(), mean));
  return most;
}

double of_node(const std::vector<double>& values, size_t i) {
  return values.size() == 1 ? values[0] : values[i];
}

// Of the laboratory: where the mean loss of those that `counts` is least.
double optimum(const Job& job, const std::vector<bool>& counts) {
  const Options& model = job.model.options;
  double pull = 0;
  double stiffness = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (!counts[i]) continue;
    const double h = of_node(model.numbers("curvature"), i);
    const double step = model.text("offsets") == "index" ? static_cast<double>(i) : 0;
    pull += h * (of_node(model.numbers("offset"), i) + step);
    stiffness += h;
  }
  return stiffness > 0 ? pull / stiffness : 0;
}

bool laboratory(const Job& job) { return job.model.kind == "quadratic"; }

bool same_bits(const SimulationResult& a, const SimulationResult& b) {
  for (size_t i = 0; i < a.parameters.size(); ++i) {
    if (!std::ranges::equal(a.parameters[i].bytes(), b.parameters[i].bytes())) return false;
  }
  return true;
}

bool same_run(const SimulationResult& a, const SimulationResult& b) {
  const auto sent = [](const NodeCounters& counters) { return counters.bytes_sent; };
  return a.end == b.end && a.events == b.events && same_bits(a, b) &&
         std::ranges::equal(a.counters, b.counters, {}, sent, sent);
}

std::string text(double value) { return std::to_string(value); }

}  // namespace

Hunt::Hunt(const Job& job, uint32_t nodes, const Model& model, std::shared_ptr<const Dataset> train)
    : job_(job),
      nodes_(nodes),
      model_(model),
      train_(std::move(train)),
      plan_(
          make_plan(job, nodes, model, train_ ? static_cast<double>(train_->rows()) / nodes : 0)) {
  Run sound = run({}, Time::max());
  sound_ = std::move(sound.result);
  if (!sound.found.empty()) {
    sound_finding_ = {sound.stuck ? Kind::kNoProgress : Kind::kWrong,
                      "without any fault, " + sound.found};
  }
}

Hunt::Run Hunt::run(const std::vector<Fault>& faults, Time until) {
  Checkers checkers(promises_of(plan_, job_.delays.loss > 0 || !faults.empty()),
                    sum_rules_of(plan_), faults.empty() ? Time{} : faults.back().at);
  SimulationSettings settings;
  settings.threads = 1;
  settings.average_in_reports = false;
  settings.faults = faults;
  settings.observer = &checkers;
  settings.cancelled = [&] { return !checkers.finding().empty() || checkers.now() > until; };
  Run run;
  run.result = simulate(job_, nodes_, model_, train_, settings);
  run.found = checkers.finding();
  run.stuck = checkers.stuck();
  run.untouched = checkers.untouched();
  run.round_at_end = checkers.round_at_end();
  events_ += run.result.events;
  return run;
}

bool Hunt::fit() const {
  return !sound_.diverged && (!laboratory(job_) || parted(sound_) <= kFit * spread());
}

// What there is to go: from the start to the optimum, and of what single optima differ by.
double Hunt::spread() const {
  std::vector<bool> one(nodes_);
  const double together = optimum(job_, std::vector<bool>(nodes_, true));
  double most = std::abs(together - job_.model.options.number("start"));
  for (uint32_t i = 0; i < nodes_; ++i) {
    one.assign(nodes_, false);
    one[i] = true;
    most = std::max(most, std::abs(optimum(job_, one) - together));
  }
  return most;
}

Time Hunt::settle_by(const std::vector<Fault>& faults) const {
  const Time last = faults.empty() ? Time{} : faults.back().at;
  double runs = job_.delays.loss > 0 ? kLossyRuns : kRuns;
  for (const Fault& fault : faults) runs += fault.kind == Fault::Kind::kGoBack ? 1 : 0;
  return last + kRecovery + from_seconds(runs * seconds(sound_.end));
}

Finding Hunt::chase(const std::vector<Fault>& faults, bool twice) {
  const Run first = run(faults, settle_by(faults));
  Finding finding = judge(first, faults);
  if (finding.kind != Kind::kNone || !twice) return finding;
  if (same_run(first.result, run(faults, settle_by(faults)).result)) {
    finding.what += ", twice the same";
    return finding;
  }
  return {Kind::kWrong, "the same seed has run two different ways"};
}

Finding Hunt::judge(const Run& run, const std::vector<Fault>& faults) const {
  const SimulationResult& result = run.result;
  if (!run.found.empty()) return {run.stuck ? Kind::kNoProgress : Kind::kWrong, run.found};
  if (result.cancelled) {
    return {Kind::kNoProgress, "not all are done by " + text(seconds(settle_by(faults))) +
                                   " s; the slowest is in round " + std::to_string(result.rounds) +
                                   " of " + std::to_string(plan_.rounds)};
  }
  if (result.diverged) return {Kind::kWrong, "it has diverged, and does not without faults"};
  FaultState machines(nodes_);
  for (const Fault& fault : faults) machines.apply(fault);
  for (uint32_t i = 0; i < nodes_; ++i) {
    if (result.finished[i] || machines.down(NodeId{i})) continue;
    return {Kind::kNoProgress, "node " + std::to_string(i) + " is alive, and has not finished"};
  }
  if (plan_.algorithm->synchronous && run.untouched) return judge_bits(run);
  return laboratory(job_) ? judge_place(run) : judge_loss(run);
}

Finding Hunt::judge_bits(const Run& run) const {
  if (same_bits(run.result, sound_)) return {Kind::kNone, "the bits of a sound run"};
  return {Kind::kWrong, "nothing that happened may reach the mathematics, but the bits are others"};
}

// Largest distance of the start, and of where single nodes tend to, from `place`.
double Hunt::furthest_goal(const std::vector<double>& place) const {
  double most = 0;
  std::vector<bool> one(nodes_);
  for (uint32_t i = 0; i <= nodes_; ++i) {
    one.assign(nodes_, false);
    if (i < nodes_) one[i] = true;
    const double goal = i < nodes_ ? optimum(job_, one) : job_.model.options.number("start");
    for (const double value : place) most = std::max(most, std::abs(goal - value));
  }
  return most;
}

double Hunt::tolerance(const Run& run, const std::vector<double>& place) const {
  const bool late = 2 * run.round_at_end > plan_.rounds;
  const double parts = kTimesSound * parted(sound_);
  // Who takes part in a round is drawn, and drawn otherwise where another hub takes over.
  const auto& options = job_.algorithm.options.values();
  const bool sampled = options.contains("participants") &&
                       job_.algorithm.options.integer("participants") % nodes_ > 0;
  // Of a star that goes on one side of a partition gives its rounds up, and rules whose steps have
  // a bounded length (signs, Adam) do not make up for them.
  const bool views = plan_.goes_on && plan_.algorithm->needs.star;
  // Over one-way edges whoever has lost some weighs itself more.
  const bool one_way = plan_.goes_on && !plan_.graph->undirected();
  if (late || sampled || views || one_way || !plan_.algorithm->synchronous)
    return kAnyPlace * furthest_goal(place) + parts;
  return kPlace * spread() + parts;
}

// Where those who are alive are to be in the end: the optimum of these. Gossip by itself has none,
// and goes to some average of what they drew.
std::vector<double> Hunt::place_for(const SimulationResult& result) const {
  std::vector<double> place = mean_of(sound_);
  if (job_.algorithm.kind == "consensus") {
    const std::vector<double> mean = mean_of(result, result.finished);
    const double most = kMostDrawn * job_.algorithm.options.number("spread");
    for (size_t j = 0; j < place.size(); ++j) {
      if (std::abs(mean[j] - place[j]) <= most) place[j] = mean[j];
    }
    return place;
  }
  const double shift =
      optimum(job_, result.finished) - optimum(job_, std::vector<bool>(nodes_, true));
  for (double& value : place) value += shift;
  return place;
}

Finding Hunt::judge_place(const Run& run) const {
  const std::vector<double> place = place_for(run.result);
  const double tolerance = this->tolerance(run, place);
  double most = 0;
  for (uint32_t i = 0; i < nodes_; ++i) {
    if (!run.result.finished[i]) continue;
    const double away = furthest(run.result.parameters[i].floats(), place);
    most = std::max(most, away);
    if (away <= tolerance) continue;
    return {Kind::kWrong, "node " + std::to_string(i) + " ends " + text(away) +
                              " from the optimum of those who are alive, more than " +
                              text(tolerance)};
  }
  return {Kind::kNone, text(most) + " from the optimum, of " + text(tolerance)};
}

Finding Hunt::judge_loss(const Run& run) const {
  const auto mean = [](const std::vector<double>& loss) {
    return std::accumulate(loss.begin(), loss.end(), 0.0) / static_cast<double>(loss.size());
  };
  const double loss = mean(run.result.loss);
  const double tolerance = (1 + kLoss) * mean(sound_.loss) + kLoss * 0.1;
  if (loss <= tolerance) return {Kind::kNone, "loss " + text(loss) + ", of " + text(tolerance)};
  return {Kind::kWrong, "the loss ends at " + text(loss) + ", more than " + text(tolerance)};
}

}  // namespace kith::chaos
