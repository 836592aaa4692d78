// Machines that die, sleep and come back, and lines that are cut, in virtual time: those who are
// left go on within seconds, those who come back take part again, and all end at the same optimum
// (ARCHITECTURE 5: edges as two-party contracts).
#include <gtest/gtest.h>

#include <cmath>

#include "protocol/algorithm.h"
#include "tests/support/faulty_run.h"

namespace kith {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint32_t kNodes = 8;
constexpr Round kRounds = 1000;  // of 0.1 s on average
constexpr NodeId kNobody{kNodes};
constexpr double kMeanOffset = (kNodes - 1) / 2.0;

Job job_of(const std::string& more = "") {
  return parse_job(std::string(kIndexJob) + "[stop]\nrounds = 1000\n" + more);
}

FaultyRun run(const Job& job, std::vector<Fault> faults, uint32_t nodes = kNodes) {
  return run_with(std::move(faults), job, nodes);
}

double undisturbed() {
  static const double end = run(job_of(), {}).end();
  return end;
}

TEST(Faults, WithoutAnyTheBitsAreThoseOfAPerfectCluster) {
  const FaultyRun plain = run(job_of(), {});
  const FaultyRun watched = run(job_of(), {{at(1e9), Fault::Kind::kCrash, NodeId{0}}});
  for (uint32_t i = 0; i < kNodes; ++i) {
    EXPECT_TRUE(std::ranges::equal(plain.result.parameters[i].bytes(),
                                   watched.result.parameters[i].bytes()));
  }
}

// The others go on within 3 s, and find the optimum of those who are left.
TEST(Faults, WhoDiesForGoodIsLeftBehind) {
  const FaultyRun outcome = run(job_of(), {{at(10), Fault::Kind::kCrash, NodeId{3}}});
  ASSERT_FALSE(outcome.stalled);
  EXPECT_LT(outcome.end(), undisturbed() + 3);
  const double optimum = (kMeanOffset * kNodes - 3) / (kNodes - 1);
  double mean = 0;
  for (uint32_t i = 0; i < kNodes; ++i) {
    if (i != 3) mean += outcome.x(i) / (kNodes - 1);
    EXPECT_EQ(outcome.result.finished[i], i != 3);
  }
  EXPECT_NEAR(mean, optimum, 0.02);
}

void expect_all_at_optimum(const FaultyRun& outcome, double tolerance, Round rounds = kRounds) {
  ASSERT_FALSE(outcome.stalled);
  double mean = 0;
  for (uint32_t i = 0; i < kNodes; ++i) {
    EXPECT_TRUE(outcome.result.finished[i]) << i;
    mean += outcome.x(i) / kNodes;
  }
  EXPECT_EQ(outcome.result.rounds, rounds);
  EXPECT_NEAR(mean, kMeanOffset, tolerance);
  for (uint32_t i = 0; i < kNodes; ++i) EXPECT_NEAR(outcome.x(i), kMeanOffset, 10 * tolerance) << i;
}

TEST(Faults, WhoStartsAgainTakesPartAgain) {
  for (uint32_t node : {0u, 5u}) {
    const FaultyRun outcome = run(job_of(), {{at(10), Fault::Kind::kCrash, NodeId{node}},
                                             {at(15), Fault::Kind::kRestart, NodeId{node}}});
    SCOPED_TRACE(node);
    expect_all_at_optimum(outcome, 0.02);
    EXPECT_LT(outcome.end(), undisturbed() + 4);
  }
}

// Before anybody has noticed.
TEST(Faults, WhoStartsAgainAtOnceTakesPartAgain) {
  expect_all_at_optimum(run(job_of(), {{at(10), Fault::Kind::kCrash, NodeId{2}},
                                       {at(10.2), Fault::Kind::kRestart, NodeId{2}}}),
                        0.02);
}

TEST(Faults, WhoSleepsIsWaitedForNoLongerThanSeconds) {
  const FaultyRun outcome = run(job_of(), {{at(10), Fault::Kind::kSleep, NodeId{2}},
                                           {at(30), Fault::Kind::kWake, NodeId{2}}});
  expect_all_at_optimum(outcome, 0.02);
  EXPECT_LT(outcome.end(), undisturbed() + 4);
}

TEST(Faults, APartitionHeals) {
  std::vector<Fault> faults;
  const auto half = [](uint32_t from) {
    return std::vector{NodeId{from}, NodeId{from + 1}, NodeId{from + 2}, NodeId{from + 3}};
  };
  cut_between(half(0), half(4), at(10), seconds(30), faults);
  const FaultyRun outcome = run(job_of(), faults);
  expect_all_at_optimum(outcome, 0.02);
  EXPECT_LT(outcome.end(), undisturbed() + 4);
}

// A line that carries nothing one way holds nobody up for long, and nothing is lost for ever.
TEST(Faults, ALineThatWorksOneWayIsNoTrap) {
  const FaultyRun outcome = run(job_of(), {{at(10), Fault::Kind::kCut, NodeId{1}, NodeId{2}},
                                           {at(40), Fault::Kind::kJoin, NodeId{1}, NodeId{2}}});
  expect_all_at_optimum(outcome, 0.02);
  EXPECT_LT(outcome.end(), undisturbed() + 6);
}

// What goes on, over graphs of all kinds that it goes on over.
struct Family {
  const char* name;
  const char* graph;  // and more of [topology]
  const char* algorithm;
  const char* more = "";
  bool unbiased = true;  // no one-way edges that let who has lost some weigh itself more

