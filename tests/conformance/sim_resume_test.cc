// A run that breaks off and goes on from what its nodes have kept, for every algorithm.
#include <gtest/gtest.h>

#include <map>

#include "protocol/aggregate.h"
#include "protocol/algorithm.h"
#include "tests/support/simulate.h"
#include "topology/error.h"

namespace kith {
namespace {

constexpr uint32_t kNodes = 5;
constexpr Round kRounds = 24;
constexpr Round kEvery = 4;

const std::string kJob = R"(
[job]
seed = 11
[model]
kind = "quadratic"
replicas = 200
offsets = "index"
noise = 0.5
[train]
learning_rate = 0.02
momentum = 0.9
schedule = "cosine"
[delays]
compute = "exponential:0.01"
latency_ms = 3
[checkpoint]
every = 4
[stop]
rounds = 24
)";

std::vector<std::string> keys_of(const AlgorithmInfo& info) {
  std::vector<std::string> keys = {codec_key(info),
                                   std::string("algorithm.kind=\"") + info.name + '"'};
  keys.push_back(std::string("topology.graph=\"") + (info.needs.star ? "star" : "ring") + '"');
  for (const OptionSpec& spec : info.options) {
    if (spec.key == std::string("local_steps")) keys.push_back("algorithm.local_steps=4");
    if (spec.key == std::string("fragments")) keys.push_back("algorithm.fragments=2");
  }
  try {
    validate(parse_job(kJob, keys), kNodes);
  } catch (const OperatorError&) {
    keys.push_back("train.momentum=0");  // some have their own, or take none
  }
  return keys;
}

// What a node has kept, by the round that it is the beginning of.
using Kept = std::vector<std::map<Round, Checkpoint>>;

SimulationSettings keeping(Kept& kept, uint32_t nodes = kNodes) {
  kept.resize(nodes);
  SimulationSettings settings;
  settings.threads = 1;
  settings.on_checkpoint = [&kept](NodeId node, Checkpoint&& checkpoint) {
    const Round round = checkpoint.round;
    kept[index_of(node)].insert_or_assign(round, std::move(checkpoint));
  };
  return settings;
}

// Of each node the newest that serves for `round`; empty where one has none.
std::vector<std::shared_ptr<Archive>> serving(const Kept& kept, Round round, Pool& pool) {
  std::vector<std::shared_ptr<Archive>> archives;
  for (const auto& of_node : kept) {
    const Checkpoint* best = nullptr;
    for (const auto& [at, checkpoint] : of_node) {
      if (checkpoint.serves(round)) best = &checkpoint;
    }
    if (best == nullptr) return {};
    archives.push_back(std::make_shared<Archive>(Archive::Direction::kRead, 200, pool));
    archives.back()->words = best->state->words;
    archives.back()->vectors = best->state->vectors;
  }
  return archives;
}

SimulationResult go_on(const std::string& job, const std::vector<std::string>& keys,
                       const Kept& kept, Round round, Pool& pool) {
  SimulationSettings settings;
  settings.threads = 1;
  settings.resume = serving(kept, round, pool);
  const auto nodes = static_cast<uint32_t>(kept.size());
  EXPECT_EQ(settings.resume.size(), nodes) << "round " << round;
  return simulate_text(job, nodes, keys, settings);
}

// ARCHITECTURE 5: checkpoints hold all of it, and resume is bit-exact in the simulator.
void expect_exact_resume(const std::vector<std::string>& keys, const std::string& job = kJob,
                         uint32_t nodes = kNodes) {
  Kept kept;
  const SimulationResult whole = simulate_text(job, nodes, keys, keeping(kept, nodes));
  EXPECT_EQ(whole.rounds, kRounds);
  Pool pool;
  for (Round round = kEvery; round < kRounds; round += kEvery) {
    const SimulationResult resumed = go_on(job, keys, kept, round, pool);
    EXPECT_TRUE(same_parameters(whole, resumed)) << "from round " << round;
    EXPECT_EQ(whole.measures.applied, resumed.measures.applied) << "from round " << round;
  }
}

TEST(EverySynchronousAlgorithm, GoesOnToTheSameBits) {
  for (const AlgorithmInfo* info : all_algorithms()) {
    if (!info->synchronous) continue;
    SCOPED_TRACE(info->name);
    expect_exact_resume(keys_of(*info));
  }
}

// What a rule remembers goes on as well; and what bad nodes send.
TEST(EveryRuleOfAggregation, GoesOnToTheSameBits) {
  for (const AggregateInfo* rule : all_aggregates()) {
    for (const std::string algorithm : {"sync", "local-sgd", "dpsgd"}) {
      const bool graph = algorithm == "dpsgd";
      if (graph && !rule->of_models) continue;
      SCOPED_TRACE(std::string(rule->name) + ", " + algorithm);
      expect_exact_resume({"algorithm.kind=" + algorithm,
                           graph ? "topology.graph=complete" : "topology.graph=star",
                           std::string("aggregate.kind=") + rule->name, "train.momentum=0.5",
                           "adversary.kind=noise:0.1", "adversary.count=1"});
    }
  }
}

TEST(EverySynchronousAlgorithm, GoesOnToTheSameBitsWithAnyMemory) {
  const std::vector<std::vector<std::string>> memories = {
      {"codec.kind=\"top-k:0.1\"", "codec.memory=error-feedback"},
      {"codec.kind=\"powersgd:1\"", "codec.memory=error-feedback", "codec.down=\"powersgd:1\""},
      {"codec.kind=\"sign\"", "codec.memory=ef21", "codec.momentum=0.5"},
      {"codec.kind=\"top-k:0.05 | int8\"", "codec.memory=dgc", "codec.momentum=0.5",
       "codec.warm_up=10", "train.momentum=0"}};
  size_t ran = 0;
  for (const AlgorithmInfo* info : all_algorithms()) {
    if (!info->synchronous) continue;
    for (const std::vector<std::string>& memory : memories) {
      std::vector<std::string> keys = keys_of(*info);
      keys.insert(keys.end(), memory.begin(), memory.end());
      try {
        validate(parse_job(kJob, keys), kNodes);
      } catch (const OperatorError&) {
        continue;
      }
      SCOPED_TRACE(std::string(info->name) + " with " + memory[0] + ", " + memory[1]);
      expect_exact_resume(keys);
      ++ran;
    }
  }
  EXPECT_GE(ran, 15u);
}

TEST(EverySynchronousAlgorithm, GoesOnToTheSameBitsWithACodedDownlink) {
  for (const AlgorithmInfo* info : all_algorithms()) {
    if (!info->codes_down) continue;
    SCOPED_TRACE(info->name);
    std::vector<std::string> keys = keys_of(*info);
    keys.insert(keys.end(), {"codec.kind=\"qsgd:15\"", "codec.down=\"top-k:0.1\""});
    expect_exact_resume(keys);
  }
}

// Edges one way, and others in each round; nodes are more than a round apart. At the end they
// gossip until they agree, which is not kept: it begins again from the last checkpoint of the
// training.
TEST(AnyGraph, GoesOnToTheSameBits) {
  const std::pair<const char*, const char*> pairs[] = {{"sgp", "directed-ring"},
                                                       {"sgp", "static-exponential"},
                                                       {"osgp", "static-exponential"},
                                                       {"dpsgd", "static-exponential"},
                                                       {"dpsgd", "one-peer-exponential"},
                                                       {"dpsgd", "base-k-plus-1"},
                                                       {"gradient-tracking", "complete"},
                                                       {"d2", "star"},
                                                       {"matcha", "ring"},
                                                       {"consensus", "ring"}};
  size_t with_consensus = 0;
  for (const auto& [algorithm, graph] : pairs) {
    SCOPED_TRACE(std::string(algorithm) + " on " + graph);
    std::vector<std::string> keys = keys_of(algorithm_info(algorithm));
    keys.push_back(std::string("topology.graph=") + graph);
    if (algorithm == std::string("d2")) keys.push_back("topology.weights=lazy-metropolis");
    expect_exact_resume(keys);
    keys.push_back("consensus.tolerance=0.01");
    try {
      validate(parse_job(kJob, keys), kNodes);
    } catch (const OperatorError&) {
      continue;
    }
    expect_exact_resume(keys);
    ++with_consensus;
  }
  EXPECT_GE(with_consensus, 5u);
}

// Of an even number of nodes the hub tells ties, and must tell them again.
// Copies of neighbours: of all, or for each edge that has been used.
TEST(CompressedGossip, GoesOnToTheSameBits) {
  for (const char* graph : {"ring", "star", "base-k-plus-1"}) {
    for (const char* algorithm : {"choco-sgd", "matcha", "beer"}) {
      const bool changes = graph == std::string("base-k-plus-1");
      if (changes && algorithm != std::string("choco-sgd")) continue;
      for (const char* codec : {"top-k:0.1", "powersgd:1"}) {
        SCOPED_TRACE(std::string(algorithm) + " on " + graph + " with " + codec);
        expect_exact_resume({std::string("algorithm.kind=") + algorithm,
                             std::string("topology.graph=") + graph,
                             std::string("codec.kind=") + codec});
      }
    }
  }
}

// checkpoint.seconds: nodes that each look at their own clock have rounds in common, no further
// apart than the job says and no closer than a quarter of it.
TEST(CheckpointsByTime, AreOfTheSameRoundsAndGoOnToTheSameBits) {
  constexpr Round kLong = 600;
  constexpr double kPause = 1;  // s, of virtual time: some forty rounds
  for (const std::string algorithm : {"dpsgd", "local-sgd", "choco-sgd"}) {
    SCOPED_TRACE(algorithm);
    const std::vector<std::string> keys = {
        "algorithm.kind=" + algorithm,
        std::string("topology.graph=") + (algorithm == "local-sgd" ? "star" : "ring"),
        "checkpoint.every=0", "checkpoint.seconds=1", "stop.rounds=600"};
    Kept kept;
    const SimulationResult whole = simulate_text(kJob, kNodes, keys, keeping(kept));
    ASSERT_EQ(whole.rounds, kLong);
    Pool pool;
    std::vector<Round> common;
    std::vector<double> times = {0};
    for (const auto& [round, checkpoint] : kept[0]) {
      EXPECT_EQ(round % checkpoint.every, 0u);
      EXPECT_EQ(checkpoint.every & (checkpoint.every - 1), 0u);
      if (serving(kept, round, pool).empty()) continue;
      common.push_back(round);
      times.push_back(1e-9 * static_cast<double>(checkpoint.state->words.at("time")[0]));
    }
    ASSERT_GE(common.size(), 5u);
    for (size_t i = 1; i < times.size(); ++i) {
      EXPECT_LE(times[i] - times[i - 1], 1.5 * kPause);
      EXPECT_GE(times[i] - times[i - 1], kPause / 4);
    }
    for (const Round round : {common.front(), common.back()}) {
      EXPECT_TRUE(same_parameters(whole, go_on(kJob, keys, kept, round, pool))) << round;
    }
  }
}

TEST(SignSgd, GoesOnToTheSameBitsWithTiesAndMomentum) {
  std::vector<std::string> keys = keys_of(algorithm_info("signsgd"));
  keys.insert(keys.end(), {"algorithm.ties=\"zero\"", "algorithm.beta=0.9"});
  expect_exact_resume(keys, kJob, 4);
}

std::vector<std::string> sampled_keys(const char* algorithm) {
  std::vector<std::string> keys = keys_of(algorithm_info(algorithm));
  keys.insert(keys.end(), {"algorithm.participants=2", "algorithm.local_steps=[2,3,4,5,6]"});
  return keys;
}

// A node has one state for all rounds up to its next one, those before its first included.
TEST(SampledRounds, GoOnToTheSameBits) {
  for (const char* name : {"fedavg", "fedprox", "scaffold", "fednova", "fedopt"}) {
    SCOPED_TRACE(name);
    expect_exact_resume(sampled_keys(name));
  }
}

// A disk that is slower than the rounds has missed some of the states of a node: an older one is
// not taken in the place of one of these, which would give other bits without a word.
TEST(SampledRounds, WhatADiskHasMissedIsNotReplaced) {
  std::vector<std::string> keys = sampled_keys("scaffold");
  keys.insert(keys.end(), {"checkpoint.every=2", "stop.rounds=80"});
  Kept kept;
  const SimulationResult whole = simulate_text(kJob, kNodes, keys, keeping(kept));
  uint32_t missed = 0;
  std::erase_if(kept[1], [&missed](const auto&) { return missed++ % 2 == 1; });
  ASSERT_GE(missed, 10u);
  Pool pool;
  uint32_t without = 0;
  uint32_t resumptions = 0;
  for (Round round = 2; round < 80; round += 2) {
    if (serving(kept, round, pool).empty()) {
      ++without;
      continue;
    }
    EXPECT_TRUE(same_parameters(whole, go_on(kJob, keys, kept, round, pool))) << round;
    ++resumptions;
  }
  EXPECT_GE(without, 10u);
  EXPECT_GE(resumptions, 10u);
}

// The learner's own state: the optimiser's moments, and the snapshot of SVRG.
TEST(LocalSteps, GoOnToTheSameBitsWithAdamWAndWithSvrg) {
  std::vector<std::string> adamw = keys_of(algorithm_info("diloco"));
  std::vector<std::string> svrg = adamw;
  adamw.insert(adamw.end(), {"train.optimizer=\"adamw\"", "train.learning_rate=0.01"});
  svrg.insert(svrg.end(), {"train.variance_reduction=\"svrg\"", "train.svrg_period=7"});
  expect_exact_resume(svrg);
  const std::string without_momentum =
      std::string(kJob).replace(kJob.find("momentum = 0.9\n"), 15, "");
  expect_exact_resume(adamw, without_momentum);
}

// The others depend on time; they come to their end from wherever they were broken off, having
// lost no more than the rounds since then, and time goes on.
TEST(EveryAsynchronousAlgorithm, GoesOnFromWhatItsHubHasKept) {
  for (const AlgorithmInfo* info : all_algorithms()) {
    if (info->synchronous) continue;
    SCOPED_TRACE(info->name);
    const std::vector<std::string> keys = keys_of(*info);
    Kept kept;
    const SimulationResult whole = simulate_text(kJob, kNodes, keys, keeping(kept));
    Pool pool;
    uint32_t resumptions = 0;
    for (Round round = kEvery; round < kRounds; round += kEvery) {
      ASSERT_TRUE(kept[0].contains(round));
      if (serving(kept, round, pool).empty()) continue;  // a slow node has not contributed yet
      const SimulationResult resumed = go_on(kJob, keys, kept, round, pool);
      EXPECT_EQ(resumed.rounds, kRounds);
      EXPECT_FALSE(resumed.diverged);
      const auto kept_at = static_cast<int64_t>(kept[0].at(round).state->words.at("time")[0]);
      EXPECT_GT(resumed.end.time_since_epoch().count(), kept_at);
      ++resumptions;
    }
    EXPECT_GT(resumptions, 0u);
  }
}

}  // namespace
}  // namespace kith
