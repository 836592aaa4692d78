#include "daemon/sim/chaos/sums.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>

#include "protocol/archive.h"

namespace kith::chaos {

namespace {

// Of sums that are rounded anew in each of a thousand rounds, relative to the largest value.
constexpr double kZeroTolerance = 2e-3;
// Of one step of the mean, in floats.
constexpr double kMeanTolerance = 3e-5;
constexpr double kWeightTolerance = 1e-6;

struct Zero {
  const char* algorithm;
  const char* name;
  // K-GT divides by the length of its steps, and so does what is rounded (algorithm/k_gt.cc).
  double least_rate = 0;  // of the first
};

constexpr std::array kZeros = {
    Zero{"gradient-tracking", "algorithm.rest"},
    Zero{"beer", "algorithm.rest"},
    Zero{"k-gt", "algorithm.correction", 0.5},
    Zero{"extra", "algorithm.differences"},
    Zero{"d2", "algorithm.moved"},
};

constexpr std::array kPushSum = {"sgp", "osgp"};

// Whose steps are those of plain SGD, averaged with doubly stochastic weights and nothing else.
constexpr std::array kPlainMean = {"dpsgd", "choco-sgd", "matcha", "d2",
                                   "extra", "beer",      "k-gt",   "gradient-tracking"};

bool one_of(const auto& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

std::optional<MeanRule> mean_rule_of(const Plan& plan) {
  const Job& job = plan.job;
  if (job.algorithm.kind == "consensus") return MeanRule{.moves = false};
  if (!one_of(kPlainMean, job.algorithm.kind) || job.model.kind != "quadratic") return std::nullopt;
  const Options& model = job.model.options;
  const std::vector<double>& offsets = model.numbers("offset");
  const bool exact = model.number("noise") == 0 && model.number("slope_noise") == 0 &&
                     model.numbers("curvature") == std::vector<double>{1} &&
                     model.text("offsets") == "same" && offsets.size() == plan.nodes;
  if (!exact || !job.train.optimizer.plain() || job.aggregate.kind != "mean" ||
      job.adversary.kind != "none") {
    return std::nullopt;
  }
  return MeanRule{std::accumulate(offsets.begin(), offsets.end(), 0.0) / plan.nodes};
}

double largest(std::span<const float> values) {
  double most = 0;
  for (const float value : values) most = std::max(most, std::abs(static_cast<double>(value)));
  return most;
}

double number_in(const Archive& archive, const std::string& name) {
  const auto found = archive.words.find(name);
  return found == archive.words.end() || found->second.empty()
             ? std::nan("")
             : std::bit_cast<double>(found->second[0]);
}

}  // namespace

SumRules sum_rules_of(const Plan& plan) {
  SumRules rules;
  rules.optimizer = plan.job.train.optimizer;
  rules.total_batches = plan.total_batches;
  rules.batches_per_round = static_cast<uint64_t>(batches_per_round(plan.job, plan.nodes, 0));
  for (const Zero& zero : kZeros) {
    if (plan.job.algorithm.kind != zero.algorithm) continue;
    rules.zero = zero.name;
    rules.least_rate = zero.least_rate * static_cast<double>(rules.optimizer.learning_rate);
  }
  if (one_of(kPushSum, plan.job.algorithm.kind)) {
    rules.weights = plan.graph.get();
    const auto rounds_late = plan.algorithm->rounds_late;
    if (rounds_late != nullptr) rules.late = rounds_late(plan.job.algorithm.options);
  }
  rules.mean = mean_rule_of(plan);
  return rules;
}

std::string Sums::add(NodeId node, const Checkpoint& checkpoint) {
  if (!rules_.any()) return "";
  Cut& cut = open_[checkpoint.round];
  cut.resize(nodes_);
  cut[index_of(node)] = checkpoint.state;
  if (!std::ranges::all_of(cut, [](const auto& state) { return state != nullptr; })) return "";
  const Round round = checkpoint.round;
  ++cuts_;
  std::string wrong = check_zero(round, cut);
  if (wrong.empty()) wrong = check_weights(round, cut);
  if (wrong.empty()) wrong = check_mean(round, cut);
  open_.erase(open_.begin(), open_.upper_bound(round));
  return wrong;
}

std::string Sums::check_zero(Round round, const Cut& cut) const {
  if (rules_.zero == nullptr) return "";
  const double rate = static_cast<double>(
      rules_.optimizer.rate_at(round * rules_.batches_per_round, rules_.total_batches));
  if (rate < rules_.least_rate) return "";
  std::vector<double> sum;
  double most = 1;
  for (const auto& state : cut) {
    const auto found = state->vectors.find(rules_.zero);
    if (found == state->vectors.end()) {
      return std::string("a state without ") + rules_.zero;
    }
    const std::span<const float> values = found->second.floats();
    sum.resize(values.size());
    most = std::max({most, largest(values), largest(state->vectors.at("parameters").floats())});
    for (size_t j = 0; j < values.size(); ++j) sum[j] += static_cast<double>(values[j]);
  }
  for (const double each : sum) {
    if (std::abs(each / nodes_) <= kZeroTolerance * most) continue;
    return std::string("the mean of ") + rules_.zero + " is " + std::to_string(each / nodes_) +
           ", and must be 0";
  }
  return "";
}

std::string Sums::check_weights(Round round, const Cut& cut) const {
  if (rules_.weights == nullptr) return "";
  double sum = 0;
  std::vector<NodeId> hearers;
  for (uint32_t i = 0; i < nodes_; ++i) {
    const Archive& state = *cut[i];
    sum += number_in(state, "algorithm.w");
    const uint64_t sent = state.words.at("algorithm.sent")[0];
    for (uint64_t k = 0; k < sent; ++k) {
      hearers.clear();
      rules_.weights->out(NodeId{i}, round - sent + k, hearers);
      sum += static_cast<double>(hearers.size()) *
             number_in(state, "algorithm.scalar." + std::to_string(k));
    }
    hearers.clear();
    rules_.weights->out(NodeId{i}, 0, hearers);
    // As if sent before the first round (gossip/push_sum.h).
    const auto degree = static_cast<double>(hearers.size());
    const double told = degree / (1 + degree);
    const auto late = static_cast<double>(rules_.late);
    sum += static_cast<double>(rules_.late - std::min<Round>(rules_.late, sent)) * told /
           (1 + late * told);
  }
  if (std::abs(sum - nodes_) <= kWeightTolerance * nodes_) return "";
  return "push-sum's weights sum to " + std::to_string(sum) + ", and must to " +
         std::to_string(nodes_);
}

std::string Sums::check_mean(Round round, const Cut& cut) {
  if (!rules_.mean) return "";
  std::vector<double> mean;
  double most = 1;
  for (const auto& state : cut) {
    const std::span<const float> x = state->vectors.at("parameters").floats();
    mean.resize(x.size());
    most = std::max(most, largest(x));
    for (size_t j = 0; j < x.size(); ++j) mean[j] += static_cast<double>(x[j]) / nodes_;
  }
  const bool follows = !mean_.empty() && last_ < round;
  double left = 1;  // of the distance to the mean offset
  const MeanRule& rule = *rules_.mean;
  const uint64_t first = last_ * rules_.batches_per_round;
  const uint64_t end = round * rules_.batches_per_round;
  for (uint64_t k = first; follows && rule.moves && k < end; ++k) {
    left *= 1 - static_cast<double>(rules_.optimizer.rate_at(k, rules_.total_batches));
  }
  std::string wrong;
  for (size_t j = 0; follows && j < mean.size() && wrong.empty(); ++j) {
    const double expected = rule.offset + left * (mean_[j] - rule.offset);
    const double tolerance = kMeanTolerance * most * static_cast<double>(round - last_);
    if (std::abs(mean[j] - expected) <= tolerance) continue;
    wrong = "the mean of all models is " + std::to_string(mean[j]) + ", and its steps lead to " +
            std::to_string(expected);
  }
  mean_ = std::move(mean);
  last_ = round;
  return wrong;
}

}  // namespace kith::chaos