  Job job() const {
    return job_of(std::string("[topology]\ngraph = ") + graph +
                  "\n[algorithm]\nkind = " + algorithm + "\n" + more);
  }
};

constexpr const char* kTopK = "[codec]\nkind = \"top-k:0.5\"\n";

const Family kFamilies[] = {
    {"D-PSGD", "\"ring\"", "\"dpsgd\""},
    {"D-PSGD, combine first", "\"torus\"", "\"dpsgd\"\norder = \"cta\""},
    {"D-PSGD, one-way", "\"static-exponential\"", "\"dpsgd\"", "", false},
    {"D-PSGD, one peer", "\"one-peer-exponential\"", "\"dpsgd\"", "", false},
    {"D-PSGD, new graphs", "\"random-regular\"\nevery_round = true", "\"dpsgd\""},
    {"D-PSGD, one model", "\"ring\"", "\"dpsgd\"", "[consensus]\ntolerance = 0.001\n"},
    {"D-PSGD by a rule", "\"torus\"", "\"dpsgd\"",
     "[aggregate]\nkind = \"centred-clipping\"\nradius = 100\n"},
    {"DmSGD", "\"torus\"", "\"dmsgd\"\nbeta = 0.5"},
    {"quasi-global momentum", "\"ring\"", "\"quasi-global-momentum\"\nbeta = 0.5"},
    {"gradient tracking", "\"torus\"", "\"gradient-tracking\""},
    {"gradient tracking, new graphs", "\"random-regular\"\nevery_round = true",
     "\"gradient-tracking\""},
    {"K-GT", "\"torus\"", "\"k-gt\"\nlocal_steps = 2"},
    {"D2", "\"ring\"\nweights = \"lazy-metropolis\"", "\"d2\""},
    {"EXTRA", "\"ring\"", "\"extra\""},
    {"CHOCO", "\"ring\"", "\"choco-sgd\"\ngamma = 0.3", kTopK},
    {"CHOCO, one-way", "\"static-exponential\"", "\"choco-sgd\"\ngamma = 0.3", kTopK, false},
    {"CHOCO, new graphs", "\"random-regular\"\nevery_round = true", "\"choco-sgd\"\ngamma = 0.3",
     kTopK},
    {"BEER", "\"torus\"", "\"beer\"\ngamma = 0.3", kTopK},
    {"EventGraD", "\"torus\"", "\"eventgrad\""},
    {"EventGraD, differences", "\"torus\"",
     "\"eventgrad\"\nmixes = \"differences\"\nthreshold = 0.01\ngamma = 0.7"},
    {"MATCHA", "\"torus\"", "\"matcha\"\nbudget = 0.5"},
    {"MATCHA, coded", "\"torus\"", "\"matcha\"\nbudget = 0.5", kTopK},
    {"SGP", "\"static-exponential\"", "\"sgp\""},
    {"SGP, directed ring", "\"directed-ring\"", "\"sgp\"", "", false},
    {"overlap SGP", "\"static-exponential\"", "\"osgp\"\noverlap = 2"},
    {"AD-PSGD", "\"torus\"", "\"ad-psgd\""},
    {"SwarmSGD", "\"ring\"", "\"swarm-sgd\""},
};

// The mean of those who are left, and how far any of them is from it.
void expect_near(const FaultyRun& outcome, NodeId dead, double optimum, double of_mean,
                 double of_each) {
  ASSERT_FALSE(outcome.stalled);
  double mean = 0;
  for (uint32_t i = 0; i < kNodes; ++i) {
    EXPECT_EQ(outcome.result.finished[i], NodeId{i} != dead) << i;
    if (NodeId{i} == dead) continue;
    mean += outcome.x(i) / (dead == kNobody ? kNodes : kNodes - 1);
    EXPECT_NEAR(outcome.x(i), optimum, of_each) << i;
  }
  EXPECT_NEAR(mean, optimum, of_mean);
}

// Of every family: who dies for good is left behind within 3 s, and the others end at the optimum
// of those who are left.
TEST(FaultsOfFamilies, WhoDiesForGoodIsLeftBehind) {
  for (const Family& family : kFamilies) {
    SCOPED_TRACE(family.name);
    const double clean = run(family.job(), {}).end();
    const FaultyRun outcome =
        run(family.job(), {{at(0.1 * clean), Fault::Kind::kCrash, NodeId{3}}});
    EXPECT_LT(outcome.end(), 1.1 * clean + 4);
    if (!family.unbiased) {
      EXPECT_FALSE(outcome.stalled);
      continue;
    }
    expect_near(outcome, NodeId{3}, (kMeanOffset * kNodes - 3) / (kNodes - 1), 0.1, 0.5);
  }
}

// And who comes back takes part again, until all end at the optimum of all.
TEST(FaultsOfFamilies, WhoStartsAgainTakesPartAgain) {
  for (const Family& family : kFamilies) {
    SCOPED_TRACE(family.name);
    const double clean = run(family.job(), {}).end();
    const FaultyRun outcome =
        run(family.job(), {{at(0.1 * clean), Fault::Kind::kCrash, NodeId{5}},
                           {at(0.1 * clean + 5), Fault::Kind::kRestart, NodeId{5}}});
    EXPECT_LT(outcome.end(), clean + 6);
    expect_near(outcome, kNobody, kMeanOffset, 0.1, 0.5);
  }
}

TEST(FaultsOfFamilies, APartitionHeals) {
  for (const Family& family : kFamilies) {
    SCOPED_TRACE(family.name);
    const double clean = run(family.job(), {}).end();
    std::vector<Fault> faults;
    cut_between({NodeId{0}, NodeId{1}, NodeId{2}, NodeId{3}},
                {NodeId{4}, NodeId{5}, NodeId{6}, NodeId{7}}, at(0.1 * clean), seconds(20), faults);
    const FaultyRun outcome = run(family.job(), faults);
    EXPECT_LT(outcome.end(), clean + 6);
    expect_near(outcome, kNobody, kMeanOffset, 0.1, 0.5);
  }
}

std::vector<Fault> drawn_faults(Rng& rng) {
  return draw_faults(rng, 12, kNodes, [&rng] { return rng.below(kNodes); });
}

// Found by the fault hunter: over edges that go one way a node that hears nobody any more runs
// ahead of one that hears it without bound, and what that one has missed is kept no more. On this
// graph i hears i - 1 and i - 2.
TEST(Faults, WhoIsTooFarBehindToBeToldCatchesUp) {
  const Job job =
      job_of("[algorithm]\nkind = \"sgp\"\n[topology]\ngraph = \"static-exponential\"\n");
  const FaultyRun outcome = run(job,
                                {{at(10), Fault::Kind::kCrash, NodeId{2}},
                                 {at(10), Fault::Kind::kCrash, NodeId{3}},
                                 {at(15), Fault::Kind::kSlow, NodeId{1}, {}, 20},
                                 {at(60), Fault::Kind::kSlow, NodeId{1}, {}, 1}},
                                4);
  ASSERT_FALSE(outcome.stalled);
  EXPECT_TRUE(outcome.result.finished[0] && outcome.result.finished[1]);
}

// Any machines at any moments, over lines that lose messages and let them overtake each other; the
// faults end after 60 s, and all that are alive then end together.
TEST(Faults, NoMomentIsABadOne) {
  constexpr uint64_t kSeeds = 60;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const char* graphs[] = {"ring", "torus", "complete", "binary-tree"};
    Job job = job_of(std::string("[topology]\ngraph = \"") + graphs[rng.below(4)] +
                     "\"\n[algorithm]\nkind = \"" +
                     (rng.below(2) == 0 ? "dpsgd" : "quasi-global-momentum") + "\"\n");
    job.seed = seed;
    job.delays.loss = rng.below(3) == 0 ? 0.05 : 0;
    if (rng.below(2) == 0) {  // rounds are what messages take: who is alone could run ahead
      job.delays.compute = "uniform:0.001:0.003";
      job.delays.latency = 0.05;
      job.rounds = 2500;
    }
    job.delays.jitter = rng.below(2) == 0 ? "exponential:0.01" : "";
    const std::vector<Fault> faults = drawn_faults(rng);
    const FaultyRun outcome = run(job, faults);
    expect_all_at_optimum(outcome, 0.1, job.rounds);
    // Faults cost what they last at most; lost messages have ways of their own.
    const double clean = run(job, {}).end();
    EXPECT_LT(outcome.end(), (job.delays.loss > 0 ? 2 : 1) * clean + 60);
    // And nobody gets to the end by leaving rounds out: without neighbours they are shorter.
    if (job.delays.loss == 0) {
      EXPECT_GT(outcome.end(), 0.8 * clean);
    }
    if (HasFailure()) return;
  }
}

TEST(FaultsOfFamilies, NoMomentIsABadOne) {
  constexpr uint64_t kSeeds = 8;
  for (const Family& family : kFamilies) {
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      SCOPED_TRACE(std::string(family.name) + ", seed " + std::to_string(seed));
      Rng rng(seed, NodeId{1}, Purpose::kTest);
      Job job = family.job();
      job.seed = seed;
      job.delays.loss = rng.below(3) == 0 ? 0.05 : 0;
      job.delays.jitter = rng.below(2) == 0 ? "exponential:0.01" : "";
      const FaultyRun outcome = run(job, drawn_faults(rng));
      // Without rounds in common who has slept for 10 s of 100 is as far behind at the end, where
      // its steps are still four times as long as the others' (cosine), and weighs as much more.
      const double of_mean = algorithm_info(job.algorithm.kind).synchronous ? 0.2 : 1.2;
      expect_near(outcome, kNobody, kMeanOffset, of_mean, 0.4 + of_mean);
      EXPECT_LT(outcome.end(), (job.delays.loss > 0 ? 2 : 1) * run(job, {}).end() + 60);
      if (HasFailure()) break;
    }
  }
}

}  // namespace
}  // namespace kith
