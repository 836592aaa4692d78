// SWIM in virtual time, over a network that loses, delays and parts. Das, Gupta, Motivala (DSN
// 2002) is the source of the claims: section 3.1 of completeness and accuracy, 4.2 and 4.3 of
// suspicion and of the bound that probing in passes gives.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <queue>
#include <set>

#include "protocol/membership.h"

namespace kith::swarm {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

std::string address_of(size_t node) { return "10.0.0." + std::to_string(node) + ":7400"; }

size_t node_of(const std::string& address) {
  return std::stoul(address.substr(sizeof("10.0.0.") - 1));
}

class Network {
 public:
  Network(size_t nodes, uint64_t seed, double loss = 0)
      : seed_(seed), loss_(loss), rng_(seed, NodeId{0}, Purpose::kTest) {
    std::printf("seed %llu, %zu nodes, loss %g\n", static_cast<unsigned long long>(seed), nodes,
                loss);
    for (size_t i = 0; i < nodes; ++i) {
      nodes_.emplace_back();
      start(i, i == 0 ? std::vector<std::string>{} : std::vector<std::string>{address_of(0)});
    }
  }

  void start(size_t i, const std::vector<std::string>& first) {
    Rumour self;
    self.address = address_of(i);
    self.name = "node" + std::to_string(i);
    nodes_[i].core = std::make_unique<Membership>("kith", self, seed_ * 1000 + ++starts_);
    for (const std::string& host : first) nodes_[i].core->add_first_host(host);
    nodes_[i].runs = true;
  }

  void kill(size_t i) { nodes_[i].runs = false; }
  // As a machine that sleeps: nothing is handled, and what comes waits.
  void sleep(size_t i) { nodes_[i].sleeps = true; }
  void wake(size_t i) { nodes_[i].sleeps = false; }
  void leave(size_t i) {
    std::vector<Packet> out;
    nodes_[i].core->leave(out);
    post(out);
    kill(i);
  }
  void set_loss(double loss) { loss_ = loss; }
  void set_latency(size_t i, Duration latency) { nodes_[i].latency = latency; }
  // Nodes below `border` and the others do not reach each other; 0: all do.
  void part(size_t border) { border_ = border; }

  void run(Duration span) {
    const Time end = now_ + span;
    for (;;) {
      const std::optional<size_t> next = next_to_tick();
      const Time tick = next ? std::max(now_, nodes_[*next].core->due()) : Time::max();
      const Time arrival = flying_.empty() ? Time::max() : flying_.top().at;
      if (std::min(tick, arrival) > end) break;
      now_ = std::min(tick, arrival);
      std::vector<Packet> out;
      if (arrival <= tick) {
        deliver(out);
      } else {
        nodes_[*next].core->tick(now_, out);
      }
      post(out);
      note_changes();
    }
    now_ = end;
  }

  // Runs until it holds; how long that took, or nothing within `most`.
  template <typename Condition>
  std::optional<Duration> until(Condition condition, Duration most) {
    const Time begin = now_;
    while (!condition()) {
      if (now_ - begin >= most) return std::nullopt;
      run(milliseconds(50));
    }
    return now_ - begin;
  }

  State state(size_t observer, size_t subject) const {
    for (const Member& member : nodes_[observer].core->others()) {
      if (member.rumour.address == address_of(subject)) return member.rumour.state;
    }
    ADD_FAILURE() << observer << " does not know " << subject;
    return State::kDead;
  }
  uint64_t incarnation(size_t observer, size_t subject) const {
    for (const Member& member : nodes_[observer].core->others()) {
      if (member.rumour.address == address_of(subject)) return member.rumour.incarnation;
    }
    return 0;
  }
  bool knows(size_t observer, size_t subject) const {
    return std::ranges::any_of(nodes_[observer].core->others(), [&](const Member& member) {
      return member.rumour.address == address_of(subject);
    });
  }
  // All who run believe exactly those alive who run.
  bool agreed() const {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (!nodes_[i].runs) continue;
      size_t alive = 0;
      for (const Member& member : nodes_[i].core->others()) {
        const bool believed = member.rumour.state == State::kAlive;
        if (believed != nodes_[node_of(member.rumour.address)].runs) return false;
        alive += believed;
      }
      const auto running = std::ranges::count_if(nodes_, [](const auto& n) { return n.runs; });
      if (alive + 1 != static_cast<size_t>(running)) return false;
    }
    return true;
  }

