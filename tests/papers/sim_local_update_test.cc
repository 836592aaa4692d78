// The local-update family (Wang, Joshi 2018; McMahan et al. 2017; Wang et al. 2019 and 2020)
// through the simulator: what reduces to what, bit for bit, periods, bytes, and what is refused
// (ALGORITHMS 2B).
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/simulate.h"

namespace kith {
namespace {

// Unequal data, noise of both kinds: nothing that an algorithm could get right by chance.
const std::string kJob = R"(
[job]
seed = 3
[model]
kind = "quadratic"
replicas = 300
offsets = "index"
noise = 0.5
slope_noise = 0.2
curvature = [0.5, 0.8, 1.1, 1.4, 0.9]
start = 1.5
[train]
learning_rate = 0.07
[topology]
graph = "star"
[delays]
compute = "exponential:0.01"
[stop]
rounds = 12
)";
constexpr uint32_t kNodes = 5;

SimulationResult run(const std::string& kind, std::vector<std::string> more = {}) {
  more.push_back("algorithm.kind=\"" + kind + '"');
  return simulate_text(kJob, kNodes, more);
}

// Largest distance between the two models, in units in the last place of the larger value.
double ulps_apart(const SimulationResult& a, const SimulationResult& b) {
  double most = 0;
  for (size_t j = 0; j < a.parameters[0].floats().size(); ++j) {
    const float x = a.parameters[0].floats()[j];
    const float y = b.parameters[0].floats()[j];
    const float larger = std::max(std::abs(x), std::abs(y));
    const float ulp = std::nextafter(larger, INFINITY) - larger;
    most = std::max(most, std::abs(static_cast<double>(x) - y) / ulp);
  }
  return most;
}

// ---- what reduces to what ----

// One rounding apart in a step: sync rounds the mean of gradients, local SGD that of displacements,
// and each rounds x once more. Through later steps a difference shrinks by 1 - eta h < 1.
TEST(LocalSgd, WithOneStepIsSynchronousSgdToARoundingAStep) {
  const SimulationResult local = run("local-sgd", {"algorithm.local_steps=1", "stop.rounds=1"});
  const SimulationResult sync = run("sync", {"stop.rounds=1"});
  EXPECT_LE(ulps_apart(local, sync), 1);
  const SimulationResult later = run("local-sgd", {"algorithm.local_steps=1"});
  EXPECT_LE(ulps_apart(later, run("sync")), 12);
}

TEST(LocalSgd, ReplicasAreEqualAndTheRoundIsTheMeanOfLocalModels) {
  const SimulationResult result = run("local-sgd", {"algorithm.local_steps=4"});
  for (const SharedBuffer& x : result.parameters) {
    EXPECT_TRUE(std::ranges::equal(x.bytes(), result.parameters[0].bytes()));
  }
  // The mean of five gossiping nodes on a complete graph, where W = J (Cooperative SGD).
  const SimulationResult gossip =
      run("dpsgd", {"algorithm.local_steps=4", "topology.graph=\"complete\""});
  for (size_t j = 0; j < 300; ++j) {
    ASSERT_NEAR(result.parameters[0].floats()[j], gossip.parameters[0].floats()[j], 1e-5);
  }
}

TEST(FedAvg, WithAllNodesAndEqualStepsIsLocalSgdBitForBit) {
  const SimulationResult local = run("local-sgd", {"algorithm.local_steps=4"});
  for (const char* codec : {"codec.kind=\"identity\"", "codec.kind=\"bf16\""}) {
    const SimulationResult reference = run("local-sgd", {"algorithm.local_steps=4", codec});
    for (const char* weighting : {"rows", "equal"}) {
      EXPECT_TRUE(same_parameters(
          reference, run("fedavg", {"algorithm.local_steps=4", codec,
                                    std::string("algorithm.weighting=\"") + weighting + '"'})));
    }
  }
  EXPECT_TRUE(same_parameters(
      local, run("fedavg", {"algorithm.local_steps=[4,4,4,4,4]", "algorithm.participants=5"})));
  EXPECT_FALSE(same_parameters(local, run("fedavg", {"algorithm.local_steps=[4,4,4,4,3]"})));
  EXPECT_FALSE(same_parameters(
      local, run("fedavg", {"algorithm.local_steps=4", "algorithm.participants=4"})));
}

TEST(FedProx, WithoutPullIsFedAvgBitForBit) {
  const std::vector<std::string> keys = {"algorithm.local_steps=[4,1,2,3,5]",
                                         "algorithm.participants=3"};
  std::vector<std::string> without = keys;
  without.push_back("algorithm.mu=0");
  EXPECT_TRUE(same_parameters(run("fedavg", keys), run("fedprox", without)));
  std::vector<std::string> with = keys;
  with.push_back("algorithm.mu=0.5");
  EXPECT_FALSE(same_parameters(run("fedavg", keys), run("fedprox", with)));
}

TEST(FedNova, WithEqualStepsIsFedAvgBitForBit) {
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{}, {"algorithm.participants=3"}, {"codec.kind=\"fp16\""}}) {
    std::vector<std::string> keys = {"algorithm.local_steps=4"};
    keys.insert(keys.end(), more.begin(), more.end());
    EXPECT_TRUE(same_parameters(run("fedavg", keys), run("fednova", keys)));
  }
  const std::vector<std::string> unequal = {"algorithm.local_steps=[1,2,3,4,5]"};
  EXPECT_FALSE(same_parameters(run("fedavg", unequal), run("fednova", unequal)));
}

