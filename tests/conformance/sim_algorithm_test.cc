// What holds for every algorithm, graph and codec. The loops run over the registries: a new one is
// tested without a line here.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/simulate.h"
#include "topology/registry.h"

namespace kith {
namespace {

const std::string kJob = R"(
[job]
seed = 7
[model]
kind = "quadratic"
replicas = 300
offsets = "index"
noise = 0.5
[train]
learning_rate = 0.05
[delays]
compute = "exponential:0.01"
latency_ms = 1
[stop]
rounds = 25
)";

struct Setting {
  std::string algorithm, graph, codec;
  bool error_feedback;

  std::vector<std::string> overrides() const {
    std::vector<std::string> keys = {
        "algorithm.kind=\"" + algorithm + "\"", "topology.graph=\"" + graph + "\"",
        "codec.kind=\"" + codec + "\"",
        std::string("codec.memory=") + (error_feedback ? "error-feedback" : "none")};
    // Some have hundreds by default.
    const AlgorithmInfo& info = algorithm_info(algorithm);
    if (has_option(info, "local_steps") && info.central) keys.push_back("algorithm.local_steps=3");
    // Steps on both sides of a wait.
    if (has_option(info, "fragments")) {
      keys.insert(keys.end(), {"algorithm.local_steps=6", "algorithm.fragments=3"});
    }
    return keys;
  }
  std::string text() const {
    return algorithm + " on " + graph + " with " + codec + (error_feedback ? "+ef" : "");
  }
};

constexpr uint32_t kNodes = 6;

// Every registered combination that a job may ask for.
std::vector<Setting> all_settings() {
  std::vector<Setting> settings;
  for (const AlgorithmInfo* algorithm : all_algorithms()) {
    for (const GraphInfo* graph : all_graphs()) {
      for (const CodecInfo* codec : all_codecs()) {
        for (const bool error_feedback : {false, true}) {
          const Setting setting{algorithm->name, graph->name, codec->example, error_feedback};
          try {
            validate(parse_job(kJob, setting.overrides()), kNodes);
          } catch (const OperatorError&) {
            continue;
          }
          settings.push_back(setting);
        }
      }
    }
  }
  return settings;
}

// Messages of one edge overtake each other: a computation takes 10 ms, a message up to 200 ms, and
// most of it is chance. With losses, repair asks for what is still on its way.
const std::string kJitter = "delays.jitter=\"uniform:0:0.2\"";
const std::vector<std::vector<std::string>> kOvertaking = {{kJitter}, {kJitter, "delays.loss=0.1"}};

SimulationSettings with_threads(unsigned threads) {
  SimulationSettings settings;
  settings.threads = threads;
  return settings;
}

SimulationResult run(const Setting& setting, std::vector<std::string> more = {},
                     unsigned threads = 1) {
  std::vector<std::string> overrides = setting.overrides();
  overrides.insert(overrides.end(), more.begin(), more.end());
  return simulate_text(kJob, kNodes, overrides, with_threads(threads));
}

uint64_t resent(const SimulationResult& result) {
  uint64_t sum = 0;
  for (const NodeCounters& counters : result.counters) sum += counters.messages_resent;
  return sum;
}

TEST(EveryAlgorithm, IsCombinedWithEveryGraphAndCodecThatItCanServe) {
  // dpsgd on the graphs without options x every codec x 2, sync on the star.
  const std::vector<Setting> settings = all_settings();
  EXPECT_GE(settings.size(), 60u);
  for (const AlgorithmInfo* algorithm : all_algorithms()) {
    EXPECT_TRUE(std::ranges::any_of(
        settings, [&](const Setting& setting) { return setting.algorithm == algorithm->name; }))
        << algorithm->name << " is in no setting";
  }
}

// Synchronous algorithms: timing never reaches the mathematics (ARCHITECTURE 1).
TEST(EverySynchronousAlgorithm, EndsWithTheSameBitsWhateverTheDelaysAndLosses) {
  for (const Setting& setting : all_settings()) {
    if (!algorithm_info(setting.algorithm).synchronous) continue;
    SCOPED_TRACE(setting.text());
    const SimulationResult reference = run(setting);
    EXPECT_TRUE(same_parameters(reference, run(setting)));
    EXPECT_TRUE(same_parameters(
        reference, run(setting, {"delays.compute=\"uniform:0.001:0.2\"", "delays.latency_ms=30",
                                 "delays.bandwidth_mbit=1"})));
    for (const std::vector<std::string>& delays : kOvertaking) {
      EXPECT_TRUE(same_parameters(reference, run(setting, delays)));
    }
    const SimulationResult lossy = run(setting, {"delays.loss=0.2"});
    EXPECT_TRUE(same_parameters(reference, lossy));
    EXPECT_GT(resent(lossy), 0u);
    EXPECT_GT(lossy.end, reference.end);
  }
}

// A line so slow that messages queue for many times the patience of those who wait: they ask, and
// as nothing is lost nothing is sent twice (protocol/edge.h). The loss, one in 10^15, turns repair
// on.
TEST(EveryAlgorithm, NothingIsSentAgainOnASlowLine) {
  for (const AlgorithmInfo* info : all_algorithms()) {
    const Setting setting{info->name, graph_of(*info),
                          info->codec != nullptr ? info->codec : "identity", false};
    SCOPED_TRACE(setting.text());
    const SimulationResult slow =
        run(setting, {"delays.bandwidth_mbit=0.02", "delays.loss=1e-15", "stop.rounds=10"});
    EXPECT_EQ(resent(slow), 0u);
    EXPECT_EQ(slow.rounds, 10u);
    uint64_t asked = 0;
    for (const NodeCounters& counters : slow.counters) asked += counters.repairs_requested;
    EXPECT_GT(asked, 0u);
  }
}

// On a directed ring the nodes run up to N - 1 rounds ahead of a slow one; what they tell it
// meanwhile is kept for it, and is there to be asked for where it is lost.
TEST(DirectedRing, WaitsForASlowNodeFarBehind) {
  const auto ends = [](const std::string& loss) {
    return simulate_text(kJob, 40,
                         {"algorithm.kind=\"dpsgd\"", "topology.graph=\"directed-ring\"",
                          "delays.scale=[50]", "stop.rounds=60", "delays.loss=" + loss},
                         with_threads(1));
  };
  const SimulationResult sound = ends("0");
  EXPECT_EQ(sound.rounds, 60u);
  EXPECT_TRUE(same_parameters(sound, ends("0.05")));
}

// The others depend on time, but on nothing else, and come to their end over links that lose a
// fifth of the messages.
TEST(EveryAsynchronousAlgorithm, IsAFunctionOfTheSeedAndSurvivesLosses) {
  for (const Setting& setting : all_settings()) {
    if (algorithm_info(setting.algorithm).synchronous) continue;
    SCOPED_TRACE(setting.text());
    const SimulationResult reference = run(setting);
    const SimulationResult again = run(setting, {}, 3);
    EXPECT_TRUE(same_parameters(reference, again));
    EXPECT_EQ(reference.end, again.end);
    EXPECT_EQ(reference.measures.staleness, again.measures.staleness);
    const SimulationResult lossy = run(setting, {"delays.loss=0.2"});
    EXPECT_EQ(lossy.rounds, 25u);
    EXPECT_FALSE(lossy.diverged);
    for (const std::vector<std::string>& delays : kOvertaking) {
      const SimulationResult overtaking = run(setting, delays);
      EXPECT_EQ(overtaking.rounds, 25u);
      EXPECT_FALSE(overtaking.diverged);
    }
  }
}

TEST(EveryAlgorithm, AnotherSeedEndsElsewhere) {
  for (const Setting& setting : all_settings()) {
    SCOPED_TRACE(setting.text());
    EXPECT_FALSE(same_parameters(run(setting), run(setting, {"job.seed=8"})));
  }
}

// On a quadratic with equal curvature the average of all nodes does not depend on who talks to
// whom, nor on what a codec throws away: xbar+ = xbar - eta mean g (D-PSGD, ALGORITHMS 2D),
// wherever weights are doubly stochastic (push-sum does without) and all steps of a round count.
// The consensus step is in proportion to 1 / (1 + w) of the codec (Koloskova, Stich, Jaggi 2019):
// with a larger one the nodes part, and the average is a small difference of large numbers. A
// momentum of the algorithm's own is switched off.
TEST(EveryGossip, NoGraphAndNoCodecMovesTheAverage) {
  const std::vector<double> expected = average_of(run({"dpsgd", "complete", "identity", false}));
  for (const Setting& setting : all_settings()) {
    const AlgorithmInfo& info = algorithm_info(setting.algorithm);
    if (info.needs.star || !info.needs.doubly_stochastic) continue;
    if (setting.algorithm == "consensus") continue;  // takes no steps
    const double gamma = 0.3 / (1 + make_codec(setting.codec)->variance_bound(300));
    std::vector<std::string> orders = {""};
    if (has_option(info, "order")) orders = {"atc", "cta"};
    for (const std::string& order : orders) {
      SCOPED_TRACE(setting.text() + " " + order);
      std::vector<std::string> keys;
      if (has_option(info, "gamma")) keys.push_back("algorithm.gamma=" + std::to_string(gamma));
      if (has_option(info, "beta")) keys.push_back("algorithm.beta=0");
      if (!order.empty()) keys.push_back("algorithm.order=\"" + order + "\"");
      const std::vector<double> average = average_of(run(setting, keys));
      for (size_t j = 0; j < expected.size(); ++j) ASSERT_NEAR(average[j], expected[j], 2e-5);
    }
  }
}

// ALGORITHMS 2D: CHOCO with C = identity and gamma = 1 is D-PSGD that adapts, then combines.
TEST(ChocoSgd, WithoutCompressionIsDpsgd) {
  for (const char* graph : {"ring", "complete", "static-exponential"}) {
    const SimulationResult plain = run({"dpsgd", graph, "identity", false});
    const SimulationResult choco =
        run({"choco-sgd", graph, "identity", false}, {"algorithm.gamma=1"});
    for (size_t i = 0; i < kNodes; ++i) {
      for (size_t j = 0; j < 300; ++j) {
        ASSERT_NEAR(plain.parameters[i].floats()[j], choco.parameters[i].floats()[j], 1e-5);
      }
    }
  }
}

// ALGORITHMS 2D: W = J, adapt then combine, from equal starts, is synchronous SGD.
TEST(Dpsgd, OnACompleteGraphIsSynchronousSgd) {
  const SimulationResult gossip = run({"dpsgd", "complete", "identity", false});
  const SimulationResult star = run({"sync", "star", "identity", false});
  for (size_t i = 0; i < kNodes; ++i) {
    for (size_t j = 0; j < 300; ++j) {
      ASSERT_NEAR(gossip.parameters[i].floats()[j], star.parameters[0].floats()[j], 1e-5);
    }
  }
}

// The same of all that correct for unequal nodes, whose gradients stay where W = J; and with
// momentum, where that is mixed as well.
TEST(EveryGossip, OnACompleteGraphIsSynchronousSgd) {
  const SimulationResult star = run({"sync", "star", "identity", false});
  const SimulationResult momentum =
      run({"sync", "star", "identity", false}, {"train.momentum=0.8"});
  for (const char* name : {"d2", "gradient-tracking", "k-gt", "dmsgd"}) {
    SCOPED_TRACE(name);
    const bool own = name == std::string("dmsgd");
    const SimulationResult gossip =
        run({name, "complete", "identity", false},
            own ? std::vector<std::string>{"algorithm.beta=0.8"} : std::vector<std::string>{});
    for (size_t i = 0; i < kNodes; ++i) {
      for (size_t j = 0; j < 300; ++j) {
        ASSERT_NEAR(gossip.parameters[i].floats()[j],
                    (own ? momentum : star).parameters[0].floats()[j], 2e-5);
      }
    }
  }
}

// ALGORITHMS 2D: without momentum, and after any number of rounds, both are D-PSGD that adapts,
// then combines, to the last bit.
TEST(GossipWithMomentum, WithoutItIsDpsgdBitForBit) {
  for (const char* graph : {"ring", "star", "complete", "static-exponential"}) {
    for (const std::vector<std::string>& train :
         {std::vector<std::string>{},
          {"train.weight_decay=0.1", "train.schedule=\"cosine\"", "train.warm_up_steps=5"}}) {
      const SimulationResult plain = run({"dpsgd", graph, "identity", false}, train);
      for (const char* name : {"dmsgd", "quasi-global-momentum"}) {
        SCOPED_TRACE(std::string(name) + " on " + graph);
        std::vector<std::string> keys = train;
        keys.push_back("algorithm.beta=0");
        EXPECT_TRUE(same_parameters(plain, run({name, graph, "identity", false}, keys)));
      }
    }
  }
}

// What stands for gradients, and what for local steps with a correction, is the same algorithm.
TEST(KGt, WithOneLocalStepIsGradientTracking) {
  for (const char* graph : {"ring", "star", "static-exponential"}) {
    const SimulationResult tracking = run({"gradient-tracking", graph, "identity", false});
    const SimulationResult local = run({"k-gt", graph, "identity", false});
    for (size_t i = 0; i < kNodes; ++i) {
      for (size_t j = 0; j < 300; ++j) {
        ASSERT_NEAR(tracking.parameters[i].floats()[j], local.parameters[i].floats()[j], 2e-5);
      }
    }
  }
}

// Where the model is the hub's, every node ends with it, whatever the codec on the way up.
TEST(EveryCentralAlgorithm, EndsWithEqualReplicas) {
  for (const Setting& setting : all_settings()) {
    if (!algorithm_info(setting.algorithm).central) continue;
    const SimulationResult result = run(setting);
    for (const SharedBuffer& x : result.parameters) {
      EXPECT_TRUE(std::ranges::equal(x.bytes(), result.parameters[0].bytes())) << setting.text();
    }
  }
}

TEST(EveryAlgorithm, RunsAlone) {
  for (const AlgorithmInfo* algorithm : all_algorithms()) {
    const std::string graph = graph_of(*algorithm);
    const SimulationResult result = simulate_text(
        kJob, 1,
        {codec_key(*algorithm), std::string("algorithm.kind=\"") + algorithm->name + '"',
         "topology.graph=\"" + graph + '"'},
        with_threads(1));
    EXPECT_EQ(result.rounds, 25u) << algorithm->name;
    EXPECT_EQ(result.counters[0].messages_sent, 0u) << algorithm->name;
  }
}

TEST(EveryAlgorithm, SaysWhenItDiverges) {
  for (const AlgorithmInfo* algorithm : all_algorithms()) {
    // Steps as long as the rate whatever the gradient never leave the floats; nor do none at all.
    const std::string name = algorithm->name;
    if (name == "signsgd" || name == "consensus") continue;
    const std::string graph = graph_of(*algorithm);
    const SimulationResult result = simulate_text(
        kJob, 4,
        {codec_key(*algorithm), std::string("algorithm.kind=\"") + algorithm->name + '"',
         "topology.graph=\"" + graph + '"', "train.learning_rate=1000", "stop.rounds=200"},
        with_threads(1));
    EXPECT_TRUE(result.diverged) << algorithm->name;
  }
}

}  // namespace
}  // namespace kith