  size_t size() const { return nodes_.size(); }
  const Membership& core(size_t i) const { return *nodes_[i].core; }
  Membership& core(size_t i) { return *nodes_[i].core; }
  size_t suspicions = 0;
  size_t false_deaths = 0;  // of a node that runs, at one observer

 private:
  struct Node {
    std::unique_ptr<Membership> core;
    bool runs = true;
    bool sleeps = false;
    Duration latency = milliseconds(1);
  };
  struct Flying {
    Time at;
    uint64_t number;
    Packet packet;
    bool operator<(const Flying& other) const {  // the earliest on top
      return std::tie(at, number) > std::tie(other.at, other.number);
    }
  };

  std::optional<size_t> next_to_tick() const {
    std::optional<size_t> next;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (!nodes_[i].runs || nodes_[i].sleeps || nodes_[i].core->due() == Time::max()) continue;
      if (!next || nodes_[i].core->due() < nodes_[*next].core->due()) next = i;
    }
    return next;
  }

  void deliver(std::vector<Packet>& out) {
    Flying flying = flying_.top();
    flying_.pop();
    Node& node = nodes_[node_of(flying.packet.to)];
    if (!node.runs) return;
    if (node.sleeps) {
      flying.at += milliseconds(100);
      flying_.push(std::move(flying));
      return;
    }
    EXPECT_TRUE(node.core->heard(flying.packet, now_, out).ok());
  }

  void post(std::vector<Packet>& out) {
    for (Packet& packet : out) {
      const size_t from = node_of(packet.from);
      const size_t to = node_of(packet.to);
      if (rng_.uniform() < loss_) continue;
      if (border_ > 0 && (from < border_) != (to < border_)) continue;
      const Duration flight = nodes_[from].latency + nodes_[to].latency;
      const Duration jitter = from_seconds(0.002 * rng_.exponential());
      flying_.push({now_ + flight + jitter, ++number_, std::move(packet)});
    }
    out.clear();
  }

  void note_changes() {
    for (Node& node : nodes_) {
      for (const Rumour& rumour : node.core->take_changes()) {
        suspicions += rumour.state == State::kSuspect;
        const bool runs = nodes_[node_of(rumour.address)].runs;
        false_deaths += node.runs && runs && rumour.state == State::kDead;
      }
    }
  }

  uint64_t seed_;
  double loss_;
  Rng rng_;
  std::vector<Node> nodes_;
  std::priority_queue<Flying> flying_;
  Time now_{};
  uint64_t number_ = 0;
  uint64_t starts_ = 0;
  size_t border_ = 0;
};

constexpr Duration kPeriod = Policy{}.period;

TEST(Membership, AllLearnOfAllThroughOne) {
  for (const size_t nodes : {2u, 5u, 32u}) {
    Network network(nodes, 11 + nodes);
    const auto took = network.until([&] { return network.agreed(); }, 20 * kPeriod);
    ASSERT_TRUE(took.has_value());
    std::printf("  all know all after %.2f s\n", kith::seconds(*took));
  }
}