TEST(SlowMo, WithoutMomentumAndWithUnitStepIsLocalSgdBitForBit) {
  const std::vector<std::string> steps = {"algorithm.local_steps=4", "train.schedule=\"cosine\"",
                                          "train.floor=0.1"};
  std::vector<std::string> keys = steps;
  keys.insert(keys.end(), {"algorithm.beta=0", "algorithm.alpha=1"});
  EXPECT_TRUE(same_parameters(run("local-sgd", steps), run("slowmo", keys)));
  keys.push_back("algorithm.beta=0.1");
  EXPECT_FALSE(same_parameters(run("local-sgd", steps), run("slowmo", keys)));
}

// tau = 1: v+ = beta v + g, x+ = x - alpha eta v+.
TEST(SlowMo, WithOneStepIsSgdWithMomentum) {
  const SimulationResult slow = run("slowmo", {"algorithm.local_steps=1", "algorithm.beta=0.8",
                                               "algorithm.alpha=1", "stop.rounds=40"});
  EXPECT_LE(ulps_apart(slow, run("sync", {"train.momentum=0.8", "stop.rounds=40"})), 200);
  const SimulationResult half = run("slowmo", {"algorithm.local_steps=1", "algorithm.beta=0.8",
                                               "algorithm.alpha=0.5", "stop.rounds=40"});
  // The local steps need the full rate, so half the slow one is half the rate of momentum SGD.
  EXPECT_LE(ulps_apart(half, run("sync", {"train.momentum=0.8", "stop.rounds=40",
                                          "train.learning_rate=0.035"})),
            200);
}

// u is in units of gradients: when the rate falls to a tenth, so does the step that momentum makes.
TEST(SlowMo, MomentumSurvivesAChangeOfTheRate) {
  const std::vector<std::string> falling = {"train.schedule=\"step\"", "train.milestones=[0.5]",
                                            "train.factor=0.1", "stop.rounds=40"};
  std::vector<std::string> slow = falling;
  slow.insert(slow.end(), {"algorithm.local_steps=1", "algorithm.beta=0.8"});
  std::vector<std::string> sync = falling;
  sync.push_back("train.momentum=0.8");
  EXPECT_LE(ulps_apart(run("slowmo", slow), run("sync", sync)), 200);
}

TEST(DiLoCo, WithPlainOuterStepIsFedAvgBitForBit) {
  const SimulationResult plain = run(
      "diloco",
      {"algorithm.local_steps=4", "algorithm.outer_learning_rate=1", "algorithm.outer_momentum=0"});
  EXPECT_TRUE(same_parameters(plain, run("fedavg", {"algorithm.local_steps=4"})));
}

// H = 1: D = eta g, so this is Nesterov's SGD with rate lr eta.
TEST(DiLoCo, WithOneStepIsNesterovSgd) {
  const SimulationResult outer =
      run("diloco", {"algorithm.local_steps=1", "algorithm.outer_learning_rate=0.5",
                     "algorithm.outer_momentum=0.9", "stop.rounds=40"});
  EXPECT_LE(ulps_apart(outer, run("sync", {"train.momentum=0.9", "train.nesterov=true",
                                           "train.learning_rate=0.035", "stop.rounds=40"})),
            200);
}

// ---- periods ----

uint64_t batches_after(Round rounds, std::vector<std::string> keys) {
  keys.push_back("stop.rounds=" + std::to_string(rounds));
  return run("local-sgd", std::move(keys)).counters[0].batches;
}

// R rounds with a share s of the batches in single steps: T = R / (s + (1 - s) / tau).
TEST(LocalSgd, PostLocalSwitchesAtItsShareOfTheBatches) {
  // T = 30 / (0.5 + 0.5 / 5) = 50: 25 single steps, then 5 rounds of 5.
  EXPECT_EQ(batches_after(30, {"algorithm.local_steps=5", "algorithm.post_local=0.5"}), 50u);
  EXPECT_EQ(batches_after(30, {"algorithm.local_steps=5", "algorithm.post_local=1"}), 30u);
  EXPECT_EQ(batches_after(30, {"algorithm.local_steps=5"}), 150u);
  // Up to the switch it is local SGD with tau = 1.
  const SimulationResult single = run("local-sgd", {"algorithm.local_steps=1", "stop.rounds=30"});
  EXPECT_TRUE(same_parameters(
      single,
      run("local-sgd", {"algorithm.local_steps=5", "algorithm.post_local=1", "stop.rounds=30"})));
}

