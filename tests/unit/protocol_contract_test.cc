// Contracts of an edge (protocol/contract.h): whatever a network does to what the two ends say,
// they never count on each other by different terms for longer than it takes to say so, and once it
// is well they are together again.
#include <gtest/gtest.h>

#include <deque>

#include "protocol/buffer.h"
#include "protocol/contract.h"
#include "topology/rng.h"

namespace kith {
namespace {

constexpr NodeId kLow{1};
constexpr NodeId kHigh{2};
constexpr Round kLast = 1'000'000;

Contracts left(NodeId self, NodeId peer) {
  Contracts contracts(self, {peer});
  contracts.leave(peer);
  return contracts;
}

TEST(Contracts, BeginInForce) {
  Contracts contracts(kLow, {kHigh});
  EXPECT_TRUE(contracts.in_force(kHigh));
  EXPECT_TRUE(contracts.all_in_force());
  EXPECT_EQ(contracts.terms(kHigh), (Contracts::Terms{0, 0}));
  contracts.leave(kHigh);
  contracts.leave(kHigh);
  EXPECT_FALSE(contracts.all_in_force());
}

TEST(Contracts, AProposalLiesBeyondBothAndBindsOnlyOnceAccepted) {
  Contracts low = left(kLow, kHigh);
  Contracts high = left(kHigh, kLow);
  const Contracts::Terms terms = high.propose(kLow, 0, 10, 17, kLast);
  EXPECT_EQ(terms.number, 1u);
  EXPECT_GT(terms.from, 17u);
  EXPECT_FALSE(high.in_force(kLow));
  EXPECT_EQ(low.accept(kHigh, terms, 10), Contracts::Outcome::kInForce);
  EXPECT_EQ(low.accept(kHigh, terms, 10), Contracts::Outcome::kKnown);
  EXPECT_EQ(high.accepted(kLow, 2, 17), Contracts::Outcome::kNoMatter);
  EXPECT_EQ(high.accepted(kLow, 1, 17), Contracts::Outcome::kInForce);
  EXPECT_EQ(high.terms(kLow), low.terms(kHigh));
}

TEST(Contracts, WhatIsTooLateIsProposedAgainForLater) {
  Contracts low = left(kLow, kHigh);
  Contracts high = left(kHigh, kLow);
  const Contracts::Terms first = high.propose(kLow, 0, 10, 10, kLast);
  EXPECT_EQ(low.accept(kHigh, first, first.from), Contracts::Outcome::kTooLate);
  const Contracts::Terms second = high.propose(kLow, low.known(kHigh), first.from, 10, kLast);
  EXPECT_GT(second.number, first.number);
  EXPECT_GT(second.from - first.from, first.from - 10) << "more time than before";
  EXPECT_EQ(high.accepted(kLow, first.number, 10), Contracts::Outcome::kNoMatter);
}

// What is in force at `node` with the other end of the edge, kept and read by a node that begins
// with `fresh`.
Contracts read_again(Contracts& kept, NodeId node, NodeId peer, uint64_t fresh) {
  Pool pool;
  Archive written(Archive::Direction::kWrite, 1, pool);
  kept.persist(written);
  Archive archive(Archive::Direction::kRead, 1, pool);
  archive.words = written.words;
  Contracts contracts(node, {peer});
  contracts.begin_with(fresh);
  contracts.persist(archive);
  EXPECT_TRUE(archive.ok());
  return contracts;
}

// All go back to a round in which one end was a moment before a new contract and the other a moment
// behind it: with one number each would wait for messages that the other does not send it.
TEST(Contracts, OfAStateThatWasKeptAreTheSameOnlyWhereTheyWere) {
  for (const uint64_t fresh : {0, 77}) {
    Contracts low = left(kLow, kHigh);
    Contracts high = left(kHigh, kLow);
    Contracts before(kLow, {kHigh});
    const Contracts::Terms terms = high.propose(kLow, 0, 10, 17, kLast);
    ASSERT_EQ(low.accept(kHigh, terms, 10), Contracts::Outcome::kInForce);
    ASSERT_EQ(high.accepted(kLow, terms.number, 17), Contracts::Outcome::kInForce);
    const Contracts low_again = read_again(low, kLow, kHigh, fresh);
    const Contracts high_again = read_again(high, kHigh, kLow, fresh);
    const Contracts before_again = read_again(before, kLow, kHigh, fresh);
    EXPECT_TRUE(low_again.in_force(kHigh) && before_again.in_force(kHigh));
    EXPECT_EQ(low_again.terms(kHigh).number, high_again.terms(kLow).number);
    EXPECT_NE(before_again.terms(kHigh).number, high_again.terms(kLow).number);
    EXPECT_EQ(before_again.terms(kHigh).number, fresh);
    EXPECT_LE(high_again.terms(kLow).number, Contracts::kFresh);
  }
}

// A node that has slept finds many offers, and all of them are old.
TEST(Contracts, ManyOffersAreNoReasonToWaitLonger) {
  Contracts high = left(kHigh, kLow);
  Contracts::Terms terms;
  for (Round round = 10; round < 500; ++round) terms = high.propose(kLow, 0, round, 7, kLast);
  EXPECT_LT(terms.from, 510u);
}

TEST(Contracts, NothingIsProposedBeyondTheEnd) {
  Contracts high = left(kHigh, kLow);
  EXPECT_EQ(high.propose(kLow, 0, 99, 98, 100).from, 100u);
}

// Two ends with a clock each, and a network that loses, doubles and reorders for a while.
class TwoEnds {
 public:
  explicit TwoEnds(uint64_t seed) : rng_(seed, NodeId{0}, Purpose::kTest) {}

