// AdaQuantFL (Jhunjhunwala, Gadhikar, Joshi, Eldar 2021; ALGORITHMS 5): levels follow the loss.
#include <gtest/gtest.h>

#include <cmath>

#include "protocol/theory/error.h"
#include "tests/support/simulate.h"
#include "topology/error.h"

namespace kith {
namespace {

const std::string kJob = R"(
[job]
seed = 9
[model]
kind = "quadratic"
replicas = 200
offsets = "index"
noise = 0.1
start = 10
[train]
learning_rate = 0.1
[topology]
graph = "star"
[codec]
kind = "qsgd:3"
[delays]
latency_ms = 1
[report]
every = 1
[stop]
rounds = 40
)";

struct Outcome {
  SimulationResult result;
  std::vector<double> losses;  // by round
};

Outcome run(std::vector<std::string> keys) {
  Outcome done;
  SimulationSettings settings;
  settings.threads = 1;
  settings.on_report = [&](const SimulationReport& report) { done.losses.push_back(report.loss); };
  keys.push_back("algorithm.local_steps=2");
  done.result = simulate_text(kJob, 5, keys, settings);
  return done;
}

TEST(AdaQuantFl, LevelsAreThoseOfTheRule) {
  EXPECT_EQ(adaquant_levels(4, 1, 100), 4u);
  EXPECT_EQ(adaquant_levels(4, 0.25, 100), 8u);
  EXPECT_EQ(adaquant_levels(4, 0.3, 100), 7u);   // 7.30
  EXPECT_EQ(adaquant_levels(4, 0.29, 100), 7u);  // 7.43
  EXPECT_EQ(adaquant_levels(4, 0.28, 100), 8u);  // 7.56
  EXPECT_EQ(adaquant_levels(4, 100, 100), 1u);   // never below 1
  EXPECT_EQ(adaquant_levels(4, 1e-9, 100), 100u);
  EXPECT_EQ(adaquant_levels(4, 0, 100), 100u);
}

// The level of the last round is decided by the loss of the one before it.
TEST(AdaQuantFl, TheHubFollowsTheTrainingLoss) {
  for (const int rounds : {1, 2, 7, 40}) {
    const Outcome done =
        run({"algorithm.kind=adaquantfl", "stop.rounds=" + std::to_string(rounds)});
    ASSERT_EQ(done.losses.size(), static_cast<size_t>(rounds));
    const double before = rounds == 1 ? done.losses[0] : done.losses[rounds - 2];
    EXPECT_EQ(done.result.measures.levels, std::lround(3 * std::sqrt(done.losses[0] / before)))
        << rounds;
  }
  const Outcome whole = run({"algorithm.kind=adaquantfl"});
  EXPECT_GT(whole.result.measures.levels, 9u);
}

// Levels that grow take more bits: 4 + 4 (one bucket) + ceil(200 (ceil log2(s + 1) + 1) / 8) bytes.
TEST(AdaQuantFl, MessagesGrowWithTheLevels) {
  const Outcome done = run({"algorithm.kind=adaquantfl"});
  uint64_t expected = 0;
  uint32_t levels = 3;
  for (size_t round = 0; round < 40; ++round) {
    const auto bits = static_cast<uint64_t>(std::ceil(std::log2(levels + 1))) + 1;
    expected += 8 + (200 * bits + 7) / 8;
    levels = adaquant_levels(3, done.losses[round] / done.losses[0], 32767);
  }
  EXPECT_EQ(done.result.counters[1].payload_bytes_sent, expected);
}

// Without curvature the laboratory's loss is 0 and tells nothing: FedAvg with the levels of the
// job.
TEST(AdaQuantFl, WithoutNewsOfTheLossItIsFedavg) {
  const std::string flat = "model.curvature=[0]";
  EXPECT_TRUE(same_parameters(run({"algorithm.kind=adaquantfl", flat}).result,
                              run({"algorithm.kind=fedavg", flat}).result));
}

TEST(AdaQuantFl, OfAnotherCodecItIsRefused) {
  for (const char* codec : {"identity", "sign", "top-k:0.1 | qsgd:3"}) {
    EXPECT_THROW(run({"algorithm.kind=adaquantfl", std::string("codec.kind=\"") + codec + '"'}),
                 OperatorError)
        << codec;
  }
}

}  // namespace
}  // namespace kith
