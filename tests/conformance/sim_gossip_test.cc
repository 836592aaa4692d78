// The algorithms over a graph that are not D-PSGD, against it, and without a barrier: over random
// graphs, sizes and seeds, with losses and messages that overtake each other.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/simulate.h"

namespace kith {
namespace {

const std::string kJob = R"(
[job]
seed = 7
[model]
kind = "quadratic"
replicas = 100
offsets = "index"
noise = 0.5
[train]
learning_rate = 0.05
momentum = 0.5
[delays]
compute = "exponential:0.01"
latency_ms = 1
[stop]
rounds = 40
)";

using Keys = std::vector<std::string>;

SimulationResult run(uint32_t nodes, const std::string& algorithm, const std::string& graph,
                     const Keys& more = {}, const SimulationSettings& settings = {}) {
  Keys keys = {"algorithm.kind=\"" + algorithm + "\"", "topology.graph=\"" + graph + "\""};
  keys.insert(keys.end(), more.begin(), more.end());
  SimulationSettings one_thread = settings;
  one_thread.threads = 1;
  return simulate_text(kJob, nodes, keys, one_thread);
}

// ALGORITHMS 2D: P doubly stochastic means w = 1 and SGP is D-PSGD (atc); where 1 / (1 + degree)
// and what D-PSGD leaves to itself are floats without rounding, bit for bit, else to some ulps a
// round.
TEST(Sgp, IsDpsgdWhereAllDegreesAreEqual) {
  for (const char* graph : {"ring", "static-exponential", "torus", "complete"}) {
    for (const uint32_t nodes : {1u, 4u, 6u, 8u, 9u}) {
      if (graph == std::string("torus") && nodes != 9) continue;
      for (const char* steps : {"algorithm.local_steps=1", "algorithm.local_steps=3"}) {
        SCOPED_TRACE(std::string(graph) + " of " + std::to_string(nodes));
        const SimulationResult push = run(nodes, "sgp", graph, {steps});
        const SimulationResult plain = run(nodes, "dpsgd", graph, {steps});
        if (graph == std::string("ring") || (graph[0] == 's' && nodes == 8)) {
          EXPECT_TRUE(same_parameters(push, plain));
        } else {
          EXPECT_LT(furthest(push, plain), 1e-5);
        }
      }
    }
  }
}

TEST(Osgp, WithoutOverlapIsSgp) {
  for (const char* graph : {"ring", "star", "static-exponential"}) {
    for (const uint32_t nodes : {2u, 5u, 8u}) {
      EXPECT_TRUE(same_parameters(run(nodes, "osgp", graph, {"algorithm.overlap=0"}),
                                  run(nodes, "sgp", graph)))
          << graph << " of " << nodes;
    }
  }
}

// On a star degrees differ, and D-PSGD's own weights would not do: z comes to the mean of all all
// the same. Constant steps keep z apart by O(eta); the optimum of the mean is 2.5.
TEST(PushSum, FindsTheOptimumOfTheMeanOnAStar) {
  for (const char* algorithm : {"sgp", "osgp"}) {
    const SimulationResult result =
        run(6, algorithm, "star",
            {"model.noise=0", "train.momentum=0", "train.learning_rate=0.002", "stop.rounds=6000"});
    for (const double value : average_of(result)) EXPECT_NEAR(value, 2.5, 0.05) << algorithm;
  }
}

const std::vector<Keys> kThresholds = {{"algorithm.horizon=0.95", "algorithm.warm_up=0"},
                                       {"algorithm.horizon=1", "algorithm.warm_up=5"},
                                       {"algorithm.threshold=1.5", "algorithm.warm_up=0"},
                                       {"algorithm.threshold=100", "algorithm.warm_up=3"}};

constexpr const char* kMixes[] = {"algorithm.mixes=\"models\"", "algorithm.mixes=\"differences\""};

// Ghosh et al. 2022: nothing to wait for is D-PSGD.
TEST(EventGrad, WithoutAThresholdIsDpsgd) {
  for (const char* graph : {"ring", "star", "complete", "static-exponential", "random-regular"}) {
    for (const char* order : {"algorithm.order=\"atc\"", "algorithm.order=\"cta\""}) {
      for (const char* nothing : {"algorithm.horizon=0", "algorithm.warm_up=40"}) {
        for (const char* codec : {"codec.kind=\"identity\"", "codec.kind=\"zstd\""}) {
          const SimulationResult plain = run(6, "dpsgd", graph, {order});
          for (const char* mixes : kMixes) {
            EXPECT_TRUE(
                same_parameters(plain, run(6, "eventgrad", graph, {order, nothing, codec, mixes})))
                << graph << " " << order << " " << nothing << " " << codec << " " << mixes;
          }
        }
      }
    }
  }
}

// What neighbours are not told moves the average by less than (1 - w_ii) threshold a round; on a
// quadratic of curvature h a move shrinks by 1 - eta h a round, so that all of them together stay
// below (1 - w_ii) threshold / (eta h).
TEST(EventGrad, AThresholdMovesTheAverageByNoMoreThanItself) {
  const Keys plain = {"train.momentum=0"};
  const std::vector<double> expected = average_of(run(6, "dpsgd", "complete", plain));
  for (const char* graph : {"ring", "static-exponential"}) {
    for (const char* order : {"algorithm.order=\"atc\"", "algorithm.order=\"cta\""}) {
      for (const double threshold : {0.5, 1.0, 2.0}) {
        const SimulationResult result =
            run(6, "eventgrad", graph,
                {plain[0], order, "algorithm.threshold=" + std::to_string(threshold),
                 "algorithm.warm_up=0"});
        EXPECT_GT(result.measures.spared, 0u) << graph << " " << threshold;
        const std::vector<double> average = average_of(result);
        double squares = 0;
        for (size_t j = 0; j < expected.size(); ++j) {
          squares += std::pow(average[j] - expected[j], 2);
        }
        EXPECT_LT(std::sqrt(squares), 0.75 * threshold / 0.05) << graph << " " << order;
        EXPECT_GT(squares, 0);
      }
    }
  }
}

// Singh et al. 2021: 1^T (W - I) H = 0, whatever H is, so that the average goes the way of
// D-PSGD's.
TEST(EventGrad, DifferencesKeepTheAverage) {
  for (const char* graph : {"ring", "static-exponential", "random-regular"}) {
    for (const char* order : {"algorithm.order=\"atc\"", "algorithm.order=\"cta\""}) {
      for (const char* threshold : {"algorithm.threshold=0.5", "algorithm.threshold=2"}) {
        for (const char* gamma : {"algorithm.gamma=1", "algorithm.gamma=0.5"}) {
          SCOPED_TRACE(std::string(graph) + " " + order + " " + threshold + " " + gamma);
          const SimulationResult result = run(
              6, "eventgrad", graph, {order, threshold, gamma, kMixes[1], "algorithm.warm_up=0"});
          EXPECT_GT(result.measures.spared, 0u);
          const std::vector<double> expected = average_of(run(6, "dpsgd", "complete", {order}));
          const std::vector<double> average = average_of(result);
          for (size_t j = 0; j < expected.size(); ++j) EXPECT_NEAR(average[j], expected[j], 1e-4);
        }
      }
    }
  }
}

// With a long horizon nodes hear little of each other, but do not part.
TEST(EventGrad, ALongHorizonIsStable) {
  for (const char* horizon : {"algorithm.horizon=0.98", "algorithm.horizon=1"}) {
    const SimulationResult result = run(6, "eventgrad", "ring", {horizon, "stop.rounds=2000"});
    EXPECT_FALSE(result.diverged);
    const SimulationResult apart = run(6, "dpsgd", "ring", {"stop.rounds=2000"});
    for (uint32_t i = 0; i < 6; ++i) {
      for (size_t j = 0; j < 100; ++j) {
        ASSERT_NEAR(result.parameters[i].floats()[j], apart.parameters[i].floats()[j], 3);
      }
    }
    EXPECT_GT(static_cast<double>(result.measures.spared),
              0.2 * static_cast<double>(result.measures.sent));
  }
}

// Every message is counted once, with its payload or without, and what is spared is what the wire
// does not carry.
TEST(EventGrad, CountsWhatItSends) {
  constexpr uint32_t kNodes = 6;
  constexpr uint64_t kVector = 100 * sizeof(float);
  const SimulationResult plain = run(kNodes, "dpsgd", "ring");
  for (const Keys& keys : kThresholds) {
    const SimulationResult result = run(kNodes, "eventgrad", "ring", keys);
    const Measures& measures = result.measures;
    EXPECT_EQ(measures.sent + measures.spared, uint64_t{kNodes} * 2 * 40);
    uint64_t payload = 0;
    uint64_t bytes = 0;
    uint64_t bytes_of_plain = 0;
    for (uint32_t i = 0; i < kNodes; ++i) {
      payload += result.counters[i].payload_bytes_sent;
      bytes += result.counters[i].bytes_sent;
      bytes_of_plain += plain.counters[i].bytes_sent;
      EXPECT_EQ(result.counters[i].messages_sent, plain.counters[i].messages_sent);
      EXPECT_EQ(result.counters[i].uncompressed_bytes_sent,
                plain.counters[i].uncompressed_bytes_sent);
    }
    EXPECT_EQ(payload, measures.sent * kVector);
    EXPECT_EQ(bytes_of_plain - bytes, measures.spared * kVector);
    // What had been sent never is what would have been: nothing before the first event.
    EXPECT_LE(measures.spared_bytes, measures.spared * kVector);
  }
}

// ---- without a barrier ----

const Keys kPairwise = {"ad-psgd", "swarm-sgd"};
const std::vector<Keys> kModes = {{"algorithm.overlap=false"}, {"algorithm.overlap=true"}};

// Gradients that do not depend on x add up to the same whenever they come: the average of all
// models at the end is that of D-PSGD, whatever is lost, repeated or overtaken on the way.
TEST(Pairwise, KeepsTheAverageOverLossesAndOvertaking) {
  const Keys flat = {"model.curvature=0", "train.momentum=0", "algorithm.local_steps=2"};
  const std::vector<Keys> links = {
      {},
      {"delays.jitter=\"uniform:0:0.2\""},
      {"delays.loss=0.2"},
      {"delays.jitter=\"uniform:0:0.2\"", "delays.loss=0.2"},
      {"delays.latency_ms=50", "delays.loss=0.3", "delays.scale=[5, 0.2]"}};
  for (const char* graph : {"ring", "star", "complete", "random-regular"}) {
    for (const uint32_t nodes : {2u, 3u, 6u, 9u}) {
      if (graph == std::string("random-regular") && nodes < 6) continue;
      for (const char* seed : {"job.seed=1", "job.seed=2"}) {
        Keys reference = flat;
        reference.push_back(seed);
        const std::vector<double> expected = average_of(run(nodes, "dpsgd", "complete", reference));
        for (const std::string& algorithm : kPairwise) {
          for (const Keys& mode : kModes) {
            for (const Keys& link : links) {
              Keys keys = reference;
              keys.insert(keys.end(), mode.begin(), mode.end());
              keys.insert(keys.end(), link.begin(), link.end());
              if (algorithm == "swarm-sgd") keys.push_back("algorithm.steps=\"fixed\"");
              SCOPED_TRACE(algorithm + " on " + graph + " of " + std::to_string(nodes) + ", " +
                           seed + ", " + mode[0] + (link.empty() ? "" : ", " + link[0]));
              const SimulationResult result = run(nodes, algorithm, graph, keys);
              EXPECT_EQ(result.rounds, 40u);
              const std::vector<double> average = average_of(result);
              for (size_t j = 0; j < expected.size(); ++j) {
                ASSERT_NEAR(average[j], expected[j], 1e-5);
              }
            }
          }
        }
      }
    }
  }
}

// Each gradient comes to x once; what a node answers in between is its staleness.
TEST(Pairwise, MeasuresStaleness) {
  const SimulationResult alone = run(1, "ad-psgd", "ring");
  EXPECT_EQ(alone.measures.applied, 40u);
  EXPECT_EQ(alone.measures.staleness_sum, 0u);
  for (const std::string& algorithm : kPairwise) {
    const SimulationResult result = run(8, algorithm, "random-regular");
    EXPECT_EQ(result.measures.applied, 8u * 40);
    // Each node answers one offer for each of its own on the average. Between snapshot and steps
    // AD-PSGD has the answer to its own as well, SwarmSGD only what comes while it computes.
    const bool own = algorithm == "ad-psgd";
    EXPECT_GT(result.measures.mean_staleness(), own ? 1.2 : 0.2);
    EXPECT_LT(result.measures.mean_staleness(), own ? 2.2 : 1.2);
  }
}

TEST(SwarmSgd, DrawsItsStepsAroundTheirMean) {
  const SimulationResult result =
      run(8, "swarm-sgd", "complete", {"algorithm.local_steps=4", "stop.rounds=2000"});
  uint64_t batches = 0;
  for (const NodeCounters& counters : result.counters) batches += counters.batches;
  // Geometric from 1 with mean 4: variance 12. 16,000 draws; four standard errors.
  EXPECT_NEAR(static_cast<double>(batches) / 16000, 4, 4 * std::sqrt(12.0 / 16000));
}

// Rounds of all nodes done by `until`, from the states that they keep after each.
struct Pace {
  std::vector<std::pair<NodeId, Time>> done;