// Section 4.3: a member is probed by each other once in any 2 n - 1 periods, since each probes all
// in passes. Then comes the suspicion, and everybody has probed the dead one itself by then.
TEST(Membership, EveryDeadMemberIsFoundByAllWithinTheBound) {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    for (const size_t nodes : {2u, 8u, 32u}) {
      for (const double loss : {0.0, 0.1}) {
        Network network(nodes, seed * 100 + nodes, loss);
        ASSERT_TRUE(network.until([&] { return network.agreed(); }, minutes(2)).has_value());
        const Duration suspicion = network.core(0).suspicion(address_of(1));
        const size_t dead = std::max<size_t>(1, nodes / 4);
        for (size_t i = 0; i < dead; ++i) network.kill(nodes - 1 - i);
        const auto all_found = [&] {
          for (size_t i = 0; i + dead < nodes; ++i) {
            for (size_t j = nodes - dead; j < nodes; ++j) {
              if (network.state(i, j) != State::kDead) return false;
            }
          }
          return true;
        };
        const Duration bound = (2 * static_cast<int64_t>(nodes) + 2) * kPeriod + suspicion;
        const auto took = network.until(all_found, bound);
        ASSERT_TRUE(took.has_value()) << "not within " << kith::seconds(bound) << " s";
        std::printf("  %zu dead found by all after %.1f periods, of which suspicion %.1f\n", dead,
                    kith::seconds(*took) / kith::seconds(kPeriod),
                    kith::seconds(suspicion) / kith::seconds(kPeriod));
      }
    }
  }
}

// Section 3.1: a probe fails although both live when the ping or its ack is lost (q = 1 - 0.9^2 =
// 0.19) and each of three ways through others as well (1 - 0.9^4 each): 0.19 * 0.344^3 = 0.77 % of
// the probes. The suspect refutes, so that deaths are far rarer.
TEST(Membership, WithATenthLostFalseDeathsAreRareAndRefuted) {
  constexpr size_t kNodes = 32;
  constexpr int kPeriods = 1200;
  Network network(kNodes, 77, 0.1);
  network.until([&] { return network.agreed(); }, minutes(2));
  network.suspicions = network.false_deaths = 0;
  network.run(kPeriods * kPeriod);
  const double probes = kNodes * kPeriods;
  const double suspected = static_cast<double>(network.suspicions) / (probes * (kNodes - 1));
  const double died = static_cast<double>(network.false_deaths) / (probes * (kNodes - 1));
  std::printf(
      "  a member suspects another for a false reason %.2g times a period, and takes it for "
      "dead %.2g times\n",
      suspected, died);
  EXPECT_GT(network.suspicions, 0u) << "this network would show nothing";
  EXPECT_LT(suspected, 0.01);
  EXPECT_LT(died, 1e-5);
  network.set_loss(0);
  EXPECT_TRUE(network.until([&] { return network.agreed(); }, minutes(1)).has_value());
}

TEST(Membership, WhoComesBackHasAHigherIncarnation) {
  Network network(6, 5);
  ASSERT_TRUE(network.until([&] { return network.agreed(); }, minutes(1)).has_value());
  const uint64_t before = network.incarnation(1, 4);
  network.kill(4);
  ASSERT_TRUE(network.until([&] { return network.agreed(); }, minutes(1)).has_value());
  network.start(4, {address_of(2)});
  const auto took = network.until([&] { return network.agreed(); }, minutes(1));
  ASSERT_TRUE(took.has_value());
  for (size_t i = 0; i < 6; ++i) {
    if (i == 4) continue;
    EXPECT_GT(network.incarnation(i, 4), before);
  }
}

// The others ask the dead, so that the first daemon of a swarm needs to be told of nobody.
TEST(Membership, WhoComesBackWithoutAFirstHostIsFound) {
  Network network(5, 6);
  ASSERT_TRUE(network.until([&] { return network.agreed(); }, minutes(1)).has_value());
  network.kill(0);
  ASSERT_TRUE(network.until([&] { return network.agreed(); }, minutes(1)).has_value());
  network.start(0, {});
  EXPECT_TRUE(network.until([&] { return network.agreed(); }, minutes(1)).has_value());
}

TEST(Membership, WhoSaysGoodbyeHasLeftAtOnce) {
  Network network(8, 7);
  ASSERT_TRUE(network.until([&] { return network.agreed(); }, minutes(1)).has_value());
  network.leave(3);
  network.run(kPeriod);
  for (size_t i = 0; i < 8; ++i) {
    if (i == 3) continue;
    EXPECT_EQ(network.state(i, 3), State::kLeft);
  }
  EXPECT_EQ(network.suspicions, 0u);
}

