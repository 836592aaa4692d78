// The swarm's table in the simulator, and the hunt for its faults: what is drawn, that drawn faults
// do no lasting harm, and that a table with a known defect is found.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "daemon/sim/chaos/swarm_hunt.h"
#include "daemon/sim/simulated_swarm.h"

namespace kith {
namespace {

using chaos::DrawnSwarm;
using chaos::Finding;
using chaos::SwarmHunt;
using std::chrono::milliseconds;
using Kind = Fault::Kind;

Time at(double s) { return Time(from_seconds(s)); }

SwarmSettings near(uint32_t nodes) {
  SwarmSettings settings;
  settings.seed = 1;
  settings.distance.assign(nodes, milliseconds(1));
  return settings;
}

// What `observer` has learnt of `subject`, in order.
std::vector<swarm::State> learnt(const std::vector<SwarmChange>& changes, uint32_t observer,
                                 uint32_t subject) {
  std::vector<swarm::State> states;
  for (const SwarmChange& change : changes) {
    if (change.observer == NodeId{observer} && change.subject == NodeId{subject}) {
      states.push_back(change.state);
    }
  }
  return states;
}

using enum swarm::State;

TEST(SimulatedSwarm, WhoCrashesIsSuspectedDeadAndTakenBack) {
  SimulatedSwarm swarm(near(4));
  swarm.run(at(20));
  EXPECT_EQ(swarm.disagreement(), std::nullopt);
  swarm.go_wrong({at(20), Kind::kCrash, NodeId{2}});
  EXPECT_NE(swarm.disagreement(), std::nullopt);
  swarm.run(at(60));
  EXPECT_EQ(swarm.disagreement(), std::nullopt);
  swarm.go_wrong({at(60), Kind::kRestart, NodeId{2}});
  swarm.run(at(80));
  EXPECT_EQ(swarm.disagreement(), std::nullopt);
  EXPECT_EQ(learnt(swarm.take_changes(), 0, 2), (std::vector{kAlive, kSuspect, kDead, kAlive}));
}

// A clock that runs at half or twice the rate is nobody's death, and each shows another time.
TEST(SimulatedSwarm, AWrongClockIsNoDeath) {
  SimulatedSwarm swarm(near(5));
  swarm.run(at(20));
  swarm.take_changes();
  swarm.go_wrong({at(20), Kind::kSkew, NodeId{1}, {}, 2});
  swarm.go_wrong({at(20), Kind::kSkew, NodeId{3}, {}, 0.5});
  swarm.run(at(200));
  EXPECT_TRUE(swarm.take_changes().empty());
}

TEST(SimulatedSwarm, WhoSleepsHearsWhatHasComeMeanwhileFirst) {
  SimulatedSwarm swarm(near(3));
  swarm.run(at(20));
  swarm.take_changes();
  swarm.go_wrong({at(20), Kind::kSleep, NodeId{1}});
  swarm.run(at(60));
  swarm.go_wrong({at(60), Kind::kWake, NodeId{1}});
  swarm.run(at(90));
  EXPECT_EQ(swarm.disagreement(), std::nullopt);
  const std::vector<SwarmChange> changes = swarm.take_changes();
  EXPECT_EQ(learnt(changes, 0, 1), (std::vector{kSuspect, kDead, kAlive}));
  EXPECT_TRUE(learnt(changes, 1, 0).empty()) << "it has blamed another for its own absence";
}

// ---- the hunt ----

TEST(SwarmHunt, TheSameSeedIsTheSameSwarm) {
  std::set<Kind> kinds;
  std::set<uint32_t> sizes;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    const DrawnSwarm drawn = chaos::draw_swarm(seed);
    const DrawnSwarm again = chaos::draw_swarm(seed);
    EXPECT_EQ(drawn.settings.distance, again.settings.distance);
    EXPECT_EQ(drawn.settings.first_host, again.settings.first_host);
    ASSERT_EQ(drawn.faults.size(), again.faults.size());
    FaultState end(drawn.nodes());
    for (size_t i = 0; i < drawn.faults.size(); ++i) {
      EXPECT_EQ(drawn.faults[i].at, again.faults[i].at);
      EXPECT_EQ(drawn.faults[i].kind, again.faults[i].kind);
      kinds.insert(drawn.faults[i].kind);
      end.apply(drawn.faults[i]);
    }
    EXPECT_FALSE(end.down(drawn.settings.first_host));
    sizes.insert(drawn.nodes());
  }
  EXPECT_EQ(kinds.size(), static_cast<size_t>(Kind::kFreeDisk) + 1);
  EXPECT_EQ(sizes.size(), 15u) << "2 to 16";
}

TEST(SwarmHunt, WhatGoesWrongDoesNoLastingHarm) {
  uint64_t events = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SwarmHunt hunt(chaos::draw_swarm(seed));
    const Finding finding = hunt.chase(seed % 20 == 0);
    EXPECT_EQ(finding.kind, Finding::Kind::kNone) << "seed " << seed << ": " << finding.what;
    events += hunt.events();
  }
  std::printf("  %llu events\n", static_cast<unsigned long long>(events));
}

// How many of so many seeds find that a policy is bad.
size_t found(const swarm::Policy& policy, Finding::Kind kind) {
  size_t count = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    DrawnSwarm drawn = chaos::draw_swarm(seed);
    drawn.settings.policy = policy;
    count += SwarmHunt(std::move(drawn)).chase(false).kind == kind;
  }
  std::printf("  found by %zu of 100 seeds\n", count);
  return count;
}

TEST(SwarmHunt, FindsATableThatDoesNotAskWhoIsGone) {
  swarm::Policy policy;
  policy.look_back_every = policy.sync_every = 1'000'000;  // periods
  EXPECT_GT(found(policy, Finding::Kind::kNoProgress), 0u);
}

TEST(SwarmHunt, FindsATableThatIsNotPatientWithFarMachines) {
  swarm::Policy policy;
  policy.ceiling = policy.initial = milliseconds(100);
  EXPECT_GT(found(policy, Finding::Kind::kWrong), 0u);
}

}  // namespace
}  // namespace kith