  void go(int steps, double trouble) {
    for (int i = 0; i < steps; ++i) {
      const size_t end = rng_.below(2);
      ++rounds_[end];
      if (rng_.uniform() < 0.05 * trouble) table(end).leave(other(end));
      if (!table(end).in_force(other(end)) && rng_.below(3) == 0) {
        say(end, {Kind::kOffer, {table(end).known(other(end)), rounds_[end]}}, trouble);
      }
      while (!wire_.empty() && (trouble == 0 || rng_.below(3) > 0)) deliver(trouble);
    }
  }

  bool together() {
    return table(0).in_force(kHigh) && table(1).in_force(kLow) &&
           table(0).terms(kHigh) == table(1).terms(kLow);
  }
  // Each counts on the other by terms of its own: what their messages would show at once.
  bool at_odds() { return table(0).in_force(kHigh) && table(1).in_force(kLow) && !together(); }
  // The end with the older terms has had a question of the newer: Node offers then.
  void notice() {
    const bool low_is_older = table(0).terms(kHigh).number < table(1).terms(kLow).number;
    table(low_is_older ? 0 : 1).leave(other(low_is_older ? 0 : 1));
  }

 private:
  enum class Kind { kOffer, kProposal, kAccept };
  struct Said {
    Kind kind;
    Contracts::Terms terms;
  };
  struct OnItsWay {
    size_t to;
    Said said;
  };

  static NodeId other(size_t end) { return end == 0 ? kHigh : kLow; }
  Contracts& table(size_t end) { return end == 0 ? low_ : high_; }

  void say(size_t from, const Said& said, double trouble) {
    if (rng_.uniform() < 0.3 * trouble) return;
    wire_.push_back({1 - from, said});
    if (rng_.uniform() < 0.2 * trouble) wire_.push_back({1 - from, said});
  }

  void deliver(double trouble) {
    const size_t k = trouble > 0 ? rng_.below(wire_.size()) : 0;
    const OnItsWay arrived = wire_[k];
    wire_.erase(wire_.begin() + static_cast<ptrdiff_t>(k));
    const size_t end = arrived.to;
    const NodeId peer = other(end);
    const Contracts::Terms terms = arrived.said.terms;
    using Outcome = Contracts::Outcome;
    if (arrived.said.kind == Kind::kOffer) {
      table(end).leave(peer);
      say(end,
          {Kind::kProposal,
           table(end).propose(peer, terms.number, terms.from, rounds_[end], kLast)},
          trouble);
    } else if (arrived.said.kind == Kind::kProposal) {
      const Outcome outcome = table(end).accept(peer, terms, rounds_[end]);
      if (outcome == Outcome::kInForce || outcome == Outcome::kKnown) {
        say(end, {Kind::kAccept, {terms.number, rounds_[end]}}, trouble);
      }
    } else {
      (void)table(end).accepted(peer, terms.number, rounds_[end]);
    }
  }

  Rng rng_;
  Contracts low_{kLow, {kHigh}};
  Contracts high_{kHigh, {kLow}};
  Round rounds_[2] = {0, 0};
  std::deque<OnItsWay> wire_;
};

TEST(Contracts, TwoEndsComeTogetherAgainAfterAnyTrouble) {
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    TwoEnds ends(seed);
    ends.go(200, 1);
    for (int patience = 0; patience < 20 && !ends.together(); ++patience) {
      ends.go(20, 0);
      if (ends.at_odds()) ends.notice();
    }
    ASSERT_TRUE(ends.together()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace kith
