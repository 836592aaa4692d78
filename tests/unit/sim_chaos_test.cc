// The fault hunter hunted: what it draws, that each of its checkers finds the bug that it is for,
// and that a hunt tells a wrong result and a standstill from a sound run.
#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <map>
#include <set>

#include "daemon/sim/chaos/checkers.h"
#include "daemon/sim/chaos/draw.h"
#include "daemon/sim/chaos/hunt.h"
#include "tests/support/simulate.h"

namespace kith::chaos {
namespace {

using Kind = Fault::Kind;

constexpr Time kUntil{std::chrono::seconds(50)};

Time at(double s) { return Time(from_seconds(s)); }

// ---- what is drawn ----

TEST(Draw, TheSameSeedIsTheSameCase) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const DrawnJob drawn = draw_job(seed, 0);
    EXPECT_EQ(drawn.toml, draw_job(seed, 0).toml);
    EXPECT_NE(drawn.toml, draw_job(seed, 1).toml);
    const Job job = parse_job(drawn.toml);
    const std::vector<Fault> faults = draw_faults(seed, job, drawn.nodes, kUntil);
    const std::vector<Fault> again = draw_faults(seed, job, drawn.nodes, kUntil);
    ASSERT_EQ(faults.size(), again.size());
    for (size_t i = 0; i < faults.size(); ++i) {
      EXPECT_EQ(faults[i].at, again[i].at);
      EXPECT_EQ(faults[i].kind, again[i].kind);
      EXPECT_EQ(faults[i].node, again[i].node);
      EXPECT_EQ(faults[i].amount, again[i].amount);
    }
  }
}

// A new algorithm is hunted without a line here.
TEST(Draw, EveryAlgorithmAndEveryKindOfFaultComesUp) {
  std::set<std::string> algorithms;
  std::set<std::string> graphs;
  std::set<Kind> kinds;
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    const DrawnJob drawn = draw_job(seed, 0);
    ASSERT_GE(drawn.nodes, 2u);
    ASSERT_LE(drawn.nodes, 16u);
    const Job job = parse_job(drawn.toml);
    EXPECT_NO_THROW(validate(job, drawn.nodes));
    algorithms.insert(job.algorithm.kind);
    graphs.insert(job.graph.kind);
    for (const Fault& fault : draw_faults(seed, job, drawn.nodes, kUntil)) kinds.insert(fault.kind);
  }
  for (const AlgorithmInfo* info : all_algorithms()) EXPECT_TRUE(algorithms.contains(info->name));
  EXPECT_GE(graphs.size(), 15u);
  EXPECT_EQ(kinds.size(), static_cast<size_t>(Kind::kFreeDisk) + 1);
}

// Faults are over by then; who is down is never everybody where others go on, and who waits for the
// dead gets them back.
TEST(Draw, FaultsLeaveSomethingToConvergeTo) {
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const DrawnJob drawn = draw_job(seed, 0);
    const Job job = parse_job(drawn.toml);
    const std::shared_ptr<const Graph> graph = make_graph(job, drawn.nodes);
    const bool on = goes_on(job, *graph);
    FaultState state(drawn.nodes);
    Time last{};
    for (const Fault& fault : draw_faults(seed, job, drawn.nodes, kUntil)) {
      EXPECT_GE(fault.at, last);
      EXPECT_LE(fault.at, kUntil);
      last = fault.at;
      state.apply(fault);
      uint32_t up = 0;
      for (uint32_t i = 0; i < drawn.nodes; ++i) up += state.down(NodeId{i}) ? 0 : 1;
      EXPECT_TRUE(!on || up > 0);
      EXPECT_TRUE(on || fault.kind != Kind::kRestart);
    }
    for (uint32_t i = 0; i < drawn.nodes; ++i) {
      const FaultState::Machine& machine = state.of(NodeId{i});
      EXPECT_FALSE(machine.down && !on);
      EXPECT_TRUE(machine.down || !machine.asleep);
      EXPECT_FALSE(machine.full_disk);
      EXPECT_EQ(machine.slow, 1);
      EXPECT_EQ(machine.skew, 1);
      EXPECT_EQ(machine.loses + machine.doubles + machine.delays + machine.damages, 0);
      for (uint32_t j = 0; j < drawn.nodes; ++j) EXPECT_FALSE(state.cut(NodeId{i}, NodeId{j}));
    }
    if (HasFailure()) return;
  }
}

