// Bad peers on pictures: two of ten nodes lie, the mean is wrecked, and every rule stays within
// three points of the run without them (Blanchard et al. 2017; Yin et al. 2018; Karimireddy, He,
// Jaggi 2021; He, Karimireddy, Jaggi 2022). Everything is a function of the seed, so there is no
// tolerance but the three points.
#include <gtest/gtest.h>

#include <map>

#include "protocol/aggregate.h"
#include "tests/support/simulate.h"

namespace kith {
namespace {

constexpr uint32_t kNodes = 10;
constexpr double kWithin = 0.03;       // of the accuracy without bad nodes
constexpr double kWorstWithin = 0.05;  // the same of the worst node over a graph: models differ
constexpr double kWrecked = 0.35;      // guessing gives 0.1

const std::string kJob = R"(
[job]
seed = 3
[model]
kind = "mlp"
hidden = 32
[data]
source = "fashion-mnist"
[train]
batch = 32
learning_rate = 0.1
[report]
every = 1000
[stop]
rounds = 200
)";

// What each algorithm is on: a star, or a graph in which every node has six neighbours.
const std::vector<std::string> kSync = {"algorithm.kind=sync", "topology.graph=star"};
const std::vector<std::string> kLocal = {"algorithm.kind=local-sgd", "topology.graph=star",
                                         "algorithm.local_steps=5", "stop.rounds=60"};
const std::vector<std::string> kFederated = {"algorithm.kind=fedavg", "algorithm.weighting=equal",
                                             "topology.graph=star",   "algorithm.local_steps=5",
                                             "stop.rounds=60",        "train.learning_rate=0.02",
                                             "train.momentum=0.9"};
const std::vector<std::string> kGossip = {"algorithm.kind=dpsgd", "topology.graph=random-regular",
                                          "topology.degree=6", "stop.rounds=600"};

const std::vector<std::string> kAttacks = {"sign-flip:10", "huge:1000", "noise:10", "\"nan\""};

const DataSets& pictures() {
  static const DataSets data = load_data(parse_job(kJob).data, 3);
  return data;
}

struct Outcome {
  bool diverged = false;
  double accuracy = 0;    // of the average of all nodes' models
  double worst = 1;       // of one node's
  uint64_t left_out = 0;  // vectors with NaN
};

Outcome train(std::vector<std::string> setting, const std::vector<std::string>& more) {
  setting.insert(setting.end(), more.begin(), more.end());
  const Job job = parse_job(kJob, setting);
  const auto& [train, test] = pictures();
  const std::unique_ptr<Model> model =
      model_info(job.model.kind).make(train->shape(), kNodes, job.model.options);
  SimulationSettings settings;
  settings.average_in_reports = false;
  const SimulationResult result = simulate(job, kNodes, *model, train, settings);
  Outcome outcome{.diverged = result.diverged};
  for (const NodeCounters& counters : result.counters) {
    outcome.left_out += counters.refused[static_cast<size_t>(Reason::kLeftOut)];
  }
  if (result.diverged) return outcome;
  Workspace workspace;
  const auto judge = [&](std::span<const float> x) {
    return evaluate(*model, *test, x, workspace).accuracy;
  };
  const std::vector<double> mean = average_of(result);
  outcome.accuracy = judge(std::vector<float>(mean.begin(), mean.end()));
  // With a hub all nodes have one model.
  const bool central = algorithm_info(job.algorithm.kind).central;
  for (uint32_t i = 0; i < (central ? 1 : kNodes); ++i) {
    outcome.worst = std::min(outcome.worst, judge(result.parameters[i].floats()));
  }
  return outcome;
}

// Without bad nodes.
Outcome train_once(const std::vector<std::string>& setting) {
  static std::map<std::vector<std::string>, Outcome> trained;
  const auto [place, fresh] = trained.try_emplace(setting);
  if (fresh) place->second = train(setting, {});
  return place->second;
}

std::vector<std::string> bad(const std::string& attack) {
  return {"adversary.kind=" + attack, "adversary.count=2"};
}

void expect_defence(const std::vector<std::string>& setting, const std::string& rule,
                    const std::vector<std::string>& options) {
  const Outcome clean = train_once(setting);
  EXPECT_GT(clean.accuracy, 0.75);
  for (const std::string& attack : kAttacks) {
    std::vector<std::string> more = bad(attack);
    more.push_back("aggregate.kind=" + rule);
    more.insert(more.end(), options.begin(), options.end());
    const Outcome outcome = train(setting, more);
    std::printf("%-12s %-17s %-13s %.2f %% (worst %.2f %%), without bad nodes %.2f %%\n",
                setting[0].substr(15).c_str(), rule.c_str(), attack.c_str(), 100 * outcome.accuracy,
                100 * outcome.worst, 100 * clean.accuracy);
    EXPECT_FALSE(outcome.diverged) << attack;
    EXPECT_GT(outcome.accuracy, clean.accuracy - kWithin) << attack;
    EXPECT_GT(outcome.worst, clean.worst - kWorstWithin) << attack;
    EXPECT_EQ(outcome.left_out > 0, attack == kAttacks.back());
  }
}

void expect_wreck(const std::vector<std::string>& setting) {
  for (const std::string& attack : kAttacks) {
    const Outcome outcome = train(setting, bad(attack));
    std::printf("%-12s %-17s %-13s %s %.2f %%\n", setting[0].substr(15).c_str(), "mean",
                attack.c_str(), outcome.diverged ? "diverged" : "ends at", 100 * outcome.accuracy);
    EXPECT_TRUE(outcome.diverged || outcome.accuracy < kWrecked) << attack;
  }
}

struct Rule {
  std::string kind;
  std::vector<std::string> options;
};

const std::vector<Rule> kRules = {
    {"median", {}},
    {"trimmed-mean", {"aggregate.byzantine=2"}},
    {"krum", {"aggregate.byzantine=2"}},
    {"multi-krum", {"aggregate.byzantine=2"}},
    {"centred-clipping", {}},
    {"norm-clipping", {}},
};

TEST(Mean, IsWreckedByTwoOfTen) {
  expect_wreck(kSync);
  expect_wreck(kLocal);
  expect_wreck(kFederated);
  expect_wreck(kGossip);
}

std::string name_of(const testing::TestParamInfo<Rule>& info) {
  std::string name = info.param.kind;
  std::erase(name, '-');
  return name;
}

std::vector<Rule> rules_of_models() {
  std::vector<Rule> rules = kRules;
  std::erase_if(rules, [](const Rule& rule) { return !aggregate_info(rule.kind).of_models; });
  return rules;
}

class AtAHub : public testing::TestWithParam<Rule> {};
INSTANTIATE_TEST_SUITE_P(Rules, AtAHub, testing::ValuesIn(kRules), name_of);

TEST_P(AtAHub, TwoOfTenDoNoHarmToGradients) {
  expect_defence(kSync, GetParam().kind, GetParam().options);
}

TEST_P(AtAHub, TwoOfTenDoNoHarmToLocalSteps) {
  expect_defence(kLocal, GetParam().kind, GetParam().options);
  expect_defence(kFederated, GetParam().kind, GetParam().options);
}

class OverAGraph : public testing::TestWithParam<Rule> {};
INSTANTIATE_TEST_SUITE_P(Rules, OverAGraph, testing::ValuesIn(rules_of_models()), name_of);

TEST_P(OverAGraph, TwoOfTenDoNoHarm) {
  expect_defence(kGossip, GetParam().kind, GetParam().options);
}

}  // namespace
}  // namespace kith