TEST(Membership, WhoHasSleptBlamesNobodyAndIsTakenBack) {
  Network network(8, 8);
  ASSERT_TRUE(network.until([&] { return network.agreed(); }, minutes(1)).has_value());
  network.sleep(2);
  network.run(minutes(2));
  EXPECT_EQ(network.state(0, 2), State::kDead);
  EXPECT_EQ(network.false_deaths, 7u) << "one for each of the others";
  network.wake(2);
  ASSERT_TRUE(network.until([&] { return network.agreed(); }, seconds(20)).has_value());
  EXPECT_EQ(network.false_deaths, 7u);
}

// A line of one second each way: patience is learnt, no constant fits both it and the others.
TEST(Membership, ASlowEdgeIsNoDeath) {
  Network network(8, 9);
  network.set_latency(5, seconds(1));
  ASSERT_TRUE(network.until([&] { return network.agreed(); }, minutes(1)).has_value());
  network.run(minutes(2));
  network.suspicions = 0;
  network.run(minutes(5));
  EXPECT_EQ(network.suspicions, 0u);
  EXPECT_EQ(network.false_deaths, 0u);
  EXPECT_GT(network.core(0).patience(address_of(5)), seconds(2));
  EXPECT_LT(network.core(0).patience(address_of(1)), milliseconds(200));
}

// PEERS: no ghosts. Nobody has it after the stated time, and nobody gets it back from another.
TEST(Membership, TheDeadAreForgotten) {
  Network network(8, 10, 0.05);
  ASSERT_TRUE(network.until([&] { return network.agreed(); }, minutes(1)).has_value());
  network.kill(6);
  network.run(Policy{}.forget / 2);
  EXPECT_EQ(network.state(0, 6), State::kDead);
  network.run(Policy{}.forget / 2 + minutes(1));
  for (int minute = 0; minute < 10; ++minute) {
    for (size_t i = 0; i < 8; ++i) {
      if (i == 6) continue;
      EXPECT_FALSE(network.knows(i, 6));
    }
    network.run(minutes(1));
  }
}

TEST(Membership, TwoHalvesBecomeOneSwarmAgain) {
  Network network(12, 12);
  ASSERT_TRUE(network.until([&] { return network.agreed(); }, minutes(1)).has_value());
  network.part(5);
  network.run(minutes(5));
  EXPECT_EQ(network.state(0, 11), State::kDead);
  EXPECT_EQ(network.state(11, 0), State::kDead);
  EXPECT_EQ(network.state(11, 6), State::kAlive);
  network.part(0);
  const auto took = network.until([&] { return network.agreed(); }, minutes(1));
  ASSERT_TRUE(took.has_value());
  std::printf("  one swarm after %.1f s\n", kith::seconds(*took));
}

TEST(Membership, TheSameSeedProbesTheSame) {
  const auto told = [] {
    Network network(8, 13, 0.1);
    network.run(minutes(1));
    return std::pair(network.suspicions, network.core(3).patience(address_of(1)));
  };
  EXPECT_EQ(told(), told());
}

// ---- what others may send ----

Rumour rumour(const std::string& address, State state, uint64_t incarnation) {
  Rumour r;
  r.address = address;
  r.state = state;
  r.incarnation = incarnation;
  return r;
}

Packet packet(std::vector<Rumour> rumours) {
  Packet p;
  p.swarm = "kith";
  p.from = address_of(1);
  p.to = address_of(0);
  p.rumours = std::move(rumours);
  return p;
}

TEST(Membership, ALieOfItsOwnDeathIsRefuted) {
  Membership core("kith", rumour(address_of(0), State::kAlive, 0), 1);
  std::vector<Packet> out;
  ASSERT_TRUE(core.heard(packet({rumour(address_of(0), State::kDead, 41)}), Time{}, out).ok());
  EXPECT_EQ(core.self().incarnation, 42u);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].rumours[0].incarnation, 42u);
  EXPECT_EQ(out[0].rumours[0].state, State::kAlive);
}

