// The coordinator of fragments without a learner: who computes and waits when, what it answers to
// messages that nobody should send, and that error feedback loses nothing
// (coordinator/streaming.h).
#include <gtest/gtest.h>

#include <cmath>

#include "protocol/coordinator/fragments.h"
#include "protocol/coordinator/streaming.h"
#include "tests/unit/protocol_cluster.h"

namespace kith {
namespace {

constexpr float kStill[kDimension] = {};
constexpr float kMove[kDimension] = {1, 2, 3, 4, 5};

// Two fragments, of 3 and 2 values; S = 5.
template <uint32_t overlap>
std::unique_ptr<Algorithm> streaming(const NodeState& state) {
  return make_streaming(
      state, {.name = "test", .fragments = 2, .steps = 5, .overlap = overlap, .alpha = 0.5});
}

Message fragment(Cluster& cluster, Round round, size_t values) {
  const std::vector<float> news(values, 8);
  return {.from = NodeId{0},
          .kind = 2,
          .round = round,
          .payload = copy_of(news, *cluster.state(1).pool)};
}

TEST(Fragments, CoverTheVectorOnceInOrderAndAreNearlyEqual) {
  for (const size_t dimension : {size_t{1}, size_t{7}, size_t{64}, size_t{1000003}}) {
    for (const uint32_t count : {1u, 2u, 3u, 7u, 64u}) {
      if (count > dimension) continue;
      const Fragments fragments(dimension, count);
      size_t next = 0;
      for (uint32_t f = 0; f < count; ++f) {
        EXPECT_EQ(fragments.begin(f), next);
        EXPECT_GE(fragments.size(f), dimension / count);
        EXPECT_LE(fragments.size(f), (dimension + count - 1) / count);
        next += fragments.size(f);
      }
      EXPECT_EQ(next, dimension);
    }
  }
}

// Of a worker with D of S = 5 steps behind a cut, news coming when the worker waits for it.
TEST(Streaming, StepsOfANodeAddUpToSFromCutToCut) {
  const auto steps = [](Cluster::Make make) {
    Cluster cluster(2, "identity", make);
    std::vector<uint32_t> all;
    std::vector<Effect> effects = cluster.step(1, Start{});
    uint64_t next_batch = 0;
    for (Round cuts = 0; cuts < 3;) {
      for (const Effect& effect : effects) {
        if (const auto* send = std::get_if<Send>(&effect)) {
          EXPECT_EQ(send->round, cuts);
          EXPECT_EQ(send->values, cuts % 2 == 0 ? 3u : 2u);
          EXPECT_EQ(send->payload.size(), send->values * sizeof(float));
          all.push_back(0);
          ++cuts;
        }
      }
      if (std::holds_alternative<Compute>(effects.back())) {
        const Compute work = first<Compute>(effects);
        EXPECT_EQ(work.first_batch, next_batch);
        next_batch += work.steps;
        all.push_back(work.steps);
        effects = cluster.compute(1, work, kMove);
        if (!effects.empty()) continue;
      }
      effects = cluster.step(1, Received{fragment(cluster, cuts, cuts % 2 == 1 ? 3 : 2)});
    }
    return all;
  };
  using Steps = std::vector<uint32_t>;  // 0 = a cut; the last one is the third
  EXPECT_EQ(steps(streaming<0>), Steps({5, 0, 5, 0, 5, 0}));
  EXPECT_EQ(steps(streaming<2>), Steps({5, 0, 2, 3, 0, 2, 3, 0, 2}));
  EXPECT_EQ(steps(streaming<5>), Steps({5, 0, 5, 0, 5, 0, 5}));
}

// x_f <- alpha x_f + (1 - alpha) z_f+ whether the news comes before the D steps are done or after.
TEST(Streaming, AMergeIsTheSameWheneverTheNewsCame) {
  for (const bool early : {true, false}) {
    SCOPED_TRACE(early);
    Cluster cluster(2, "identity", streaming<2>);
    const Compute before = first<Compute>(cluster.step(1, Start{}));
    const Compute behind = first<Compute>(cluster.compute(1, before, kMove));
    std::vector<Effect> effects;
    if (early) {
      EXPECT_TRUE(cluster.step(1, Received{fragment(cluster, 1, 3)}).empty());
      effects = cluster.compute(1, behind, kMove);
    } else {
      EXPECT_TRUE(cluster.compute(1, behind, kMove).empty());
      effects = cluster.step(1, Received{fragment(cluster, 1, 3)});
    }
    const std::span<const float> x = first<Compute>(effects).at.floats();
    EXPECT_EQ(std::vector<float>(x.begin(), x.end()), std::vector<float>({5, 6, 7, 8, 10}));
    const std::span<const float> z = cluster.state(1).parameters.floats();
    EXPECT_EQ(std::vector<float>(z.begin(), z.end()), std::vector<float>({8, 8, 8, 0, 0}));
  }
}

// A block that somebody else holds, such as a report's, is left as it is; otherwise z is written in
// place.
TEST(Streaming, WhoeverHoldsTheModelSeesNoChangeAndElseNothingIsCopied) {
  Cluster cluster(1, "identity", streaming<0>);
  Compute work = first<Compute>(cluster.step(0, Start{}));
  const std::vector<Effect> effects = cluster.compute(0, work, kMove);
  const SharedBuffer held = first<Report>(effects).parameters;
  EXPECT_TRUE(held.same_block(cluster.state(0).parameters));
  work = first<Compute>(effects);
  work = first<Compute>(cluster.compute(0, work, kMove));
  EXPECT_EQ(held.floats()[3], 0);
  EXPECT_EQ(held.floats()[0], 1);
  EXPECT_EQ(cluster.state(0).parameters.floats()[3], 8);
  const std::byte* place = cluster.state(0).parameters.data();
  work = first<Compute>(cluster.compute(0, work, kMove));
  EXPECT_EQ(cluster.state(0).parameters.data(), place);
}

TEST(Streaming, TheHubRefusesWhatBreaksTheProtocolAndChangesNothing) {
  Cluster cluster(3, "identity", streaming<2>);
  cluster.step(0, Start{});
  const Compute work = first<Compute>(cluster.step(1, Start{}));
  const Message good = as_message(1, first<Send>(cluster.compute(1, work, kMove)));
  const auto changed = [&](auto change) {
    Message message = good;
    change(message);
    return message;
  };
  cluster.refuses(0, changed([](Message& m) { m.kind = 9; }), Reason::kMalformed);
  cluster.refuses(0, changed([](Message& m) { m.kind = 2; }), Reason::kMalformed);
  cluster.refuses(0, changed([](Message& m) { m.round = 1; }), Reason::kTooEarly);
  cluster.refuses(0, changed([](Message& m) { m.round = 100; }), Reason::kTooEarly);
  cluster.refuses(0, changed([](Message& m) { m.payload = {}; }), Reason::kTruncated);
  cluster.refuses(0, changed([](Message& m) { m.scalar = NAN; }), Reason::kNotFinite);
  // A whole vector, and a fragment of another size.
  cluster.refuses(0, changed([&](Message& m) { m.payload = cluster.vector(1); }),
                  Reason::kOversized);
  cluster.refuses(0, changed([&](Message& m) { m.payload = fragment(cluster, 1, 2).payload; }),
                  Reason::kTruncated);
  cluster.step(0, Received{good});
  cluster.refuses(0, good, Reason::kDuplicate);
}

TEST(Streaming, TheHubRefusesWhatIsOver) {
  Cluster cluster(2, "identity", streaming<0>);
  const Compute own = first<Compute>(cluster.step(0, Start{}));
  const Compute work = first<Compute>(cluster.step(1, Start{}));
  const Message good = as_message(1, first<Send>(cluster.compute(1, work, kMove)));
  cluster.step(0, Received{good});
  EXPECT_EQ(first<Report>(cluster.compute(0, own, kMove)).round, 0u);
  cluster.refuses(0, good, Reason::kStale);
}

TEST(Streaming, AWorkerTakesOneFragmentFromTheHubAfterItsPart) {
  Cluster cluster(3, "identity", streaming<2>);
  const Compute work = first<Compute>(cluster.step(1, Start{}));
  const Message news = fragment(cluster, 1, 3);
  cluster.refuses(1, news, Reason::kMalformed);  // before it has added its part
  const Compute behind = first<Compute>(cluster.compute(1, work, kMove));
  const auto changed = [&](auto change) {
    Message message = news;
    change(message);
    return message;
  };
  cluster.refuses(1, changed([](Message& m) { m.from = NodeId{2}; }), Reason::kUnknownPeer);
  cluster.refuses(1, changed([](Message& m) { m.kind = 1; }), Reason::kMalformed);
  cluster.refuses(1, changed([](Message& m) { m.round = 101; }), Reason::kMalformed);
  cluster.refuses(1, changed([](Message& m) { m.round = 2; }), Reason::kMalformed);
  cluster.refuses(1, changed([](Message& m) { m.round = 0; }), Reason::kStale);
  cluster.refuses(1, changed([](Message& m) { m.payload = {}; }), Reason::kMalformed);
  cluster.refuses(1, changed([&](Message& m) { m.payload = cluster.vector(1); }),
                  Reason::kMalformed);
  cluster.refuses(1, fragment(cluster, 1, 2), Reason::kMalformed);
  cluster.step(1, Received{news});
  cluster.refuses(1, news, Reason::kStale);
  cluster.refuses(1, fragment(cluster, 2, 2), Reason::kMalformed);  // it has not cut that yet
  EXPECT_EQ(first<Compute>(cluster.compute(1, behind, kStill)).steps, 3u);
}

TEST(Streaming, AnAnswerToAnotherTicketIsNoneAndInfinityEndsTheRun) {
  Cluster cluster(2, "identity", streaming<2>);
  Compute work = first<Compute>(cluster.step(1, Start{}));
  work.ticket += 1;
  EXPECT_TRUE(cluster.compute(1, work, kMove).empty());
  work.ticket -= 1;
  EXPECT_EQ(first<Finish>(cluster.step(1, Computed{.ticket = work.ticket,
                                                   .result = cluster.vector(INFINITY),
                                                   .steps = 5,
                                                   .finite = false}))
                .why,
            Finish::Why::kDiverged);
}

template <int quarters>
std::unique_ptr<Algorithm> of_alpha(const NodeState& state) {
  return make_streaming(state, {.name = "test", .alpha = quarters / 4.0});
}

// A node alone moves once by (1, 2, 3, 4, 5), and sends one value of what it has not sent yet in
// each cut: 5, then 4, ..., neither more than once nor less, whatever of it is still in x.
TEST(Streaming, WhatACodecLeavesOutComesOnce) {
  for (const Cluster::Make make : {of_alpha<0>, of_alpha<1>, of_alpha<2>, of_alpha<3>}) {
    Cluster cluster(1, "top-k:1", make, kErrorFeedback);
    Compute work = first<Compute>(cluster.step(0, Start{}));
    std::vector<float> expected(kDimension);
    for (size_t cut = 0; cut < kDimension; ++cut) {
      work = first<Compute>(cluster.compute(0, work, cut == 0 ? kMove : kStill));
      const size_t sent = kDimension - 1 - cut;
      expected[sent] = kMove[sent];
      const std::span<const float> z = cluster.state(0).parameters.floats();
      EXPECT_EQ(std::vector<float>(z.begin(), z.end()), expected) << "cut " << cut;
    }
  }
}

// With an outer step that is averaging: z ends at the mean of all that the nodes moved by, whatever
// the codec left out on the way and whatever alpha, once they stand still. Without error feedback
// and with alpha = 0 it does not.
TEST(Streaming, ErrorFeedbackBringsAllThatACodecLeavesOut) {
  constexpr int kMoving = 14;
  constexpr int kCuts = 1600;
  static double alpha;
  const auto error = [&](const char* codec, bool error_feedback) {
    Cluster cluster(
        2, codec,
        [](const NodeState& state) {
          return make_streaming(state, {.name = "test", .fragments = 2, .alpha = alpha});
        },
        error_feedback ? kErrorFeedback : MemorySpec());
    for (const uint32_t i : {0u, 1u}) cluster.state(i).rounds = kCuts + 1;
    Rng rng(4, NodeId{0}, Purpose::kTest);
    Compute work[2];
    for (const uint32_t i : {0u, 1u}) work[i] = first<Compute>(cluster.step(i, Start{}));
    std::vector<double> moved(kDimension);
    for (int cut = 0; cut < kCuts; ++cut) {
      std::vector<float> move[2] = {std::vector<float>(kDimension), std::vector<float>(kDimension)};
      for (std::vector<float>& each : move) {
        if (cut < kMoving) rng.fill_normal(each);
        for (size_t j = 0; j < kDimension; ++j) moved[j] += static_cast<double>(each[j]) / 2;
      }
      cluster.compute(0, work[0], move[0]);
      const Send up = first<Send>(cluster.compute(1, work[1], move[1]));
      const std::vector<Effect> news = cluster.step(0, Received{as_message(1, up)});
      work[0] = first<Compute>(news);
      work[1] = first<Compute>(cluster.step(1, Received{as_message(0, first<Send>(news))}));
    }
    double most = 0;
    for (size_t j = 0; j < kDimension; ++j) {
      const double z = static_cast<double>(cluster.state(0).parameters.floats()[j]);
      most = std::max(most, std::abs(z - moved[j]));
    }
    return most;
  };
  for (const char* codec : {"identity", "bf16", "top-k:0.4", "qsgd:3"}) {
    for (const double each : {0.0, 0.3, 0.9}) {
      SCOPED_TRACE(std::string(codec) + ", alpha " + std::to_string(each) + ", seed 4");
      alpha = each;
      EXPECT_LT(error(codec, true), 5e-5);
    }
  }
  alpha = 0;
  EXPECT_GT(error("top-k:0.4", false), 0.1);
}

}  // namespace
}  // namespace kith
