// Views of a star (protocol/view.h): what members are called, which of two views counts, what fits
// into a message, and who becomes the hub of nodes that have none.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "protocol/coordinator/membership.h"
#include "protocol/view.h"
#include "topology/rng.h"

namespace kith {
namespace {

using State = Standing::State;
using Kind = Search::Decision::Kind;

Time at(double s) {
  return Time(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(s)));
}

std::vector<NodeId> nodes(std::initializer_list<uint32_t> ids) {
  std::vector<NodeId> all;
  for (const uint32_t id : ids) all.push_back(NodeId{id});
  return all;
}

View drawn(Rng& rng, uint32_t of) {
  View view{.number = rng.below(3), .from = rng.below(3), .hub = {}, .members = {}};
  for (uint32_t i = 0; i < of; ++i) {
    if (rng.below(2) == 0) view.members.push_back(NodeId{i});
  }
  if (view.members.empty()) view.members.push_back(NodeId{0});
  view.hub = view.members[rng.below(view.members.size())];
  return view;
}

TEST(View, TheFirstOneCallsAllByTheirOwnNames) {
  const View view = first_view(5);
  EXPECT_EQ(view.number, 0u);
  for (uint32_t i = 0; i < 5; ++i) {
    EXPECT_EQ(view.rank_of(NodeId{i}), NodeId{i});
    EXPECT_EQ(view.member_at(NodeId{i}), NodeId{i});
  }
}

TEST(View, TheHubIsCalledZeroAndTheOthersFollowInOrder) {
  const View view{.number = 1, .from = 0, .hub = NodeId{3}, .members = nodes({1, 3, 5, 9})};
  EXPECT_EQ(view.member_at(NodeId{0}), NodeId{3});
  EXPECT_EQ(view.member_at(NodeId{1}), NodeId{1});
  EXPECT_EQ(view.member_at(NodeId{2}), NodeId{5});
  EXPECT_EQ(view.member_at(NodeId{3}), NodeId{9});
  Rng rng(11, NodeId{0}, Purpose::kTest);
  for (int k = 0; k < 200; ++k) {
    const View any = drawn(rng, 9);
    for (const NodeId node : any.members) EXPECT_EQ(any.member_at(any.rank_of(node)), node);
  }
}

// So that those who have heard of the same views are in the same one.
TEST(View, ToBeAboveIsATotalOrder) {
  Rng rng(12, NodeId{0}, Purpose::kTest);
  for (int k = 0; k < 2000; ++k) {
    const View a = drawn(rng, 4);
    const View b = drawn(rng, 4);
    const View c = drawn(rng, 4);
    const bool same = a.number == b.number && a.from == b.from && a.hub == b.hub;
    EXPECT_EQ(a.above(b) + b.above(a), same ? 0 : 1);
    if (a.above(b) && b.above(c)) {
      EXPECT_TRUE(a.above(c));
    }
  }
}

TEST(View, MembersTravelAsOneBitEach) {
  Rng rng(13, NodeId{0}, Purpose::kTest);
  for (uint32_t of = 1; of < 70; ++of) {
    const View view = drawn(rng, of);
    std::vector<std::byte> bytes(member_bytes(of), std::byte{0xff});
    write_members(view, bytes);
    EXPECT_EQ(read_members(bytes, of), view.members);
    EXPECT_LE(bytes.size(), of / 8 + 1);
    std::ranges::fill(bytes, std::byte{0xff});
    EXPECT_EQ(read_members(bytes, of).size(), of);
  }
}

Message said(const Standing& standing) {
  Message message;
  message.from = standing.node;
  message.sequence = standing.view;
  message.round = standing.round;
  message.scalar = packed(standing);
  return message;
}

TEST(Standing, ComesBackFromAMessage) {
  for (const State state : {State::kServed, State::kSeeking, State::kAway, State::kOver}) {
    const Standing standing{.node = NodeId{7},
                            .view = View::kMostNumber,
                            .hub = NodeId{(1u << 20) - 1},
                            .members = 1u << 20,
                            .round = 123,
                            .state = state};
    const auto back = standing_of(said(standing), 1u << 20);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->node, standing.node);
    EXPECT_EQ(back->view, standing.view);
    EXPECT_EQ(back->hub, standing.hub);
    EXPECT_EQ(back->members, standing.members);
    EXPECT_EQ(back->round, standing.round);
    EXPECT_EQ(back->state, standing.state);
  }
}

TEST(Standing, WhatCannotBeIsRefused) {
  const Standing honest{.node = NodeId{1}, .hub = NodeId{2}, .members = 3};
  ASSERT_TRUE(standing_of(said(honest), 4));
  EXPECT_FALSE(standing_of(said(honest), 2)) << "a hub that is no node";
  Standing bad = honest;
  bad.members = 5;
  EXPECT_FALSE(standing_of(said(bad), 4));
  bad.members = 0;
  EXPECT_FALSE(standing_of(said(bad), 4));
  bad = honest;
  bad.view = View::kMostNumber + 1;
  EXPECT_FALSE(standing_of(said(bad), 4));
  Message message = said(honest);
  for (const double scalar : {-1.0, 0.5, 1e300, std::numeric_limits<double>::quiet_NaN(),
                              std::numeric_limits<double>::infinity(), 0x1p53}) {
    message.scalar = scalar;
    EXPECT_FALSE(standing_of(message, 4)) << scalar;
  }
}

Standing seeking(uint32_t node, Round round) {
  return {.node = NodeId{node}, .round = round, .state = State::kSeeking};
}

Standing hub(uint32_t node, uint32_t members, Round round) {
  return {.node = NodeId{node}, .hub = NodeId{node}, .members = members, .round = round};
}

