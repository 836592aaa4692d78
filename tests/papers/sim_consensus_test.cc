// Gossip alone (ALGORITHMS E14; Xiao, Boyd 2004): what a round leaves of a disagreement, and the
// phase at the end of a job (consensus.tolerance), through the simulator.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/simulate.h"
#include "topology/registry.h"
#include "topology/spectral.h"

namespace kith {
namespace {

constexpr size_t kReplicas = 2000;

const char* const kGossip = R"(
[model]
kind = "quadratic"
replicas = 2000
[algorithm]
kind = "consensus"
spread = 3
[report]
every = 1
[stop]
rounds = 24
)";

// sum_i |x_i - mean|^2 / N of each replica, expected: spread^2 / N sum_{k >= 2} |lambda_k|^(2 t)
// where W is normal. Of a mean over replicas the relative standard error is at most sqrt(2 /
// replicas), where one mode is left.
TEST(Consensus, DisagreementFallsByTheEigenvaluesOfTheWeights) {
  for (const char* name : {"ring", "torus", "hypercube", "static-exponential", "star", "path"}) {
    for (const uint64_t seed : {1, 2}) {
      SCOPED_TRACE(std::string(name) + " seed " + std::to_string(seed));
      constexpr uint32_t kNodes = 16;
      const auto graph = make_graph(name, kNodes);
      const auto lambda = eigenvalues(*make_mixing(default_mixing(*graph), graph));
      std::vector<double> measured;
      SimulationSettings settings;
      settings.on_report = [&](const SimulationReport& report) {
        measured.push_back(report.consensus_distance / kReplicas);
      };
      simulate_text(kGossip, kNodes,
                    {std::string("topology.graph=") + name, "job.seed=" + std::to_string(seed)},
                    settings);
      ASSERT_EQ(measured.size(), 24u);
      for (size_t t = 1; t <= measured.size(); ++t) {
        double expected = 0;
        for (size_t k = 1; k < lambda.size(); ++k) {
          expected += 9.0 / kNodes * std::pow(std::norm(lambda[k]), static_cast<double>(t));
        }
        if (expected < 1e-9) break;  // floats
        EXPECT_NEAR(measured[t - 1], expected, 4 * expected * std::sqrt(2.0 / kReplicas)) << t;
      }
    }
  }
}

TEST(Consensus, AOnePeerGraphAgreesAfterItsPeriod) {
  std::vector<double> measured;
  SimulationSettings settings;
  settings.on_report = [&](const SimulationReport& report) {
    measured.push_back(report.consensus_distance / kReplicas);
  };
  simulate_text(kGossip, 16, {"topology.graph=one-peer-exponential", "stop.rounds=4"}, settings);
  ASSERT_EQ(measured.size(), 4u);
  EXPECT_GT(measured[2], 0.1);
  EXPECT_LT(measured[3], 1e-10);
}

TEST(Consensus, OneShotAveragingOfModelsTrainedApart) {
  const SimulationResult result = simulate_text(
      kGossip, 8, {"algorithm.local_steps=20", "topology.graph=hypercube", "stop.rounds=60"});
  uint64_t batches = 0;
  for (const NodeCounters& counters : result.counters) batches += counters.batches;
  EXPECT_EQ(batches, 8u * 20u);
  for (size_t i = 1; i < result.parameters.size(); ++i) {
    for (size_t j = 0; j < 10; ++j) {
      EXPECT_NEAR(result.parameters[i].floats()[j], result.parameters[0].floats()[j], 1e-5);
    }
  }
}

const char* const kUnequal = R"(
[model]
kind = "quadratic"
replicas = 200
noise = 1.0
curvature = [1.0]
offset = [0, 1, 2, 3, 4, 5, 6, 7]
[train]
learning_rate = 0.1
[delays]
compute = "exponential:0.01"
latency_ms = 1
[stop]
rounds = 40
)";

double distance(const SimulationResult& result) {
  const std::vector<double> mean = average_of(result);
  double sum = 0;
  for (const SharedBuffer& x : result.parameters) {
    for (size_t j = 0; j < mean.size(); ++j) {
      sum += std::pow(static_cast<double>(x.floats()[j]) - mean[j], 2);
    }
  }
  return sum;
}

// What training leaves between the nodes is brought down to the tolerance, and their average is
// that of the run without the phase; over links that lose and reorder messages too.
TEST(FinalConsensus, AllEndWithOneModelWithinTheTolerance) {
  for (const char* algorithm : {"dpsgd", "choco-sgd", "extra", "sgp", "gradient-tracking"}) {
    for (const char* graph : {"ring", "hypercube", "star"}) {
      for (const char* loss : {"0", "0.1"}) {
        SCOPED_TRACE(std::string(algorithm) + " " + graph + " loss " + loss);
        const std::vector<std::string> keys = {
            std::string("algorithm.kind=") + algorithm, std::string("topology.graph=") + graph,
            std::string("delays.loss=") + loss, "delays.jitter=\"exponential:0.005\""};
        std::vector<std::string> with = keys;
        with.push_back("consensus.tolerance=0.001");
        const SimulationResult apart = simulate_text(kUnequal, 8, keys);
        const SimulationResult together = simulate_text(kUnequal, 8, with);
        EXPECT_EQ(together.rounds, 40u);
        EXPECT_GT(distance(apart), 1e-3);
        EXPECT_LE(distance(together), 1.1e-6 * distance(apart) + 1e-8);
        const std::vector<double> a = average_of(apart);
        const std::vector<double> b = average_of(together);
        for (size_t j = 0; j < a.size(); ++j) ASSERT_NEAR(a[j], b[j], 2e-5);
      }
    }
  }
}

// Where nodes keep no step the training ends with all pairs done, and averages then.
TEST(FinalConsensus, WithoutABarrierToo) {
  for (const char* algorithm : {"ad-psgd", "swarm-sgd"}) {
    for (const char* graph : {"ring", "complete", "star"}) {
      for (const char* scale : {"[1]", "[5]"}) {
        SCOPED_TRACE(std::string(algorithm) + " " + graph + " scale " + scale);
        const SimulationResult result = simulate_text(
            kUnequal, 8,
            {std::string("algorithm.kind=") + algorithm, std::string("topology.graph=") + graph,
             std::string("delays.scale=") + scale, "delays.loss=0.05", "consensus.tolerance=1e-4"});
        const SimulationResult apart = simulate_text(
            kUnequal, 8,
            {std::string("algorithm.kind=") + algorithm, std::string("topology.graph=") + graph,
             std::string("delays.scale=") + scale, "delays.loss=0.05"});
        EXPECT_LE(distance(result), 1e-4 * distance(apart));
      }
    }
  }
}

}  // namespace
}  // namespace kith
