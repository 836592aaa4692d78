// Error feedback loses nothing, for every codec and chain, whatever the links do (ALGORITHMS 2C):
// the sum of what was sent plus what remains is the sum of what was given. On a problem without
// curvature gradients do not depend on x, so the virtual iterate x - eta mean_i e_i of a coded run
// is the x of the run without a codec, to float rounding.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "protocol/algorithm.h"
#include "tests/codec_specs.h"
#include "tests/support/simulate.h"
#include "topology/error.h"

namespace kith {
namespace {

constexpr uint32_t kNodes = 5;
constexpr size_t kValues = 300;
constexpr double kRate = 0.1;

const std::string kJob = R"(
[job]
seed = 31
[model]
kind = "quadratic"
replicas = 300
curvature = [0]
noise = 1.0
[train]
learning_rate = 0.1
[algorithm]
kind = "sync"
[topology]
graph = "star"
[delays]
compute = "exponential:0.01"
latency_ms = 1
[checkpoint]
every = 1
[stop]
rounds = 40
)";

// Lost and overtaking messages; most of a message's 200 ms is chance.
const std::vector<std::string> kBadLinks = {"delays.loss=0.15", "delays.jitter=\"uniform:0:0.2\""};

// What each node has kept last: all of the same round.
std::vector<std::shared_ptr<Archive>> last_of(std::vector<std::string> keys) {
  std::vector<std::map<Round, std::shared_ptr<Archive>>> kept(kNodes);
  SimulationSettings settings;
  settings.threads = 1;
  settings.on_checkpoint = [&kept](NodeId node, Checkpoint&& checkpoint) {
    kept[index_of(node)][checkpoint.round] = std::move(checkpoint.state);
  };
  const SimulationResult result = simulate_text(kJob, kNodes, keys, settings);
  EXPECT_FALSE(result.diverged);
  std::vector<std::shared_ptr<Archive>> last;
  for (const auto& of_node : kept) {
    EXPECT_EQ(of_node.rbegin()->first, 39u);
    last.push_back(of_node.rbegin()->second);
  }
  return last;
}

std::vector<std::string> with(std::vector<std::string> keys, const std::string& codec) {
  keys.push_back("codec.kind=\"" + codec + "\"");
  keys.push_back("codec.memory=error-feedback");
  return keys;
}

TEST(ErrorFeedback, LosesNothingWhateverTheCodecAndTheLinks) {
  const SharedBuffer plain = last_of({})[0]->vectors.at("parameters");
  size_t coded = 0;
  for (const std::string& codec : test::every_codec()) {
    if (make_codec(codec)->decodes_jointly()) continue;  // takes no memory
    for (const bool bad_links : {false, true}) {
      SCOPED_TRACE(codec + (bad_links ? " over bad links" : ""));
      const auto last = last_of(with(bad_links ? kBadLinks : std::vector<std::string>{}, codec));
      std::vector<double> virtual_x(kValues);
      const SharedBuffer x = last[0]->vectors.at("parameters");
      for (size_t j = 0; j < kValues; ++j) virtual_x[j] = x.floats()[j];
      bool remembers = false;
      for (const auto& node : last) {
        const auto memory = node->vectors.find("algorithm.compressor.memory");
        if (memory == node->vectors.end()) continue;
        remembers = true;
        for (size_t j = 0; j < kValues; ++j) {
          virtual_x[j] -= kRate / kNodes * memory->second.floats()[j];
        }
      }
      EXPECT_EQ(remembers, !make_codec(codec)->lossless());
      // 40 rounds of values of some size 1: sums of 40 roundings of 6e-8, and those of the memory.
      for (size_t j = 0; j < kValues; ++j) ASSERT_NEAR(virtual_x[j], plain.floats()[j], 2e-5) << j;
      ++coded;
    }
  }
  EXPECT_GE(coded, 80u);
}

// ALGORITHMS 2C: the hub's h is the mean of all h_i, whatever got lost or overtaken on the way.
TEST(Ef21, TheHubKnowsTheMeanOfAllEstimates) {
  for (const char* codec : {"top-k:0.1", "qsgd:7", "sign", "top-k:0.1 | int8", "powersgd:1"}) {
    SCOPED_TRACE(codec);
    std::vector<std::string> keys = kBadLinks;
    keys.insert(keys.end(), {std::string("codec.kind=\"") + codec + '"', "codec.memory=ef21",
                             "codec.momentum=0.5", "model.curvature=[1]"});
    const auto last = last_of(keys);
    const SharedBuffer mean = last[0]->vectors.at("algorithm.estimate");
    for (size_t j = 0; j < kValues; ++j) {
      double expected = 0;
      for (const auto& node : last) {
        expected += double{node->vectors.at("algorithm.compressor.memory").floats()[j]} / kNodes;
      }
      ASSERT_NEAR(expected, mean.floats()[j], 1e-5);
    }
  }
}

// Of nodes with different optima: gradients do not vanish at the common one, so what is left out of
// them has to be remembered (Richtarik, Sokolov, Fatkhullin 2021). Without noise EF21 converges to
// it at a constant step, linearly; the codec alone stays where it cannot hear of anything else.
TEST(Ef21, ConvergesWhereTheCodecAloneDoesNot) {
  std::vector<std::string> keys = {
      "checkpoint.every=0",      "model.curvature=[1]",       "model.noise=0",
      "model.offsets=\"index\"", "codec.kind=\"top-k:0.05\"", "train.learning_rate=0.02"};
  const auto distance = [&](const char* memory, int rounds) {
    std::vector<std::string> all = keys;
    all.push_back(std::string("codec.memory=") + memory);
    all.push_back("stop.rounds=" + std::to_string(rounds));
    SimulationSettings settings;
    settings.threads = 1;
    const SimulationResult result = simulate_text(kJob, kNodes, all, settings);
    double sum = 0;
    for (const float x : result.parameters[0].floats()) sum += std::pow(x - 2, 2);  // mean of 0..4
    return sum / kValues;
  };
  const double begin = distance("ef21", 100);
  const double middle = distance("ef21", 250);
  EXPECT_LT(middle, 0.1 * begin);
  EXPECT_LT(distance("ef21", 400), 0.1 * middle);
  EXPECT_GT(distance("none", 3000), 1e-2);
}

// Deep Gradient Compression learns as momentum SGD does, from a few values a round.
TEST(Dgc, FindsTheOptimumThroughAWarmUp) {
  SimulationSettings settings;
  settings.threads = 1;
  const SimulationResult result =
      simulate_text(kJob, kNodes,
                    {"checkpoint.every=0", "model.curvature=[1]", "model.noise=0",
                     "model.offsets=\"index\"", "codec.kind=\"top-k:0.05\"", "codec.memory=dgc",
                     "codec.momentum=0.5", "codec.clip=1000", "codec.warm_up=200",
                     "train.learning_rate=0.005", "stop.rounds=3000", kBadLinks[0], kBadLinks[1]},
                    settings);
  // What is late by 20 rounds makes it swing, in proportion to the step.
  for (const float x : result.parameters[0].floats()) ASSERT_NEAR(x, 2, 0.1);
}

TEST(ErrorFeedback, OfIdentityIsTheRunWithoutACodec) {
  for (const AlgorithmInfo* info : all_algorithms()) {
    SCOPED_TRACE(info->name);
    if (info->codec != nullptr) continue;
    std::vector<std::string> keys = {std::string("algorithm.kind=\"") + info->name + '"',
                                     "checkpoint.every=0"};
    if (!info->needs.star) keys.push_back("topology.graph=\"ring\"");
    SimulationSettings settings;
    settings.threads = 1;
    const SimulationResult plain = simulate_text(kJob, kNodes, keys, settings);
    SimulationResult coded;
    try {
      coded = simulate_text(kJob, kNodes, with(keys, "identity"), settings);
    } catch (const OperatorError&) {
      continue;  // takes no memory at all
    }
    EXPECT_TRUE(same_parameters(plain, coded));
  }
}

}  // namespace
}  // namespace kith
