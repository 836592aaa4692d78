// Machines of a star that die, sleep and come back, the hub included, and lines that are cut, in
// virtual time: the others go on within seconds with a hub of their own, those who come back take
// part again, and all end with one model at the optimum of those who are there (issue 6, Build 3).
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/faulty_run.h"
#include "tests/support/simulate.h"

namespace kith {
namespace {

using std::chrono::seconds;

constexpr uint32_t kNodes = 8;
constexpr double kMeanOffset = (kNodes - 1) / 2.0;

Job job_of(const std::string& algorithm, Round rounds = 1000, const std::string& more = "") {
  return parse_job(std::string(kIndexJob) +
                       "[topology]\ngraph = \"star\"\n[stop]\nrounds = " + std::to_string(rounds) +
                       "\n[algorithm]\nkind = \"" + algorithm + "\"\n" + more,
                   {codec_key(algorithm_info(algorithm))});
}

FaultyRun run(const Job& job, std::vector<Fault> faults) {
  return run_with(std::move(faults), job, kNodes);
}

// All that are not `dead` have finished, with one model.
void expect_one_model(const FaultyRun& outcome, std::vector<uint32_t> dead = {}) {
  ASSERT_FALSE(outcome.stalled);
  std::optional<uint32_t> first;
  for (uint32_t i = 0; i < kNodes; ++i) {
    const bool lives = std::ranges::find(dead, i) == dead.end();
    EXPECT_EQ(outcome.result.finished[i], lives) << i;
    if (!lives) continue;
    if (!first) first = i;
    EXPECT_TRUE(std::ranges::equal(outcome.result.parameters[i].bytes(),
                                   outcome.result.parameters[*first].bytes()))
        << i << ": " << outcome.x(i) << " and " << outcome.x(*first);
  }
}

double mean_without(uint32_t node) { return (kMeanOffset * kNodes - node) / (kNodes - 1); }

// Rounds reported one by one, so that a pause is the longest that nothing went on.
Job sync_job() { return job_of("sync", 1000, "[report]\nevery = 1\n"); }

TEST(StarFaults, WithoutAnyTheBitsAreThoseOfAPerfectCluster) {
  for (const char* kind : {"sync", "local-sgd", "scaffold", "signsgd", "streaming-diloco"}) {
    const FaultyRun plain = run(job_of(kind, 100), {});
    const FaultyRun watched = run(job_of(kind, 100), {{at(1e9), Fault::Kind::kCrash, NodeId{0}}});
    EXPECT_TRUE(same_parameters(plain.result, watched.result)) << kind;
    EXPECT_EQ(plain.result.end, watched.result.end) << kind;
  }
}

// Where a round takes seconds because the hub's line is slow, questions and answers stand in line
// behind the models; that is no reason to leave anybody.
TEST(StarFaults, ASlowLineIsNoDeadMachine) {
  for (const char* bandwidth : {"4", "0.5"}) {  // 0.2 and 1.8 s for the hub's models
    const auto job = [&] {
      return parse_job(
          "[model]\nkind = \"quadratic\"\nreplicas = 4000\noffsets = \"index\"\n"
          "[topology]\ngraph = \"star\"\n[algorithm]\nkind = \"sync\"\n"
          "[delays]\ncompute = \"uniform:0.05:0.15\"\nlatency_ms = 40\n"
          "bandwidth_mbit = " +
          std::string(bandwidth) + "\n[stop]\nrounds = 40\n");
    };
    const FaultyRun plain = run(job(), {});
    const FaultyRun watched = run(job(), {{at(1e9), Fault::Kind::kCrash, NodeId{0}}});
    EXPECT_TRUE(same_parameters(plain.result, watched.result)) << bandwidth;
    EXPECT_LT(watched.end(), 1.2 * plain.end()) << bandwidth;
  }
}

TEST(StarFaults, AWorkerThatDiesIsLeftBehind) {
  const FaultyRun outcome = run(sync_job(), {{at(10), Fault::Kind::kCrash, NodeId{7}}});
  expect_one_model(outcome, {7});
  EXPECT_NEAR(outcome.x(0), mean_without(7), 0.02);
  EXPECT_LT(outcome.longest_pause, 3);
  EXPECT_EQ(outcome.reports, 1000u);
}

// As many as die together are left together.
TEST(StarFaults, ManyThatDieAtOnceAreLeftAtOnce) {
  std::vector<Fault> faults;
  for (const uint32_t node : {4, 5, 6, 7}) {
    faults.push_back({at(10), Fault::Kind::kCrash, NodeId{node}});
  }
  const FaultyRun outcome = run(sync_job(), faults);
  expect_one_model(outcome, {4, 5, 6, 7});
  EXPECT_NEAR(outcome.x(0), 1.5, 0.02);
  EXPECT_LT(outcome.longest_pause, 3);
}

TEST(StarFaults, WithoutItsHubAStarHasAnother) {
  const FaultyRun outcome = run(sync_job(), {{at(10), Fault::Kind::kCrash, NodeId{0}}});
  expect_one_model(outcome, {0});
  EXPECT_NEAR(outcome.x(1), mean_without(0), 0.02);
  EXPECT_LT(outcome.longest_pause, 4);
  EXPECT_EQ(outcome.reports, 1000u);
}

// And that one's death is no other case.
TEST(StarFaults, OneHubAfterTheOtherMayDie) {
  std::vector<Fault> faults;
  for (uint32_t node = 0; node < 7; ++node) {
    faults.push_back({at(10.0 * (node + 1)), Fault::Kind::kCrash, NodeId{node}});
  }
  const FaultyRun outcome = run(sync_job(), faults);
  expect_one_model(outcome, {0, 1, 2, 3, 4, 5, 6});
  EXPECT_NEAR(outcome.x(7), 7, 0.2);
  EXPECT_LT(outcome.longest_pause, 4);
  // Who is left alone keeps the pace of before.
  EXPECT_GT(outcome.end(), 0.9 * run(sync_job(), {}).end());
}

void expect_as_undisturbed(const FaultyRun& outcome, const Job& job, double pause) {
  expect_one_model(outcome);
  EXPECT_NEAR(outcome.x(0), kMeanOffset, 0.02);
  EXPECT_LT(outcome.longest_pause, pause);
  EXPECT_EQ(outcome.reports, job.rounds);
}

TEST(StarFaults, WhoStartsAgainTakesPartAgain) {
  for (const uint32_t node : {0u, 5u}) {
    for (const double pause : {0.05, 0.5, 5.0}) {  // before anybody has noticed, and after
      SCOPED_TRACE(std::to_string(node) + " after " + std::to_string(pause));
      const FaultyRun outcome =
          run(sync_job(), {{at(10), Fault::Kind::kCrash, NodeId{node}},
                           {at(10 + pause), Fault::Kind::kRestart, NodeId{node}}});
      expect_as_undisturbed(outcome, sync_job(), 4);
    }
  }
}

TEST(StarFaults, WhoSleepsIsNotWaitedFor) {
  for (const uint32_t node : {0u, 5u}) {
    SCOPED_TRACE(node);
    expect_as_undisturbed(run(sync_job(), {{at(10), Fault::Kind::kSleep, NodeId{node}},
                                           {at(30), Fault::Kind::kWake, NodeId{node}}}),
                          sync_job(), 4);
  }
}

// Each half has a hub; when they meet, all follow one of them.
TEST(StarFaults, APartitionHeals) {
  std::vector<Fault> faults;
  std::vector<NodeId> low;
  std::vector<NodeId> high;
  for (uint32_t i = 0; i < kNodes; ++i) (i < 4 ? low : high).push_back(NodeId{i});
  cut_between(low, high, at(10), seconds(30), faults);
  const FaultyRun outcome = run(sync_job(), faults);
  expect_as_undisturbed(outcome, sync_job(), 4);
}

// Seven on one side, the hub on the other: the model of the many is the one that stays.
TEST(StarFaults, AHubThatWasAloneYieldsToTheMany) {
  std::vector<Fault> faults;
  std::vector<NodeId> others;
  for (uint32_t i = 1; i < kNodes; ++i) others.push_back(NodeId{i});
  cut_between({NodeId{0}}, others, at(10), seconds(30), faults);
  expect_as_undisturbed(run(sync_job(), faults), sync_job(), 4);
}

TEST(StarFaults, ALineThatWorksOneWayIsNoTrap) {
  for (const auto& [from, to] : {std::pair{0u, 3u}, std::pair{3u, 0u}}) {
    SCOPED_TRACE(std::to_string(from) + " to " + std::to_string(to));
    const FaultyRun outcome =
        run(sync_job(), {{at(10), Fault::Kind::kCut, NodeId{from}, NodeId{to}},
                         {at(40), Fault::Kind::kJoin, NodeId{from}, NodeId{to}}});
    expect_as_undisturbed(outcome, sync_job(), 4);
  }
}

// Who comes when all is over hears so, and has the model of the end.
TEST(StarFaults, WhoComesToTheEndHasItsModel) {
  for (const uint32_t node : {0u, 5u}) {
    SCOPED_TRACE(node);
    const double end = run(sync_job(), {}).end();
    std::vector<Fault> faults = {{at(end - 5), Fault::Kind::kSleep, NodeId{node}},
                                 {at(end + 20), Fault::Kind::kWake, NodeId{node}}};
    const FaultyRun outcome = run(sync_job(), faults);
    expect_one_model(outcome);
    EXPECT_LT(outcome.end(), end + 22);
  }
}

// ---- every algorithm with a hub ----

std::vector<std::string> with_a_hub() {
  std::vector<std::string> names;
  for (const AlgorithmInfo* info : all_algorithms()) {
    if (info->needs.star) names.push_back(info->name);
  }
  return names;
}

class StarFaultsOf : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Algorithms, StarFaultsOf, testing::ValuesIn(with_a_hub()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

// So many rounds that a run takes a minute or more, with few steps in each.
Job minute_of(const std::string& algorithm, uint64_t seed = 1) {
  const AlgorithmInfo& info = algorithm_info(algorithm);
  Job job = job_of(algorithm, 100, has_option(info, "local_steps") ? "local_steps = 4\n" : "");
  job.seed = seed;
  const double end = run(job, {}).end();
  job.rounds = static_cast<Round>(std::ceil(100 * 90 / end));
  return job;
}

// As near the optimum as an undisturbed run, give or take. Where the fastest alone count in a round
// it is chance who pulls last.
void expect_as_near(const FaultyRun& outcome, const FaultyRun& undisturbed,
                    const std::string& kind) {
  const double tolerance = algorithm_info(kind).synchronous ? 0.5 : 1;
  EXPECT_LT(std::abs(outcome.x(0) - kMeanOffset),
            std::abs(undisturbed.x(0) - kMeanOffset) + tolerance);
}

TEST_P(StarFaultsOf, ADeadHubAndADeadWorkerAreNoEnd) {
  const Job job = minute_of(GetParam());
  const FaultyRun undisturbed = run(job, {});
  const FaultyRun outcome = run(job, {{at(10), Fault::Kind::kCrash, NodeId{0}},
                                      {at(30), Fault::Kind::kCrash, NodeId{3}},
                                      {at(40), Fault::Kind::kRestart, NodeId{0}},
                                      {at(50), Fault::Kind::kRestart, NodeId{3}}});
  expect_one_model(outcome);
  expect_as_near(outcome, undisturbed, GetParam());
}

// Any machines at any moments, over lines that lose messages and let them overtake each other.
TEST_P(StarFaultsOf, NoMomentIsABadOne) {
  constexpr uint64_t kSeeds = 20;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    Job job = minute_of(GetParam(), seed);
    job.delays.loss = rng.below(3) == 0 ? 0.05 : 0;
    job.delays.jitter = rng.below(2) == 0 ? "exponential:0.01" : "";
    const std::vector<Fault> faults =
        draw_faults(rng, 10, kNodes, [&rng] { return rng.below(rng.below(2) == 0 ? kNodes : 2); });
    const FaultyRun outcome = run(job, faults);
    expect_one_model(outcome);
    const FaultyRun clean = run(job, {});
    expect_as_near(outcome, clean, GetParam());
    // Faults cost what they last at most, and what it takes to notice them.
    EXPECT_LT(outcome.end(), (job.delays.loss > 0 ? 2 : 1.2) * clean.end() + 90);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace kith
