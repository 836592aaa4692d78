// What faults do to single messages, disks and timers of simulated machines.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "daemon/sim/damage.h"
#include "daemon/sim/disks.h"
#include "daemon/sim/faulty_lines.h"
#include "daemon/sim/virtual_timers.h"
#include "tests/support/simulate.h"

namespace kith {
namespace {

using Kind = Fault::Kind;

Message message_of(Pool& pool, size_t bytes) {
  Payload payload;
  if (bytes > 0) payload = Payload(std::move(pool.acquire(bytes)).freeze());
  return {.from = NodeId{0},
          .to = NodeId{1},
          .kind = 1,
          .round = 7,
          .sequence = 8,
          .payload = std::move(payload)};
}

// damage() itself asserts that the format refuses what it must.
TEST(Damage, IsRefusedForWhatItIs) {
  Pool pool;
  Rng rng(1, NodeId{0}, Purpose::kTest);
  std::set<Reason> reasons;
  for (int i = 0; i < 10'000; ++i) {
    reasons.insert(damage(message_of(pool, i % 3 == 0 ? 0 : 40), rng, pool).reason());
  }
  for (const Reason reason :
       {Reason::kTruncated, Reason::kOversized, Reason::kMalformed, Reason::kWrongVersion}) {
    EXPECT_TRUE(reasons.contains(reason)) << reason_name(reason);
  }
  EXPECT_FALSE(reasons.contains(Reason::kOk));
}

// 4000 draws: five standard errors.
TEST(FaultyLines, DoToTheSendersMessagesWhatIsSaid) {
  Pool pool;
  FaultState state(2);
  FaultyLines lines(state, 2, 5);
  const Time when(std::chrono::seconds(3));
  const Message message = message_of(pool, 40);
  const auto spoil = [&](Rng& rng) { return damage(message, rng, pool); };
  const auto share = [&](auto happens) {
    int count = 0;
    for (int i = 0; i < 4000; ++i) {
      count += happens(lines.pass(message.from, message.to, when, spoil)) ? 1 : 0;
    }
    return count / 4000.0;
  };
  using Passage = FaultyLines::Passage;
  const auto arrives = [&](const Passage& passage) { return passage.arrives == when; };
  EXPECT_EQ(share(arrives), 1);
  state.apply({{}, Kind::kLose, NodeId{0}, {}, 0.3});
  EXPECT_NEAR(share(arrives), 0.7, 5 * std::sqrt(0.21 / 4000));
  state.apply({{}, Kind::kLose, NodeId{0}, {}, 0});
  state.apply({{}, Kind::kDamage, NodeId{0}, {}, 0.2});
  EXPECT_NEAR(share([](const Passage& passage) { return !passage.refused.ok(); }), 0.2,
              5 * std::sqrt(0.16 / 4000));
  state.apply({{}, Kind::kDamage, NodeId{0}, {}, 0});
  state.apply({{}, Kind::kDouble, NodeId{0}, {}, 0.25});
  const uint64_t before = lines.doubled();
  EXPECT_NEAR(share([](const Passage& passage) { return passage.again.has_value(); }), 0.25,
              5 * std::sqrt(0.1875 / 4000));
  EXPECT_NEAR(static_cast<double>(lines.doubled() - before) / 4000, 0.25, 0.04);
  state.apply({{}, Kind::kDouble, NodeId{0}, {}, 0});
  state.apply({{}, Kind::kDelay, NodeId{0}, {}, 2});
  EXPECT_NEAR(share([&](const Passage& passage) {
                EXPECT_GE(*passage.arrives, when);
                EXPECT_LE(*passage.arrives, when + std::chrono::seconds(2));
                return *passage.arrives < when + std::chrono::seconds(1);
              }),
              0.5, 5 * 0.5 / std::sqrt(4000.0));
  state.apply({{}, Kind::kCut, NodeId{0}, NodeId{1}});
  EXPECT_EQ(share([](const Passage& passage) { return passage.arrives.has_value(); }), 0);
}

Checkpoint state_of(Restart restart, Pool& pool) {
  auto archive = std::make_shared<Archive>(Archive::Direction::kWrite, 4, pool);
  archive->number("round", restart.round);
  return {restart, std::move(archive), 5};
}

Round round_in(const std::shared_ptr<Archive>& archive) { return archive->words.at("round")[0]; }

TEST(Disks, GoBackToTheLatestRoundThatAllHave) {
  Pool pool;
  Disks disks(2, 1);
  EXPECT_TRUE(disks.fitting(4, pool).empty());
  for (const Round round : {5, 10, 15}) disks.keep(NodeId{0}, state_of(round, pool));
  EXPECT_TRUE(disks.fitting(4, pool).empty());
  for (const Round round : {5, 10}) disks.keep(NodeId{1}, state_of(round, pool));
  const auto fitting = disks.fitting(4, pool);
  ASSERT_EQ(fitting.size(), 2u);
  EXPECT_EQ(round_in(fitting[0]), 10u);
  EXPECT_EQ(round_in(fitting[1]), 10u);
}

TEST(Disks, OneStateServesAllRoundsThatItsMachineIsNotIn) {
  Pool pool;
  Disks disks(2, 1);
  for (const Round round : {5, 10, 15}) disks.keep(NodeId{0}, state_of(round, pool));
  for (const Restart restart : {Restart(7, 8), Restart(9, 11), Restart(12, 14)}) {
    disks.keep(NodeId{1}, state_of(restart, pool));
  }
  const auto fitting = disks.fitting(4, pool);
  ASSERT_EQ(fitting.size(), 2u);
  EXPECT_EQ(round_in(fitting[0]), 10u);
  EXPECT_EQ(round_in(fitting[1]), 9u);
}

TEST(VirtualTimers, MovingOneVoidsItsFirstTime) {
  VirtualTimers timers(1);
  const Time one(std::chrono::seconds(1));
  const Time two(std::chrono::seconds(2));
  timers.set(NodeId{0}, 7, one);
  timers.set(NodeId{0}, 7, two);
  timers.set(NodeId{0}, 8, one);
  EXPECT_EQ(timers.pending(NodeId{0}), 2u);
  EXPECT_FALSE(timers.take(NodeId{0}, 7, one));
  EXPECT_TRUE(timers.take(NodeId{0}, 8, one));
  EXPECT_TRUE(timers.take(NodeId{0}, 7, two));
  EXPECT_FALSE(timers.take(NodeId{0}, 7, two));
  EXPECT_EQ(timers.pending(NodeId{0}), 0u);
}

// Found by the hunter: who computes again and again without a pause (k-batch-sync) never waited
// long enough since it had computed last to ask for the news that it had lost. With enough nodes
// all of them ended up at old models, their gradients good for nothing, for ever.
TEST(Repair, WhoComputesWhileItWaitsAsksAllTheSame) {
  bool stalled = false;
  uint64_t asked = 0;
  SimulationSettings settings;
  settings.threads = 1;
  settings.cancelled = [&] { return stalled = ++asked > 1000; };  // a million events: of 80,000
  const SimulationResult result = simulate_text(R"(
    [job]
    seed = 3
    [model]
    kind = "quadratic"
    [algorithm]
    kind = "k-batch-sync"
    k = 3
    [topology]
    graph = "star"
    [delays]
    compute = "uniform:0.0025:0.0075"
    latency_ms = 49
    jitter = "uniform:0:0.05"
    loss = 0.04
    [train]
    learning_rate = 0.02
    [stop]
    rounds = 500
  )",
                                                14, {}, settings);
  EXPECT_FALSE(stalled);
  EXPECT_EQ(result.rounds, 500u);
}

}  // namespace
}  // namespace kith