// Stages of 6, 3, 2 and 1 steps, each a quarter of the batches: T = 4 R / (1/6 + 1/3 + 1/2 + 1).
TEST(LocalSgd, StagesShareTheBatchesEqually) {
  EXPECT_EQ(batches_after(24, {"algorithm.stages=[6,3,2,1]"}), 48u);
  EXPECT_TRUE(same_parameters(run("local-sgd", {"algorithm.stages=[4]"}),
                              run("local-sgd", {"algorithm.local_steps=4"})));
}

// ---- momentum of the local steps ----

TEST(LocalSgd, KeepsMomentumFromRoundToRoundUnlessToldToResetIt) {
  const std::vector<std::string> keys = {"algorithm.local_steps=3", "train.momentum=0.9"};
  std::vector<std::string> fresh = keys;
  fresh.push_back("algorithm.reset_optimizer=true");
  EXPECT_FALSE(same_parameters(run("local-sgd", keys), run("local-sgd", fresh)));
  std::vector<std::string> first = keys;
  first.push_back("stop.rounds=1");
  fresh.push_back("stop.rounds=1");
  EXPECT_TRUE(same_parameters(run("local-sgd", first), run("local-sgd", fresh)));
}

// ---- bytes, losses, bad values ----

TEST(FedAvg, SendsOneVectorUpAndOneDownForEachParticipant) {
  const SimulationResult result = run("fedavg", {"algorithm.participants=2"});
  uint64_t up = 0;
  for (uint32_t i = 1; i < kNodes; ++i) up += result.counters[i].payload_bytes_sent;
  const uint64_t vector = 300 * sizeof(float);
  // The hub's own vectors do not travel; at the end everybody gets the model.
  EXPECT_EQ(up % vector, 0u);
  EXPECT_LE(up, 12 * 2 * vector);
  EXPECT_GE(up, 12 * vector);
  EXPECT_LE(result.counters[0].payload_bytes_sent, up + (kNodes - 1) * vector);
  // Not so the numbers of rows, which are messages without a vector.
  for (const NodeCounters& counters : result.counters) {
    EXPECT_EQ(counters.uncompressed_bytes_sent, counters.payload_bytes_sent);
  }
}

TEST(FedAvg, WithASampleSurvivesLossesWithTheSameBits) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::string with_seed = "job.seed=" + std::to_string(seed);
    const SimulationResult calm = run("fedavg", {"algorithm.participants=2", with_seed});
    const SimulationResult lossy =
        run("fedavg", {"algorithm.participants=2", with_seed, "delays.loss=0.3"});
    EXPECT_TRUE(same_parameters(calm, lossy));
  }
}

void expect_refusal(const std::vector<std::string>& keys, const std::string& sentence) {
  try {
    validate(parse_job(kJob, keys), kNodes);
    FAIL() << "not refused: " << sentence;
  } catch (const OperatorError& error) {
    EXPECT_EQ(std::string(error.what()), sentence);
  }
}

TEST(LocalUpdate, RefusesBadValuesWithASentence) {
  expect_refusal({"algorithm.kind=\"local-sgd\"", "algorithm.local_steps=0"},
                 "algorithm.local_steps is 0, but must be between 1 and 1048576");
  expect_refusal({"algorithm.kind=\"local-sgd\"", "algorithm.stages=[4,2.5]"},
                 "algorithm.stages is [4, 2.5], but steps are whole numbers");
  expect_refusal(
      {"algorithm.kind=\"local-sgd\"", "algorithm.stages=[4]", "algorithm.post_local=0.5"},
      "algorithm.stages and algorithm.post_local both say how the period changes: set one");
  expect_refusal({"algorithm.kind=\"fedavg\"", "algorithm.local_steps=[1,0,1,1,1]"},
                 "algorithm.local_steps is 0, but must be between 1 and 1048576");
  expect_refusal({"algorithm.kind=\"fedavg\"", "algorithm.local_steps=[1,2,3]"},
                 "algorithm.local_steps has 3 numbers, but must have one, or one for each of the 5 "
                 "nodes");
  expect_refusal({"algorithm.kind=\"fedavg\"", "algorithm.local_steps=1.5"},
                 "algorithm.local_steps is [1.5], but steps are whole numbers");
  expect_refusal({"algorithm.kind=\"fedavg\"", "algorithm.participants=6"},
                 "algorithm.participants is 6, but there are 5 nodes: it must be between 0 (all) "
                 "and 5");
}

}  // namespace
}  // namespace kith