TEST(Membership, WhatIsMalformedChangesNothing) {
  Membership core("kith", rumour(address_of(0), State::kAlive, 0), 1);
  std::vector<Packet> out;
  const auto refused = [&](const Packet& p) { return core.heard(p, Time{}, out).reason(); };
  EXPECT_EQ(refused(packet({rumour("", State::kAlive, 0)})), Reason::kMalformed);
  EXPECT_EQ(refused(packet({rumour("a\x1b[2J:1", State::kAlive, 0)})), Reason::kMalformed);
  EXPECT_EQ(refused(packet({rumour(std::string(1000, 'a'), State::kAlive, 0)})),
            Reason::kMalformed);
  EXPECT_EQ(refused(packet({rumour(address_of(0), State::kDead, ~uint64_t{0})})),
            Reason::kMalformed);
  EXPECT_EQ(refused(packet(std::vector<Rumour>(2000, rumour(address_of(2), State::kAlive, 0)))),
            Reason::kOversized);
  Packet other = packet({rumour(address_of(1), State::kAlive, 0)});
  other.swarm = "another";
  EXPECT_EQ(refused(other), Reason::kWrongJob);
  EXPECT_TRUE(out.empty());
  EXPECT_TRUE(core.others().empty());
  EXPECT_EQ(core.self().incarnation, 0u);
}

// Whatever well-formed packets come, from whomever: what it says stays good for others, and what it
// holds and answers stays bounded.
TEST(Membership, NoPacketBreaksIt) {
  constexpr uint64_t kSeed = 20261127;
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  Rng rng(kSeed, NodeId{0}, Purpose::kTest);
  Membership core("kith", rumour(address_of(0), State::kAlive, 0), 1);
  Membership other("kith", rumour(address_of(9), State::kAlive, 0), 2);
  const auto any_address = [&] { return address_of(rng.below(8)); };
  Time now{};
  for (int i = 0; i < 30'000; ++i) {
    Packet p = packet({});
    p.kind = static_cast<Packet::Kind>(rng.below(5));
    p.from = any_address();
    p.subject = any_address();
    p.sequence = rng.below(200);
    for (uint64_t r = rng.below(4); r > 0; --r) {
      const uint64_t incarnation = rng.below(4) > 0 ? rng.below(9) : (uint64_t{1} << 48) - 1;
      p.rumours.push_back(rumour(any_address(), static_cast<State>(rng.below(4)), incarnation));
    }
    now += from_seconds(0.4 * rng.uniform());
    std::vector<Packet> out;
    ASSERT_TRUE(core.heard(p, now, out).ok());
    ASSERT_LE(out.size(), 1u);
    core.tick(now, out);
    ASSERT_LE(out.size(), 40u);
    ASSERT_GT(core.due(), now);
    ASSERT_LE(core.others().size(), 7u);
    ASSERT_EQ(core.self().state, State::kAlive);
    std::vector<Packet> answers;
    for (const Packet& said : out) ASSERT_TRUE(other.heard(said, now, answers).ok());
    core.take_changes();
    other.take_changes();
  }
}

// As one that listens on all addresses until it has found out its own: what it has heard of others
// is not its to judge, and no reason to be woken at once again and again.
TEST(Membership, WhoDoesNotKnowItsAddressIsWokenOnceAPeriod) {
  Membership core("kith", rumour("", State::kAlive, 0), 1);
  std::vector<Packet> out;
  ASSERT_TRUE(core.heard(packet({rumour(address_of(2), State::kSuspect, 0)}), Time{}, out).ok());
  for (Time now{}; now < Time(std::chrono::minutes(2)); now = core.due()) {
    core.tick(now, out);
    ASSERT_GE(core.due(), now + core.policy().period);
  }
}

TEST(Membership, ItHoldsNoMoreThanItsLimit) {
  Membership core("kith", rumour(address_of(0), State::kAlive, 0), 1);
  std::vector<Packet> out;
  for (size_t i = 1; i < 3000; ++i) {
    ASSERT_TRUE(core.heard(packet({rumour(address_of(i), State::kAlive, 0)}), Time{}, out).ok());
  }
  EXPECT_EQ(core.others().size(), 1024u);
}

TEST(Membership, AloneItIsSilent) {
  Membership core("kith", rumour(address_of(0), State::kAlive, 0), 1);
  EXPECT_EQ(core.due(), Time::max());
}

}  // namespace
}  // namespace kith::swarm