// Of two that know the same the lower one; else the one with the newer model.
TEST(Search, TheBestOfThoseWhoAnswerLeadsOnceItHasHeardThemOut) {
  Search search;
  search.begin(at(10));
  EXPECT_EQ(search.decide(seeking(3, 50), at(10.9)).kind, Kind::kWait);
  search.heard(seeking(5, 50), at(10.9));
  search.heard(seeking(1, 49), at(10.9));
  EXPECT_EQ(search.decide(seeking(3, 50), at(11.1)).kind, Kind::kLead);
  EXPECT_EQ(search.without_hub(at(11.1)), nodes({1, 5}));
  search.heard(seeking(2, 50), at(11.1));
  EXPECT_EQ(search.decide(seeking(3, 50), at(11.2)).kind, Kind::kWait);
  search.heard(seeking(2, 49), at(11.2));
  search.heard(seeking(6, 51), at(11.2));
  EXPECT_EQ(search.decide(seeking(3, 50), at(11.3)).kind, Kind::kWait);
}

TEST(Search, WhoDoesNotAnswerAnyMoreIsNotWaitedFor) {
  Search search;
  search.begin(at(0));
  search.heard(seeking(1, 50), at(1));
  EXPECT_EQ(search.decide(seeking(3, 50), at(1.5)).kind, Kind::kWait);
  EXPECT_EQ(search.decide(seeking(3, 50), at(2.1)).kind, Kind::kLead);
  EXPECT_TRUE(search.without_hub(at(2.1)).empty());
}

TEST(Search, AHubThatAnswersIsJoinedAndOneThatServesOthersWaitedFor) {
  Search search;
  search.begin(at(0));
  Standing served = hub(4, 3, 60);
  served.hub = NodeId{6};
  search.heard(served, at(2));
  EXPECT_EQ(search.decide(seeking(0, 90), at(2)).kind, Kind::kWait);
  search.heard(hub(6, 3, 60), at(2));
  search.heard(hub(2, 2, 70), at(2));
  const Search::Decision decision = search.decide(seeking(0, 90), at(2));
  EXPECT_EQ(decision.kind, Kind::kJoin);
  EXPECT_EQ(decision.to.node, NodeId{6}) << "the one with more members";
  Standing over = hub(3, 1, 100);
  over.state = State::kOver;
  search.heard(over, at(2));
  EXPECT_EQ(search.decide(seeking(0, 90), at(2)).to.node, NodeId{3}) << "and above all the end";
}

TEST(Search, OfTwoHubsExactlyOneIsTheBetter) {
  Rng rng(14, NodeId{0}, Purpose::kTest);
  for (int k = 0; k < 500; ++k) {
    const Standing a = hub(0, 1 + static_cast<uint32_t>(rng.below(3)), rng.below(3));
    const Standing b = hub(1, 1 + static_cast<uint32_t>(rng.below(3)), rng.below(3));
    EXPECT_NE(better_hub(a, b), better_hub(b, a));
  }
  EXPECT_TRUE(better_hub(hub(5, 4, 10), hub(1, 3, 90)));
  EXPECT_TRUE(better_hub(hub(5, 4, 11), hub(1, 4, 10)));
  EXPECT_TRUE(better_hub(hub(1, 4, 10), hub(5, 4, 10)));
}

// Whoever can hear whom: the chains of those who wait for a better one end at one that leads.
TEST(Search, WhereverNodesSeekOneOfThemLeads) {
  constexpr uint32_t kNodes = 7;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    std::vector<Standing> all;
    std::vector<Search> searches(kNodes);
    for (uint32_t i = 0; i < kNodes; ++i) {
      all.push_back(seeking(i, rng.below(3)));
      searches[i].begin(at(0));
    }
    bool linked[kNodes][kNodes] = {};
    for (uint32_t i = 0; i < kNodes; ++i) {
      for (uint32_t j = 0; j < i; ++j) {
        if (rng.below(3) == 0) continue;
        linked[i][j] = linked[j][i] = true;
        searches[i].heard(all[j], at(1));
        searches[j].heard(all[i], at(1));
      }
    }
    for (uint32_t i = 0; i < kNodes; ++i) {
      uint32_t waits = i;
      for (uint32_t steps = 0; steps < kNodes; ++steps) {
        if (searches[waits].decide(all[waits], at(1)).kind == Kind::kLead) break;
        uint32_t next = waits;
        for (uint32_t j = 0; j < kNodes; ++j) {
          if (linked[waits][j] && better_to_lead(all[j], all[next])) next = j;
        }
        ASSERT_NE(next, waits) << "waits for nobody";
        waits = next;
      }
      EXPECT_EQ(searches[waits].decide(all[waits], at(1)).kind, Kind::kLead);
    }
  }
}

TEST(Membership, OptionsThatCountNodesFitTheView) {
  const View view{.number = 1, .from = 9, .hub = NodeId{4}, .members = nodes({1, 2, 4})};
  const AlgorithmInfo& k_sync = algorithm_info("k-sync");
  const Options five("algorithm", k_sync.options, {{"k", int64_t{5}}});
  EXPECT_EQ(options_within(k_sync, five, view).integer("k"), 3);
  const Options two("algorithm", k_sync.options, {{"k", int64_t{2}}});
  EXPECT_EQ(options_within(k_sync, two, view).integer("k"), 2);
  const AlgorithmInfo& fedavg = algorithm_info("fedavg");
  const Options federated(
      "algorithm", fedavg.options,
      {{"participants", int64_t{5}}, {"local_steps", std::vector<double>{10, 11, 12, 13, 14}}});
  const Options within = options_within(fedavg, federated, view);
  EXPECT_EQ(within.integer("participants"), 3);
  EXPECT_EQ(within.numbers("local_steps"), (std::vector<double>{14, 11, 12}));
}

}  // namespace
}  // namespace kith