  SimulationSettings settings() {
    SimulationSettings settings;
    settings.on_checkpoint = [this](NodeId node, Checkpoint&& checkpoint) {
      const auto ns = static_cast<int64_t>(checkpoint.state->words.at("time")[0]);
      done.emplace_back(node, Time(Duration(ns)));
    };
    return settings;
  }
  size_t by(Time until) const {
    return static_cast<size_t>(
        std::ranges::count_if(done, [&](const auto& each) { return each.second <= until; }));
  }
};

size_t rounds_in_four_seconds(const std::string& algorithm, const Keys& more) {
  Pace pace;
  Keys keys = {"checkpoint.every=1", "stop.rounds=450"};
  keys.insert(keys.end(), more.begin(), more.end());
  run(8, algorithm, "ring", keys, pace.settings());
  return pace.by(Time(std::chrono::seconds(4)));
}

// One of eight nodes five times slower: who waits for neighbours is as slow as it is, who does not
// loses what it alone is short of: (7 + 1/5) / 8 = 0.9 is left (ALGORITHMS 7.10).
TEST(Pairwise, OneSlowNodeSlowsNobodyElse) {
  const Keys slow = {"delays.scale=[5]"};
  for (const char* algorithm : {"dpsgd", "sgp", "eventgrad"}) {
    const double left = static_cast<double>(rounds_in_four_seconds(algorithm, slow)) /
                        static_cast<double>(rounds_in_four_seconds(algorithm, {}));
    EXPECT_LT(left, 0.5) << algorithm;
    EXPECT_GT(left, 0.2) << algorithm;
  }
  for (const std::string& algorithm : kPairwise) {
    const Keys steps = {"algorithm.local_steps=1"};
    Keys slow_steps = steps;
    slow_steps.push_back(slow[0]);
    const double left = static_cast<double>(rounds_in_four_seconds(algorithm, slow_steps)) /
                        static_cast<double>(rounds_in_four_seconds(algorithm, steps));
    EXPECT_GT(left, 0.8) << algorithm;
    EXPECT_NEAR(left, 0.9, 0.04) << algorithm;
  }
}

}  // namespace
}  // namespace kith