// ---- the checkers: each finds what it is for, in a run that is otherwise as it should be ----

// Three nodes on a path 0 - 1 - 2, that hear their neighbours.
class PathCheckers : public ::testing::Test {
 protected:
  Checkers checkers{{.nodes = 3,
                     .lead = 1,
                     .hears = {{NodeId{1}}, {NodeId{0}, NodeId{2}}, {NodeId{1}}},
                     .watched = true,
                     .most_bytes = 1000,
                     .views = false},
                    {},
                    {}};

  Glimpse glimpse(uint32_t node, Round round) {
    return {.node = NodeId{node},
            .now = at(1),
            .round = round,
            .computing = true,
            .timers = 1,
            .waits_for = {},
            .left = {},
            .parameters = x};
  }
  void all_reach(Round round) {
    for (Round r = 0; r <= round; ++r) {
      for (uint32_t i = 0; i < 3; ++i) checkers.stepped(glimpse(i, r));
    }
    ASSERT_EQ(checkers.finding(), "");
  }
  void expect_found(const std::string& what) {
    EXPECT_NE(checkers.finding().find(what), std::string::npos) << checkers.finding();
  }

  std::vector<float> x = {1, 2};
};

TEST_F(PathCheckers, ANodeThatFallsBack) {
  all_reach(5);
  checkers.stepped(glimpse(2, 4));
  expect_found("node 2 fell back from round 5 to 4");
}

TEST_F(PathCheckers, ANewLifeMayBeginAnywhere) {
  all_reach(5);
  checkers.crashed(NodeId{2});
  checkers.began_again(glimpse(2, 0));
  checkers.stepped(glimpse(2, 0));
  EXPECT_EQ(checkers.finding(), "");
}

TEST_F(PathCheckers, ANodeThatDoesNotWaitForItsNeighbour) {
  all_reach(5);
  checkers.stepped(glimpse(0, 6));
  EXPECT_EQ(checkers.finding(), "");
  checkers.stepped(glimpse(0, 7));
  expect_found("node 0 is in round 7, more than 1 ahead of node 1");
}

TEST_F(PathCheckers, AnEdgeThatWasLeftHoldsNobody) {
  all_reach(5);
  checkers.edge_changed(NodeId{0}, NodeId{1}, false, 5);
  checkers.stepped(glimpse(0, 30));
  EXPECT_EQ(checkers.finding(), "");
  EXPECT_FALSE(checkers.untouched());
  // Both ends agree again, from round 32 on.
  checkers.edge_changed(NodeId{0}, NodeId{1}, true, 32);
  checkers.edge_changed(NodeId{1}, NodeId{0}, true, 32);
  checkers.stepped(glimpse(0, 32));
  EXPECT_EQ(checkers.finding(), "");
  checkers.stepped(glimpse(0, 33));
  expect_found("node 0 is in round 33");
}

// A state that was kept while the edge was left still says so.
TEST_F(PathCheckers, WhoGoesBackKnowsWhomItHadLeft) {
  all_reach(5);
  const std::vector<NodeId> left = {NodeId{1}};
  for (uint32_t i = 0; i < 3; ++i) {
    Glimpse again = glimpse(i, 3);
    if (i == 0) again.left = left;
    checkers.crashed(NodeId{i});
    checkers.began_again(again);
  }
  checkers.all_went_back();
  for (uint32_t i = 0; i < 3; ++i) checkers.stepped(glimpse(i, 3));
  checkers.stepped(glimpse(0, 5));
  EXPECT_EQ(checkers.finding(), "");
  checkers.stepped(glimpse(2, 5));
  expect_found("node 2 is in round 5, more than 1 ahead of node 1");
}

// Who starts again by itself has lost what it knew, and the others' bits are not those of a sound
// run.
TEST_F(PathCheckers, WhatGoesBackTogetherIsUntouched) {
  all_reach(3);
  EXPECT_TRUE(checkers.untouched());
  checkers.crashed(NodeId{2});
  EXPECT_FALSE(checkers.untouched());
  checkers.began_again(glimpse(2, 1));
  checkers.all_went_back();
  checkers.stepped(glimpse(2, 1));
  EXPECT_TRUE(checkers.untouched());
  checkers.crashed(NodeId{2});
  checkers.began_again(glimpse(2, 0));
  checkers.stepped(glimpse(2, 0));
  checkers.all_went_back();
  EXPECT_FALSE(checkers.untouched());
}

