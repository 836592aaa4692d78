// MATCHA through the simulator (Wang et al. 2019; ALGORITHMS 2D and 4.2 E13): what it is at its
// ends, what a round costs, and how far nodes that meet at random stay apart.
#include <gtest/gtest.h>

#include <cmath>

#include "daemon/store/laboratory.h"
#include "tests/support/simulate.h"
#include "topology/matcha.h"
#include "topology/registry.h"

namespace kith {
namespace {

using Keys = std::vector<std::string>;

const std::string kJob = R"(
[job]
seed = 7
[model]
kind = "quadratic"
replicas = 50
offsets = "index"
noise = 0.5
[train]
learning_rate = 0.05
momentum = 0.5
[delays]
compute = "exponential:0.01"
latency_ms = 1
[stop]
rounds = 60
)";

SimulationResult run(uint32_t nodes, const std::string& algorithm, const std::string& graph,
                     const Keys& more = {}) {
  Keys keys = {"algorithm.kind=\"" + algorithm + "\"", "topology.graph=\"" + graph + "\""};
  keys.insert(keys.end(), more.begin(), more.end());
  SimulationSettings one_thread;
  one_thread.threads = 1;
  return simulate_text(kJob, nodes, keys, one_thread);
}

uint64_t messages_in(const SimulationResult& result) {
  uint64_t sum = 0;
  for (const NodeCounters& counters : result.counters) sum += counters.messages_sent;
  return sum;
}

uint64_t refused_in(const SimulationResult& result) {
  uint64_t sum = 0;
  for (const NodeCounters& counters : result.counters) {
    for (const uint64_t count : counters.refused) sum += count;
  }
  return sum;
}

// ALGORITHMS 2D: C_B = 1 means p = 1 and alpha = 2 / (lambda_2 + lambda_N), bit for bit.
TEST(Matcha, WithTheWholeBudgetIsDpsgdWithTheBestConstantWeight) {
  for (const char* graph : {"ring", "star", "complete", "barbell", "random-regular", "path"}) {
    for (const uint32_t nodes : {1u, 2u, 6u, 12u}) {
      if (nodes < 6 && graph == std::string("random-regular")) continue;
      for (const char* steps : {"algorithm.local_steps=1", "algorithm.local_steps=3"}) {
        SCOPED_TRACE(std::string(graph) + " of " + std::to_string(nodes) + ", " + steps);
        const SimulationResult matcha =
            run(nodes, "matcha", graph, {steps, "algorithm.budget=1", "codec.kind=zstd"});
        EXPECT_TRUE(same_parameters(
            matcha, run(nodes, "dpsgd", graph, {steps, "topology.weights=best-constant"})));
      }
    }
  }
}

// Nodes of equal curvature have an average that goes the same way whatever W_t is; each W_t is
// symmetric and doubly stochastic to a float's rounding.
TEST(Matcha, TheAverageIsMovedByStepsAlone) {
  for (const char* graph : {"ring", "star", "barbell", "complete"}) {
    const std::vector<double> expected = average_of(run(8, "dpsgd", graph));
    for (const char* budget : {"0.1", "0.5", "0.9"}) {
      const std::vector<double> found =
          average_of(run(8, "matcha", graph, {std::string("algorithm.budget=") + budget}));
      for (size_t j = 0; j < expected.size(); ++j) {
        ASSERT_NEAR(found[j], expected[j], 1e-5) << graph << " " << budget;
      }
    }
  }
}

// ALGORITHMS 2D, where weights change: C = identity (top-k of all 50 values counts as one that
// loses something) and gamma = 1 are the algorithm without compression, to rounding.
TEST(ChangingChoco, WithoutLossesIsTheAlgorithmThatSendsModels) {
  for (const char* graph : {"ring", "star", "barbell"}) {
    for (const char* steps : {"algorithm.local_steps=1", "algorithm.local_steps=3"}) {
      SCOPED_TRACE(std::string(graph) + ", " + steps);
      const SimulationResult coded =
          run(8, "matcha", graph, {steps, "algorithm.gamma=1", "codec.kind=top-k:50"});
      EXPECT_LT(furthest(coded, run(8, "matcha", graph, {steps})), 2e-5);
    }
  }
  for (const uint32_t nodes : {2u, 5u, 6u, 12u}) {
    SCOPED_TRACE(std::to_string(nodes) + " nodes");
    EXPECT_LT(furthest(run(nodes, "choco-sgd", "base-k-plus-1", {"algorithm.gamma=1"}),
                       run(nodes, "dpsgd", "base-k-plus-1")),
              2e-5);
  }
}

TEST(ChangingChoco, TheAverageIsMovedByStepsAloneWhateverTheCodec) {
  for (const char* codec : {"top-k:5", "rand-k:0.2", "sign", "qsgd:3"}) {
    const std::string coded = std::string("codec.kind=") + codec;
    const std::vector<double> expected = average_of(run(8, "dpsgd", "barbell"));
    const std::vector<double> matcha = average_of(run(8, "matcha", "barbell", {coded}));
    const std::vector<double> choco = average_of(run(8, "choco-sgd", "base-k-plus-1", {coded}));
    for (size_t j = 0; j < expected.size(); ++j) {
      ASSERT_NEAR(matcha[j], expected[j], 1e-5) << codec;
      ASSERT_NEAR(choco[j], expected[j], 1e-5) << codec;
    }
  }
}

struct Sample {
  double mean = 0;
  double standard_error = 0;
};

Sample sample_of(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  Sample sample;
  for (const double value : values) sample.mean += value / n;
  double squares = 0;
  for (const double value : values) squares += std::pow(value - sample.mean, 2);
  sample.standard_error = std::sqrt(squares / (n - 1) / n);
  return sample;
}

// E13: eta = 0.1, sigma = 1, h = 1 on two complete graphs of 4 and a bridge. Replicas share the
// W_t of their run, so that it is runs, each with a seed of its own, that are independent. After 40
// rounds what is left of the start is below (0.81 rho)^40 = 1e-6. Tolerance: 4 standard errors of
// 400 runs; a false alarm in 16,000, and the seeds are fixed.
TEST(Matcha, E13StaysFurtherApartOnTheBarbellWithHalfTheMessages) {
  struct Row {
    const char* budget;
    double consensus;
  };
  for (const Row& row : {Row{"0.5", 9.14186e-3}, Row{"1", 6.01838e-3}}) {
    SCOPED_TRACE(std::string("budget ") + row.budget);
    std::vector<double> consensus;
    for (int seed = 1; seed <= 400; ++seed) {
      const SimulationResult result =
          run(8, "matcha", "barbell",
              {std::string("algorithm.budget=") + row.budget, "job.seed=" + std::to_string(seed),
               "model.offsets=same", "model.noise=1", "model.replicas=100", "train.momentum=0",
               "train.learning_rate=0.1", "stop.rounds=40"});
      std::vector<std::span<const float>> vectors;
      for (const SharedBuffer& x : result.parameters) vectors.push_back(x.floats());
      consensus.push_back(measure_laboratory(vectors).consensus.value);
    }
    const Sample found = sample_of(consensus);
    EXPECT_LT(found.standard_error, 0.03 * row.consensus);
    EXPECT_NEAR(found.mean, row.consensus, 4 * found.standard_error);
  }
}

// Matching j is active in Binomial(T, p_j) of T rounds, and costs two messages an edge each time.
// Tolerance: 4 standard deviations of their sum; a false alarm in 16,000, and the seed is fixed.
TEST(Matcha, ARoundCostsTheExpectedMessages) {
  constexpr double kRounds = 2000;
  for (const char* graph : {"barbell", "ring", "star", "grid"}) {
    for (const double budget : {0.25, 0.5, 1.0}) {
      SCOPED_TRACE(std::string(graph) + " " + std::to_string(budget));
      const MatchaDesign design = design_matcha(*make_graph(graph, 9), budget);
      double expected = 0;
      double variance = 0;
      for (size_t j = 0; j < design.matchings.size(); ++j) {
        const double messages = 2 * static_cast<double>(design.matchings[j].size());
        const double p = design.probabilities[j];
        expected += kRounds * messages * p;
        variance += kRounds * messages * messages * p * (1 - p);
      }
      const SimulationResult result = run(
          9, "matcha", graph, {"algorithm.budget=" + std::to_string(budget), "stop.rounds=2000"});
      EXPECT_NEAR(static_cast<double>(messages_in(result)), expected,
                  4 * std::sqrt(variance) + 1e-9);
      EXPECT_LE(design.expected_matchings(),
                budget * static_cast<double>(design.matchings.size()) + 1e-9);
    }
  }
}

// Who meets nobody goes on: hundreds of rounds ahead of a neighbour, whose messages of then are
// kept until it is there.
TEST(Matcha, NodesThatSeldomMeetRunFarAheadOfEachOther) {
  const Keys seldom = {"algorithm.budget=0.01", "stop.rounds=1500", "model.replicas=2"};
  for (const char* graph : {"ring", "star", "complete"}) {
    SCOPED_TRACE(graph);
    Keys slow = seldom;
    slow.insert(slow.end(), {"delays.scale=[100]", "delays.jitter=\"uniform:0:0.2\""});
    const SimulationResult alike = run(6, "matcha", graph, seldom);
    const SimulationResult apart = run(6, "matcha", graph, slow);
    EXPECT_EQ(apart.rounds, 1500u);
    EXPECT_EQ(refused_in(apart), 0u);
    EXPECT_TRUE(same_parameters(alike, apart));
    slow.push_back("delays.loss=0.2");
    EXPECT_TRUE(same_parameters(alike, run(6, "matcha", graph, slow)));
  }
}

}  // namespace
}  // namespace kith
