// The coordinators of local updates without a learner: what they answer to messages that nobody
// should send, whom they draw, and what an elastic exchange keeps.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "protocol/coordinator/elastic.h"
#include "protocol/coordinator/participants.h"
#include "protocol/coordinator/period.h"
#include "protocol/coordinator/rounds.h"
#include "tests/unit/protocol_cluster.h"
#include "topology/rng.h"

namespace kith {
namespace {

std::unique_ptr<Algorithm> federated(const NodeState& state) {
  return make_rounds(state, {.name = "test", .by_rows = true});
}

std::unique_ptr<Algorithm> sampled(const NodeState& state) {
  return make_rounds(state, {.name = "test", .participants = 2});
}

std::unique_ptr<Algorithm> overlapped(const NodeState& state) {
  return make_rounds(state, {.name = "test", .joining = Joining::kPull, .alpha = 0.5});
}

TEST(Rounds, TheHubRefusesWhatBreaksTheProtocolAndChangesNothing) {
  Cluster cluster(3, "identity", federated);
  cluster.step(0, Start{});
  const Compute work = first<Compute>(cluster.step(1, Start{}));
  const float move[kDimension] = {1, 2, 3, 4, 5};
  const Message good = as_message(1, first<Send>(cluster.compute(1, work, move)));
  const auto changed = [&](auto change) {
    Message message = good;
    change(message);
    return message;
  };
  cluster.refuses(0, changed([](Message& m) { m.kind = 9; }), Reason::kMalformed);
  cluster.refuses(0, changed([](Message& m) { m.kind = 2; }), Reason::kMalformed);
  cluster.refuses(0, changed([](Message& m) { m.round = 1; }), Reason::kTooEarly);
  cluster.refuses(0, changed([](Message& m) { m.payload = {}; }), Reason::kTruncated);
  cluster.refuses(0, changed([](Message& m) { m.scalar = NAN; }), Reason::kNotFinite);
  cluster.step(0, Received{good});
  cluster.refuses(0, good, Reason::kDuplicate);
  // The number of rows: once, a count, without a vector.
  const Message rows = {.from = NodeId{1}, .kind = 3, .scalar = 11, .payload = {}};
  cluster.refuses(0, {.from = NodeId{1}, .kind = 3, .scalar = -1, .payload = {}},
                  Reason::kMalformed);
  cluster.refuses(0, {.from = NodeId{1}, .kind = 3, .scalar = 1e300, .payload = {}},
                  Reason::kMalformed);
  cluster.refuses(0, {.from = NodeId{1}, .kind = 3, .scalar = 1, .payload = good.payload},
                  Reason::kMalformed);
  cluster.step(0, Received{rows});
  cluster.refuses(0, rows, Reason::kDuplicate);
}

TEST(Rounds, AWorkerTakesOneModelFromTheHubAfterItsPart) {
  Cluster cluster(3, "identity", federated);
  const Compute work = first<Compute>(cluster.step(1, Start{}));
  const Message model = {
      .from = NodeId{0}, .kind = 2, .round = 1, .scalar = 4, .payload = cluster.vector(7)};
  cluster.refuses(1, model, Reason::kMalformed);  // before it has added its part
  const float move[kDimension] = {1, 2, 3, 4, 5};
  cluster.compute(1, work, move);
  const auto changed = [&](auto change) {
    Message message = model;
    change(message);
    return message;
  };
  cluster.refuses(1, changed([](Message& m) { m.from = NodeId{2}; }), Reason::kUnknownPeer);
  cluster.refuses(1, changed([](Message& m) { m.kind = 1; }), Reason::kMalformed);
  cluster.refuses(1, changed([](Message& m) { m.round = 101; }), Reason::kMalformed);
  cluster.refuses(1, changed([](Message& m) { m.round = 0; }), Reason::kStale);
  cluster.refuses(1, changed([](Message& m) { m.scalar = 0; }), Reason::kMalformed);
  cluster.refuses(1, changed([](Message& m) { m.scalar = 1.5; }), Reason::kMalformed);
  cluster.refuses(1, changed([](Message& m) { m.scalar = 1e9; }), Reason::kMalformed);
  cluster.refuses(1, changed([](Message& m) { m.scalar = NAN; }), Reason::kMalformed);
  cluster.refuses(1, changed([](Message& m) { m.payload = {}; }), Reason::kMalformed);
  EXPECT_EQ(first<Compute>(cluster.step(1, Received{model})).steps, 4u);
  cluster.refuses(1, model, Reason::kStale);
}

TEST(Rounds, WhoIsNotDrawnIsNotHeard) {
  Cluster cluster(5, "identity", sampled);
  const std::vector<NodeId> drawn = participants(5, 0, 5, 2);
  for (uint32_t i = 1; i < 5; ++i) {
    const bool in = std::ranges::binary_search(drawn, NodeId{i});
    EXPECT_EQ(cluster.step(i, Start{}).size(), in ? 1u : 0u) << i;
    const Message message = {
        .from = NodeId{i}, .kind = 1, .round = 0, .payload = cluster.vector(0)};
    if (!in) cluster.refuses(0, message, Reason::kMalformed);
  }
}

TEST(Rounds, AnAnchorOutOfTurnIsRefused) {
  Cluster cluster(2, "identity", overlapped);
  const Compute work = first<Compute>(cluster.step(1, Start{}));
  const auto anchor = [&](Round round) {
    return Message{.from = NodeId{0}, .kind = 2, .round = round, .payload = cluster.vector(7)};
  };
  cluster.refuses(1, anchor(1), Reason::kMalformed);
  const float move[kDimension] = {};
  cluster.compute(1, work, move);  // contributes to round 0 and goes on
  cluster.refuses(1, anchor(2), Reason::kMalformed);
  cluster.refuses(1, anchor(100), Reason::kMalformed);
  cluster.step(1, Received{anchor(1)});
  cluster.refuses(1, anchor(1), Reason::kStale);
  cluster.refuses(1, anchor(2), Reason::kMalformed);
}

// With all nodes in each round: c - c_i, which the learners are told, sums to zero.
TEST(Scaffold, CorrectionsOfAllNodesCancelWhateverTheCodecLoses) {
  for (const char* codec : {"identity", "bf16", "top-k:0.4", "qsgd:3"}) {
    SCOPED_TRACE(codec);
    Cluster cluster(2, codec, [](const NodeState& state) {
      return make_rounds(state,
                         {.name = "test", .period = {.steps = {3}}, .control_variates = true});
    });
    Rng rng(8, NodeId{0}, Purpose::kTest);
    Compute work[2];
    for (const uint32_t i : {0u, 1u}) work[i] = first<Compute>(cluster.step(i, Start{}));
    EXPECT_FALSE(work[0].rule.correction);
    for (int round = 0; round < 30; ++round) {
      std::vector<float> move(kDimension);
      rng.fill_normal(move);
      cluster.compute(0, work[0], move);
      rng.fill_normal(move);
      const Message up = as_message(1, first<Send>(cluster.compute(1, work[1], move)));
      const std::vector<Effect> news = cluster.step(0, Received{up});
      work[0] = first<Compute>(news);
      for (const Effect& effect : news) {
        const auto* send = std::get_if<Send>(&effect);
        if (send == nullptr) continue;
        const std::vector<Effect>& begun = cluster.step(1, Received{as_message(0, *send)});
        if (!begun.empty()) work[1] = first<Compute>(begun);
      }
      for (size_t j = 0; j < kDimension; ++j) {
        const float own = work[0].rule.correction.floats()[j];
        ASSERT_NEAR(own, -work[1].rule.correction.floats()[j], 1e-4 + 1e-5 * std::abs(own));
      }
    }
  }
}

// With 2 of 4: c_i follows its equation, whoever is in, and the mean of all c_i is the hub's c.
TEST(Scaffold, TheMeanOfAllControlVariatesIsTheHubsWithASampleToo) {
  const uint32_t nodes = 4;
  Cluster cluster(nodes, "identity", [](const NodeState& state) {
    return make_rounds(
        state,
        {.name = "test", .period = {.steps = {3}}, .participants = 2, .control_variates = true});
  });
  Rng rng(8, NodeId{0}, Purpose::kTest);
  std::vector<std::vector<Effect>> begun(nodes);
  for (uint32_t i = 0; i < nodes; ++i) begun[i] = cluster.step(i, Start{});
  std::vector<std::vector<double>> own(nodes, std::vector<double>(kDimension));  // c_i
  std::vector<double> global(kDimension);                                        // c
  for (Round round = 0; round < 30; ++round) {
    std::vector<Effect> news;
    for (const NodeId node : participants(5, round, nodes, 2)) {
      const uint32_t i = index_of(node);
      const Compute work = first<Compute>(begun[i]);
      std::vector<float> move(kDimension);
      rng.fill_normal(move);
      for (size_t j = 0; j < kDimension; ++j) {
        if (round > 0) {
          ASSERT_NEAR(static_cast<double>(work.rule.correction.floats()[j]), global[j] - own[i][j],
                      1e-4);
        }
        own[i][j] += -global[j] - static_cast<double>(move[j]) / 0.3;  // three steps of rate 0.1
      }
      std::vector<Effect> effects = cluster.compute(i, work, move);
      if (i != 0) effects = cluster.step(0, Received{as_message(i, first<Send>(effects))});
      if (!effects.empty()) news = effects;
    }
    for (size_t j = 0; j < kDimension; ++j) {
      global[j] = 0;
      for (const auto& each : own) global[j] += each[j] / nodes;
    }
    begun.assign(nodes, {});
    for (const Effect& effect : news) {
      if (std::holds_alternative<Compute>(effect)) begun[0].push_back(effect);
      const auto* send = std::get_if<Send>(&effect);
      if (send == nullptr) continue;
      const uint32_t to = index_of(send->to);
      if (send->kind == 4) {
        for (size_t j = 0; j < kDimension; ++j) {
          ASSERT_NEAR(static_cast<double>(send->payload.chunk(0).floats()[j]), global[j], 1e-4);
        }
      }
      for (const Effect& answer : cluster.step(to, Received{as_message(0, *send)})) {
        begun[to].push_back(answer);
      }
    }
  }
}

// p_i = n_i / sum n, with rows 10, 11, 12 as the nodes tell; tau_i is 1.5 passes over these in
// batches of 1, of the hub's book-keeping as of the nodes' own.
TEST(Rounds, NodesCountAndWorkByTheirRows) {
  Cluster cluster(3, "identity", [](const NodeState& state) {
    return make_rounds(state, {.name = "test", .period = {.passes = 1.5}, .by_rows = true});
  });
  std::vector<Effect> begun[3];
  for (uint32_t i = 0; i < 3; ++i) begun[i] = cluster.step(i, Start{});
  const uint32_t steps[] = {15, 17, 18};  // 16.5 rounds away from 0
  std::vector<Effect> news;
  for (uint32_t i = 0; i < 3; ++i) {
    const Compute work = first<Compute>(begun[i]);
    EXPECT_EQ(work.steps, steps[i]);
    const std::vector<float> move(kDimension, static_cast<float>(i));
    const std::vector<Effect> done = cluster.compute(i, work, move);
    if (i == 0) continue;
    cluster.step(0, Received{as_message(i, first<Send>(begun[i]))});
    news = cluster.step(0, Received{as_message(i, first<Send>(done))});
  }
  EXPECT_NEAR(cluster.state(0).parameters.floats()[0], (11.0 * 1 + 12.0 * 2) / 33, 1e-6);
  EXPECT_EQ(first<Compute>(news).steps, 15u);
  EXPECT_EQ(first<Compute>(news).first_batch, 15u);
  EXPECT_EQ(first<Send>(news).scalar, 17);
}

TEST(Participants, AreDistinctSortedAndEquallyLikely) {
  const uint32_t nodes = 7;
  const uint32_t count = 3;
  std::vector<int> drawn(nodes);
  std::vector<int> with_first(nodes);
  const Round rounds = 70000;
  for (Round round = 0; round < rounds; ++round) {
    const std::vector<NodeId> set = participants(9, round, nodes, count);
    ASSERT_EQ(set.size(), count);
    ASSERT_TRUE(std::ranges::is_sorted(set, std::less_equal<>()) ||
                std::ranges::adjacent_find(set) == set.end());
    EXPECT_EQ(set, participants(9, round, nodes, count));
    for (const NodeId node : set) {
      ++drawn[index_of(node)];
      if (set.front() == NodeId{0}) ++with_first[index_of(node)];
    }
  }
  // Marginals 3/7, pairs with node 0 (3/7)(2/6): binomial, 4 standard errors, 13 figures.
  const auto expect_share = [&](int seen, double share) {
    const double error = std::sqrt(share * (1 - share) / rounds);
    EXPECT_NEAR(static_cast<double>(seen) / rounds, share, 4 * error);
  };
  for (uint32_t i = 0; i < nodes; ++i) {
    expect_share(drawn[i], 3.0 / 7);
    if (i > 0) expect_share(with_first[i], 1.0 / 7);
  }
  EXPECT_EQ(participants(9, 0, 4, 0).size(), 4u);
}

TEST(Participants, ANodeKnowsItsNextRound) {
  const NodeId node{3};
  Round from = 0;
  for (Round round = 0; round < 100; ++round) {
    if (!std::ranges::binary_search(participants(9, round, 12, 2), node)) continue;
    for (; from <= round; ++from) EXPECT_EQ(next_round_of(node, 9, from, 100, 12, 2), round);
  }
  EXPECT_GT(from, 1u);
  EXPECT_EQ(next_round_of(node, 9, from, 100, 12, 2), 100u);
  EXPECT_EQ(next_round_of(node, 9, 5, 100, 12, 0), 5u);
}

// ---- elastic exchanges ----

// x + z before and after an exchange of node 1 with the hub, whose centre `others` have moved.
TEST(Elastic, AnExchangeKeepsTheSumWhateverTheCodecLoses) {
  for (const char* codec : {"identity", "bf16", "top-k:0.4", "qsgd:1"}) {
    SCOPED_TRACE(codec);
    Cluster cluster(3, codec, [](const NodeState& state) {
      return make_elastic(state, {.name = "test", .alpha = 0.3});
    });
    cluster.step(0, Start{});
    Compute work[3];
    for (const uint32_t i : {1u, 2u}) work[i] = first<Compute>(cluster.step(i, Start{}));
    Rng rng(3, NodeId{0}, Purpose::kTest);
    for (int exchange = 0; exchange < 40; ++exchange) {
      const uint32_t i = 1 + exchange % 2;
      std::vector<float> move(kDimension);
      rng.fill_normal(move);
      std::vector<double> sum(kDimension);
      for (size_t j = 0; j < kDimension; ++j) {
        sum[j] = static_cast<double>(work[i].at.floats()[j]) + move[j] +
                 cluster.state(0).parameters.floats()[j];
      }
      const Send up = first<Send>(cluster.compute(i, work[i], move));
      const Send down = first<Send>(cluster.step(0, Received{as_message(i, up)}));
      work[i] = first<Compute>(cluster.step(i, Received{as_message(0, down)}));
      for (size_t j = 0; j < kDimension; ++j) {
        const double kept =
            static_cast<double>(work[i].at.floats()[j]) + cluster.state(0).parameters.floats()[j];
        ASSERT_NEAR(kept, sum[j], 1e-5) << "exchange " << exchange;
      }
    }
  }
}

// The synchronous form: with steps that lead nowhere, the springs alone move x_i and z.
TEST(Elastic, RoundsKeepTheSumOfAllWhateverTheCodecLoses) {
  for (const char* codec : {"identity", "bf16", "top-k:0.4", "qsgd:1"}) {
    SCOPED_TRACE(codec);
    Cluster cluster(2, codec, [](const NodeState& state) {
      return make_rounds(
          state, {.name = "test", .joining = Joining::kElastic, .alpha = 0.3, .total = 0.6});
    });
    const float apart[2][kDimension] = {{1, -2, 3, 0.5f, 4}, {-2, 1, 5, -1, 0}};
    const float still[kDimension] = {};
    Compute work[2];
    for (const uint32_t i : {0u, 1u}) work[i] = first<Compute>(cluster.step(i, Start{}));
    std::vector<Effect> hub = cluster.compute(0, work[0], apart[0]);
    std::vector<Effect> worker = cluster.compute(1, work[1], apart[1]);
    for (int round = 0; round < 20; ++round) {
      // Both have sent x - z and begun; the sum of the x that they began at and of z is kept.
      work[0] = first<Compute>(hub);
      work[1] = first<Compute>(worker);
      const Send up = first<Send>(worker);
      for (size_t j = 0; j < kDimension; ++j) {
        ASSERT_NEAR(static_cast<double>(work[0].at.floats()[j]) + work[1].at.floats()[j] +
                        cluster.state(0).parameters.floats()[j],
                    apart[0][j] + apart[1][j], 1e-5)
            << "round " << round;
      }
      const Send down = first<Send>(cluster.step(0, Received{as_message(1, up)}));
      cluster.step(1, Received{as_message(0, down)});
      hub = cluster.compute(0, work[0], still);
      worker = cluster.compute(1, work[1], still);
    }
  }
}

TEST(AdaComm, TakesTheRateIntoAccountAndNeverRises) {
  Period period({.steps = {16}, .adapt_every = std::chrono::seconds(10)});
  const NodeState state;
  const auto tau = [&] { return period.steps(state, NodeId{0}, 0, 0); };
  EXPECT_EQ(tau(), 16u);
  period.observe(Time(std::chrono::seconds(3)), 8, 1);
  EXPECT_EQ(tau(), 16u);
  period.observe(Time(std::chrono::seconds(11)), 2, 1);  // sqrt(1/4) 16
  EXPECT_EQ(tau(), 8u);
  period.observe(Time(std::chrono::seconds(19)), 0.1, 1);  // not due
  EXPECT_EQ(tau(), 8u);
  period.observe(Time(std::chrono::seconds(45)), 0.5, 0.5);  // sqrt(2/16) 16 = 5.7
  EXPECT_EQ(tau(), 6u);
  period.observe(Time(std::chrono::seconds(49)), 0.5, 1);  // due again at 50
  EXPECT_EQ(tau(), 6u);
  period.observe(Time(std::chrono::seconds(50)), 99, 1);  // not smaller: half
  EXPECT_EQ(tau(), 3u);
  period.observe(Time(std::chrono::seconds(60)), NAN, 1);
  EXPECT_EQ(tau(), 2u);
}

}  // namespace
}  // namespace kith