TEST_F(PathCheckers, AStarWithAnotherHubMayLoseRounds) {
  Checkers of_star({.nodes = 2,
                    .lead = 1,
                    .hears = {{}, {}},
                    .watched = true,
                    .most_bytes = 1000,
                    .views = true},
                   {}, {});
  of_star.stepped(glimpse(1, 5));
  Glimpse seeks = glimpse(1, 3);
  seeks.computing = false;
  of_star.stepped(seeks);
  EXPECT_EQ(of_star.finding(), "");
  seeks.timers = 0;
  of_star.stepped(seeks);
  EXPECT_NE(of_star.finding(), "");
}

TEST_F(PathCheckers, ANodeThatNothingWillWake) {
  Glimpse still = glimpse(1, 0);
  still.timers = 0;
  checkers.stepped(still);
  expect_found("node 1 has no timer pending");
  EXPECT_TRUE(checkers.stuck());
}

TEST_F(PathCheckers, ANodeThatWaitsForNobody) {
  Glimpse still = glimpse(1, 0);
  still.computing = false;
  const std::vector<NodeId> peers = {NodeId{0}};
  still.waits_for = peers;
  checkers.stepped(still);
  EXPECT_EQ(checkers.finding(), "");
  still.waits_for = {};
  still.timers = 2;  // one of its algorithm's
  checkers.stepped(still);
  EXPECT_EQ(checkers.finding(), "");
  still.timers = 1;
  checkers.stepped(still);
  expect_found("node 1 neither computes nor waits for anybody");
  EXPECT_TRUE(checkers.stuck());
}

TEST_F(PathCheckers, TalkWithoutEnd) {
  all_reach(1);
  for (int i = 0; i < 1'000'010; ++i) checkers.stepped(glimpse(0, 1));
  expect_found("nobody has ended a round");
  EXPECT_TRUE(checkers.stuck());
}

TEST_F(PathCheckers, ANumberThatIsNotFinite) {
  all_reach(1);
  const std::vector<float> bad = {1, std::numeric_limits<float>::quiet_NaN()};
  Glimpse broken = glimpse(1, 1);
  broken.parameters = bad;
  checkers.stepped(broken);
  expect_found("node 1 holds a number that is not finite");
}

TEST_F(PathCheckers, AMessageFromNowhere) {
  Glimpse one = glimpse(0, 0);
  one.messages_sent = 3;
  checkers.stepped(one);
  Glimpse other = glimpse(1, 0);
  other.messages_received = 4;
  other.messages_doubled = 1;
  checkers.stepped(other);
  EXPECT_EQ(checkers.finding(), "");
  other.messages_received = 5;
  checkers.stepped(other);
  expect_found("received one more than the 3 messages sent and 1 doubled");
}

TEST_F(PathCheckers, MemoryThatGrows) {
  Glimpse one = glimpse(0, 0);
  one.live_bytes = 1001;
  checkers.stepped(one);
  expect_found("1001 bytes");
}

TEST_F(PathCheckers, AModelThatMovesWhenItIsDone) {
  all_reach(1);
  Glimpse done = glimpse(0, 1);
  done.finished = true;
  checkers.stepped(done);
  EXPECT_EQ(checkers.finding(), "");
  const std::vector<float> moved = x;
  done.parameters = moved;
  checkers.stepped(done);
  expect_found("node 0 moved when it was done");
}

// ---- sums over all nodes ----

Job job_of(const std::string& algorithm, const std::string& more = "") {
  return parse_job(R"(
    [model]
    kind = "quadratic"
    replicas = 4
    offset = [1, 2, 3, 6]
    [train]
    learning_rate = 0.1
    [delays]
    compute = "uniform:0.05:0.15"
    [checkpoint]
    every = 1
    [stop]
    rounds = 40
    [topology]
    graph = "complete"
    [algorithm]
    kind = ")" + algorithm +
                   "\"\n" + more);
}

// What all nodes keep in a run, by round and node.
using Kept = std::map<Round, std::map<NodeId, Checkpoint>>;

struct KeepAll final : Observer {
  Kept kept;
  void stepped(const Glimpse&) override {}
  void checkpoint(NodeId node, const Checkpoint& checkpoint) override {
    kept[checkpoint.round].insert_or_assign(node, checkpoint);
  }
};

