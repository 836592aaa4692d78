// What holds for every rule of [aggregate] with every algorithm that brings vectors together.
#include <gtest/gtest.h>

#include <cmath>

#include "protocol/aggregate.h"
#include "tests/support/simulate.h"

namespace kith {
namespace {

constexpr uint32_t kNodes = 7;

const std::string kJob = R"(
[job]
seed = 5
[model]
kind = "quadratic"
replicas = 200
offsets = "index"
noise = 0.5
[train]
learning_rate = 0.05
[stop]
rounds = 20
)";

using Keys = std::vector<std::string>;

Keys with(Keys keys, const Keys& more) {
  keys.insert(keys.end(), more.begin(), more.end());
  return keys;
}

// Each algorithm that takes a rule, and the forms of D-PSGD.
std::vector<Keys> places() {
  std::vector<Keys> all;
  for (const AlgorithmInfo* info : all_algorithms()) {
    if (info->aggregates == Aggregates::kNothing) continue;
    Keys keys = {std::string("algorithm.kind=\"") + info->name + '"',
                 info->needs.star ? "topology.graph=star" : "topology.graph=complete"};
    if (has_option(*info, "weighting")) keys.push_back("algorithm.weighting=equal");
    if (info->needs.star && has_option(*info, "local_steps")) {
      keys.push_back("algorithm.local_steps=3");
    }
    all.push_back(keys);
  }
  const Keys dpsgd = {"algorithm.kind=dpsgd", "topology.graph=random-regular", "topology.degree=4"};
  for (const Keys& more :
       {Keys{}, Keys{"algorithm.order=cta"}, Keys{"algorithm.gamma=0.5"},
        Keys{"codec.kind=qsgd:15"}, Keys{"codec.kind=bf16", "algorithm.order=cta"},
        Keys{"codec.kind=top-k:0.3", "codec.memory=error-feedback", "algorithm.gamma=0.3"}}) {
    all.push_back(with(dpsgd, more));
  }
  return all;
}

std::string text(const Keys& keys) {
  std::string text;
  for (const std::string& key : keys) text += key + " ";
  return text;
}

bool fits(const Keys& keys) {
  try {
    validate(parse_job(kJob, keys), kNodes);
  } catch (const OperatorError&) {
    return false;
  }
  return true;
}

double size_of(const SimulationResult& result) {
  double most = 0;
  for (const SharedBuffer& x : result.parameters) {
    for (const float value : x.floats()) most = std::max(most, std::abs(double{value}));
  }
  return most;
}

// Rules that do not look at weights are the mean where all weights are equal: at a hub, and on a
// regular graph with equal weights.
TEST(EveryRule, IsTheMeanWhereItDefendsAgainstNothing) {
  const std::vector<Keys> limits = {
      {"aggregate.kind=trimmed-mean", "aggregate.byzantine=0"},
      {"aggregate.kind=multi-krum", "aggregate.byzantine=0", "aggregate.select=1000"},
      {"aggregate.kind=centred-clipping", "aggregate.radius=1e30"},
      {"aggregate.kind=norm-clipping", "aggregate.radius=1e30"}};
  size_t ran = 0;
  for (const Keys& place : places()) {
    const bool graph = place[0].find("dpsgd") != std::string::npos;
    const Keys keys = graph ? with(place, {"topology.weights=uniform"}) : place;
    const SimulationResult mean = simulate_text(kJob, kNodes, keys);
    for (const Keys& limit : limits) {
      if (!fits(with(keys, limit))) continue;
      SCOPED_TRACE(text(with(keys, limit)));
      const SimulationResult result = simulate_text(kJob, kNodes, with(keys, limit));
      // A rounding can move a value over the edge of a coarse codec's level.
      const bool coarse = text(keys).find("codec") != std::string::npos;
      EXPECT_LT(furthest(mean, result), (coarse ? 0.05 : 1e-4) * size_of(mean));
      ++ran;
    }
  }
  EXPECT_GT(ran, 40u);
}

TEST(EveryRule, EndsWithTheSameBitsWhateverTheDelaysLossesAndThreads) {
  const char* kinds[] = {"noise:3", "sign-flip:2", "huge:3"};
  size_t next = 0;
  for (const Keys& place : places()) {
    for (const AggregateInfo* rule : all_aggregates()) {
      Keys keys = with(place, {std::string("aggregate.kind=") + rule->name, "adversary.count=2",
                               std::string("adversary.kind=") + kinds[next++ % 3]});
      if (!fits(keys)) keys.back() = "adversary.kind=noise:3";  // without a step in what is sent
      if (!fits(keys) || text(keys).find("adacomm") != std::string::npos) continue;
      SCOPED_TRACE(text(keys));
      SimulationSettings one;
      one.threads = 1;
      const SimulationResult reference = simulate_text(kJob, kNodes, keys, one);
      SimulationSettings three;
      three.threads = 3;
      EXPECT_TRUE(same_parameters(
          reference, simulate_text(kJob, kNodes,
                                   with(keys, {"delays.compute=\"exponential:0.02\"",
                                               "delays.latency_ms=5", "delays.loss=0.1"}),
                                   three)));
    }
  }
}

// Of every rule that stands one bad vector of so many.
TEST(EveryRule, LeavesNanOutAndEnds) {
  for (const Keys& place : places()) {
    if (text(place).find("qsgd") != std::string::npos) continue;
    for (const AggregateInfo* rule : all_aggregates()) {
      const Keys keys = with(place, {std::string("aggregate.kind=") + rule->name,
                                     "adversary.kind=\"nan\"", "adversary.count=1"});
      if (rule->make == nullptr || !fits(keys)) continue;
      SCOPED_TRACE(text(keys));
      for (const Keys& more : {Keys{}, Keys{"delays.loss=0.2"}}) {
        const SimulationResult result = simulate_text(kJob, kNodes, with(keys, more));
        EXPECT_FALSE(result.diverged);
        EXPECT_EQ(result.rounds, 20u);
        uint64_t left_out = 0;
        for (const NodeCounters& counters : result.counters) {
          left_out += counters.refused[static_cast<size_t>(Reason::kLeftOut)];
        }
        EXPECT_GE(left_out, 20u);
      }
    }
  }
}

}  // namespace
}  // namespace kith