struct Laboratory {
  explicit Laboratory(const Job& of, uint32_t count = 4)
      : job(of),
        nodes(count),
        model(model_info("quadratic").make({}, nodes, job.model.options)),
        plan(make_plan(job, nodes, *model, 0)) {}

  SimulationResult run(Observer& observer) {
    SimulationSettings settings;
    settings.threads = 1;
    settings.observer = &observer;
    return simulate(job, nodes, *model, nullptr, settings);
  }

  Job job;
  uint32_t nodes;
  std::unique_ptr<Model> model;
  Plan plan;
};

std::string first_wrong(Sums& sums, const Kept& kept) {
  for (const auto& [round, states] : kept) {
    for (const auto& [node, checkpoint] : states) {
      const std::string wrong = sums.add(node, checkpoint);
      if (!wrong.empty()) return wrong;
    }
  }
  return "";
}

// `change` is done to what node 2 keeps of round 20.
template <class Change>
std::string wrong_with(const std::string& algorithm, const Change& change) {
  Laboratory laboratory(job_of(algorithm));
  KeepAll all;
  laboratory.run(all);
  Sums sound(sum_rules_of(laboratory.plan), laboratory.nodes);
  EXPECT_EQ(first_wrong(sound, all.kept), "") << algorithm;
  EXPECT_GE(sound.cuts(), 38u) << algorithm;
  change(*all.kept.at(20).at(NodeId{2}).state);
  Sums broken(sum_rules_of(laboratory.plan), laboratory.nodes);
  return first_wrong(broken, all.kept);
}

template <class Name>
auto shifted(const Name& name) {
  return [name](Archive& state) {
    static Pool pool;
    Buffer moved = pool.acquire_floats(4);
    const std::span<const float> old = state.vectors.at(name).floats();
    for (size_t j = 0; j < 4; ++j) moved.floats()[j] = old[j] + 0.1f;
    state.vectors[name] = std::move(moved).freeze();
  };
}

TEST(Sums, OfTrackersThatAreNotZero) {
  const std::map<std::string, std::string> vectors = {{"gradient-tracking", "algorithm.rest"},
                                                      {"beer", "algorithm.rest"},
                                                      {"k-gt", "algorithm.correction"},
                                                      {"extra", "algorithm.differences"},
                                                      {"d2", "algorithm.moved"}};
  for (const auto& [algorithm, vector] : vectors) {
    EXPECT_NE(wrong_with(algorithm, shifted(vector)).find("must be 0"), std::string::npos)
        << algorithm;
  }
}

TEST(Sums, OfWeightsThatWereLost) {
  for (const char* algorithm : {"sgp", "osgp"}) {
    const std::string wrong = wrong_with(algorithm, [](Archive& state) {
      state.words.at("algorithm.w")[0] = std::bit_cast<uint64_t>(0.9);
    });
    EXPECT_NE(wrong.find("weights sum to"), std::string::npos) << algorithm << ": " << wrong;
  }
}

TEST(Sums, OfModelsThatMovedByThemselves) {
  for (const char* algorithm : {"dpsgd", "choco-sgd", "matcha", "consensus"}) {
    const std::string wrong = wrong_with(algorithm, shifted(std::string("parameters")));
    EXPECT_NE(wrong.find("the mean of all models"), std::string::npos) << algorithm;
  }
}

// ---- a hunt ----

struct HuntedRun {
  explicit HuntedRun(const Job& of, uint32_t nodes = 4)
      : laboratory(of, nodes), hunt(laboratory.job, nodes, *laboratory.model, nullptr) {}
  Laboratory laboratory;
  Hunt hunt;
};

Job long_job(const std::string& silent) {
  Job job = job_of("dpsgd");
  job.when_silent = silent;
  job.rounds = 400;
  job.train.optimizer.schedule.kind = Schedule::Kind::kCosine;
  return job;
}

TEST(Hunt, WhatDoesNotReachTheMathematicsEndsWithTheBits) {
  HuntedRun run(long_job("wait"));
  ASSERT_TRUE(run.hunt.fit());
  const std::vector<Fault> faults = {{at(1), Kind::kSleep, NodeId{0}},
                                     {at(2), Kind::kLose, NodeId{1}, {}, 0.3},
                                     {at(2), Kind::kDouble, NodeId{2}, {}, 0.5},
                                     {at(2), Kind::kDamage, NodeId{3}, {}, 0.2},
                                     {at(2), Kind::kDelay, NodeId{0}, {}, 0.2},
                                     {at(3), Kind::kSlow, NodeId{1}, {}, 5},
                                     {at(3), Kind::kSkew, NodeId{2}, {}, 0.5},
                                     {at(4), Kind::kWake, NodeId{0}},
                                     {at(5), Kind::kCrash, NodeId{3}},
                                     {at(6), Kind::kGoBack},
                                     {at(6), Kind::kLose, NodeId{1}, {}, 0},
                                     {at(6), Kind::kDouble, NodeId{2}, {}, 0},
                                     {at(6), Kind::kDamage, NodeId{3}, {}, 0},
                                     {at(6), Kind::kDelay, NodeId{0}, {}, 0},
                                     {at(6), Kind::kSlow, NodeId{1}, {}, 1},
                                     {at(6), Kind::kSkew, NodeId{2}, {}, 1},
                                     {at(7), Kind::kFullDisk, NodeId{1}},
                                     {at(9), Kind::kCrash, NodeId{0}},
                                     {at(10), Kind::kGoBack}};
  const Finding finding = run.hunt.chase(faults, true);
  EXPECT_EQ(finding.kind, Finding::Kind::kNone) << finding.what;
  EXPECT_EQ(finding.what, "the bits of a sound run, twice the same");
}

TEST(Hunt, WhoIsWaitedForInVainIsNoProgress) {
  HuntedRun run(long_job("wait"));
  const Finding finding = run.hunt.chase({{at(5), Kind::kCrash, NodeId{3}}}, false);
  EXPECT_EQ(finding.kind, Finding::Kind::kNoProgress) << finding.what;
}

TEST(Hunt, WhoIsPartedForGoodEndsElsewhere) {
  HuntedRun run(long_job("go-on"));
  std::vector<Fault> faults;
  cut_between({NodeId{0}, NodeId{1}}, {NodeId{2}, NodeId{3}}, Time{}, std::chrono::hours(10),
              faults);
  std::erase_if(faults, [](const Fault& fault) { return fault.kind == Kind::kJoin; });
  const Finding finding = run.hunt.chase(faults, false);
  EXPECT_EQ(finding.kind, Finding::Kind::kWrong) << finding.what;
  EXPECT_NE(finding.what.find("from the optimum"), std::string::npos);
}

TEST(Hunt, WhoDiesForGoodIsNotCounted) {
  HuntedRun run(long_job("go-on"));
  const Finding finding = run.hunt.chase({{at(5), Kind::kCrash, NodeId{3}}}, true);
  EXPECT_EQ(finding.kind, Finding::Kind::kNone) << finding.what;
}

// A learner that remembers what it was asked before.
struct Fickle final : Model {
  const Model& model;
  mutable uint64_t asked = 0;

  explicit Fickle(const Model& honest) : model(honest) {}
  size_t parameters() const override { return model.parameters(); }
  Layout tensors() const override { return model.tensors(); }
  void initialise(Rng& rng, std::span<float> x) const override { model.initialise(rng, x); }
  double gradient(std::span<const float> x, const Batch& batch, std::span<float> gradient,
                  Workspace& workspace) const override {
    const double loss = model.gradient(x, batch, gradient, workspace);
    if (++asked % 7 == 0) gradient[0] += 1e-3f;
    return loss;
  }
  Score score(std::span<const float> x, const Batch& batch, Workspace& workspace) const override {
    return model.score(x, batch, workspace);
  }
  bool needs_data() const override { return false; }
};

TEST(Hunt, ADrawThatIsNoFunctionOfItsSeedIsFound) {
  Laboratory laboratory(long_job("wait"));
  const Fickle fickle(*laboratory.model);
  Hunt hunt(laboratory.job, 4, fickle, nullptr);
  const Finding finding = hunt.chase(
      {{at(5), Kind::kSlow, NodeId{3}, {}, 7}, {at(6), Kind::kSlow, NodeId{3}, {}, 1}}, false);
  EXPECT_EQ(finding.kind, Finding::Kind::kWrong);
  EXPECT_NE(finding.what.find("the bits are others"), std::string::npos) << finding.what;
}

}  // namespace
}  // namespace kith::chaos
