// How the nodes of a run begin together, and go on together after a crash, whatever is late, lost,
// doubled or dies meanwhile.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <queue>
#include <set>
#include <tuple>

#include "daemon/real/meeting.h"
#include "protocol/limits.h"
#include "topology/rng.h"

namespace kith {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Entries = std::vector<CheckpointFolder::Entry>;

constexpr uint64_t life(uint32_t generation, uint64_t begun_ms = 1) {
  return life_of(generation, begun_ms << 20);
}

// All orders of loading on a line 0 - 1 - 2: everyone begins, and only after its neighbours loaded.
TEST(FirstMeeting, EndsForAllWhateverTheOrderOfArrival) {
  std::vector<uint32_t> order = {0, 1, 2};
  do {
    std::vector<std::unique_ptr<Meeting>> nodes(3);
    std::vector<Message> wire;
    for (const uint32_t arriving : order) {
      std::vector<NodeId> neighbors;
      if (arriving > 0) neighbors.push_back(NodeId{arriving - 1});
      if (arriving < 2) neighbors.push_back(NodeId{arriving + 1});
      nodes[arriving] = std::make_unique<FirstMeeting>(NodeId{arriving}, neighbors, life(0), false);
      nodes[arriving]->ask({}, wire);
      while (!wire.empty()) {
        const Message message = wire.front();
        wire.erase(wire.begin());
        const auto& to = nodes[index_of(message.to)];
        if (to) to->heard(message, 0, wire);  // a daemon that has not loaded yet hears nothing
      }
      for (uint32_t i = 0; i < 3; ++i) {
        if (!nodes[i] || !nodes[i]->complete()) continue;
        EXPECT_TRUE(i == 0 || nodes[i - 1]);
        EXPECT_TRUE(i == 2 || nodes[i + 1]);
      }
    }
    for (const auto& node : nodes) EXPECT_TRUE(node->complete());
  } while (std::next_permutation(order.begin(), order.end()));
}

// ---- the roll ----

Roll roll_of(const std::vector<Entries>& kept, uint32_t generation = 1) {
  Roll roll(static_cast<uint32_t>(kept.size()));
  for (uint32_t i = 0; i < kept.size(); ++i) roll.enter(NodeId{i}, {life(generation), kept[i]});
  return roll;
}

TEST(Roll, TheLatestRoundThatAllCanGoOnFromIsAgreed) {
  const CheckpointFolder::Entry begin{0, true};
  struct Case {
    std::vector<Entries> kept;
    Round agreed;
  };
  const Case cases[] = {
      {{{{30}, {20}, {10}, begin}, {{30}, {20}, begin}, {{30}, {20}, begin}}, 30},
      {{{{30}, {20}, {10}, begin}, {{20}, {10}, begin}, {{30}, {20}, begin}}, 20},
      {{{{30}, {20}, {10}, begin}, {{20}, {10}, begin}, {{30}, {10}, begin}}, 10},
      {{{{30}, {20}, begin}, {begin}, {{30}, {20}, begin}}, 0},
      {{{begin}, {{30}, begin}, {{30}, begin}}, 0},
      {{{{30}, begin}, {{40}, {30}, begin}, {{33, false}, {29, false}, begin}}, 30},
      {{{{30}, begin}, {{30}, begin}, {{33, false}, {21, false}, {7, false}, begin}}, 30},
      {{{{30}, {20}, begin}, {{20}, begin}, {{33, false}, {21, false}, {7, false}, begin}}, 20},
  };
  for (const Case& each : cases) EXPECT_EQ(roll_of(each.kept).agreed(), each.agreed);
}

// Where nodes can do without each other: who has lost its disk, or was away, throws nobody back.
TEST(Roll, MostDecideWhereNotAllCanFollow) {
  EXPECT_EQ(roll_of({{{30}, {20}}, {{20}, {10}}, {{0}}, {{5}, {0}}}).agreed(), 20u);
  EXPECT_EQ(roll_of({{{30}, {20}}, {{9}, {8}}}).agreed(), 30u);
  EXPECT_EQ(roll_of({{{30}, {20}}, {}, {}}).agreed(), 30u);
  EXPECT_EQ(roll_of({{{5}, {0}}, {{0}}, {{0}}}).agreed(), 0u);
}

// Each its own newest: AD-PSGD and the like.
TEST(Roll, WhereTimeDecidesEachGoesOnFromItsNewest) {
  const std::vector<Entries> kept = {
      {{40, false}, {30, false}, {0, false}}, {{70, false}, {0, false}}, {{0, false}}};
  const Round agreed = roll_of(kept).agreed();
  EXPECT_EQ(agreed, 70u);
  EXPECT_EQ(serving(kept[0], agreed)->round, 40u);
  EXPECT_EQ(serving(kept[1], agreed)->round, 70u);
  EXPECT_EQ(serving(kept[2], agreed)->round, 0u);
}

TEST(Roll, WhoIsThereForTheFirstTimeSaysThatTheRunHasNotBegun) {
  Roll roll = roll_of({{{30}}, {{30}}});
  EXPECT_FALSE(roll.begins());
  Roll first(2);
  first.enter(NodeId{0}, {life(1), {{30}}});
  first.enter(NodeId{1}, {life(0), {{0}}});
  EXPECT_TRUE(first.begins());
  EXPECT_EQ(first.agreed(), 0u);
}

TEST(Roll, ComesOverTheWireAndTrustsNothing) {
  Pool pool;
  Roll roll = roll_of({{{30}, {20, false}}, {}, {{1}}}, 7);
  const SharedBuffer bytes = roll.encode(pool);
  EXPECT_LE(bytes.size(), Roll::encoded_bytes(3, 2));
  Roll read(3);
  ASSERT_TRUE(read.decode(bytes.bytes()).ok());
  EXPECT_EQ(read.digest(), roll.digest());
  EXPECT_TRUE(read.full());
  EXPECT_TRUE(read.holds(NodeId{1}, life(7)));
  EXPECT_FALSE(read.holds(NodeId{1}, life(8)));
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    Roll part(3);
    const bool whole_rows = part.decode(bytes.bytes().first(cut)).ok();
    EXPECT_FALSE(whole_rows && part.full()) << cut;
  }
  Roll smaller(2);
  EXPECT_FALSE(smaller.decode(bytes.bytes()).ok());
  EXPECT_EQ(smaller.absent().size(), 2u);
  for (size_t i = 0; i < bytes.size(); ++i) {  // whatever it is then, it can be looked at
    std::vector<std::byte> wrong(bytes.bytes().begin(), bytes.bytes().end());
    wrong[i] ^= std::byte{0xff};
    Roll odd(3);
    (void)odd.decode(wrong);
    EXPECT_LE(odd.agreed(), UINT64_MAX >> 1);
  }
}

// ---- meetings in a network that fails ----

struct Trouble {
  uint32_t nodes = 6;
  bool goes_on = false;
  double loss = 0;
  double doubled = 0;
  Duration delay = milliseconds(5);        // of a message, at the most
  Duration arrivals = milliseconds(1000);  // all start within it
  uint32_t deaths = 0;                     // in the meeting, each followed by a new start
  std::set<uint32_t> gone;                 // never come
};

// Daemons that were all killed and start again. Every draw is from the seed.
class Town {
 public:
  Town(uint64_t seed, const Trouble& trouble, std::vector<Entries> kept)
      : trouble_(trouble), kept_(std::move(kept)), rng_(seed, NodeId{0}, Purpose::kTest) {
    const uint32_t n = trouble_.nodes;
    houses_.resize(n);
    // A random tree, and as many edges again.
    for (uint32_t i = 1; i < n; ++i) join(i, static_cast<uint32_t>(rng_.below(i)));
    for (uint32_t k = 0; k < n / 2; ++k) {
      join(static_cast<uint32_t>(rng_.below(n)), static_cast<uint32_t>(rng_.below(n)));
    }
    for (uint32_t i = 0; i < n; ++i) {
      if (!trouble_.gone.contains(i)) at(within(trouble_.arrivals), [this, i] { start(i); });
    }
    for (uint32_t k = 0; k < trouble_.deaths; ++k) {
      const auto i = static_cast<uint32_t>(rng_.below(n));
      at(within(2 * trouble_.arrivals), [this, i] { die(i); });
    }
  }

  struct House {
    std::vector<NodeId> neighbors;
    std::unique_ptr<ResumeMeeting> meeting;  // null = it is not there
    uint32_t generation = 0;                 // on its disk
    uint64_t tick = 0;                       // of the timer that counts
    Duration began{};                        // its meeting
    bool running = false;
    Duration ran{};
    Round round = 0;  // under way, once it runs
  };

  House& house(uint32_t i) { return houses_[i]; }
  Duration now() const { return now_; }

  // Until nothing is left to do, or `limit`.
  void run(Duration limit) {
    while (!events_.empty() && events_.top().at <= limit) {
      const Event event = events_.top();
      events_.pop();
      now_ = event.at;
      event.what();
    }
  }

  // All who are there have begun.
  bool done() const {
    return std::ranges::all_of(houses_, [](const House& h) { return !h.meeting || h.running; });
  }

  void start(uint32_t i) {
    House& h = houses_[i];
    if (h.meeting) return;
    begin_meeting(i, h.generation + 1);
  }

  void die(uint32_t i) {
    House& h = houses_[i];
    if (!h.meeting || (h.running && !trouble_.goes_on)) return;
    h.meeting.reset();
    h.running = false;
    at(now_ + within(milliseconds(300)), [this, i] { start(i); });
  }

 private:
  struct Event {
    Duration at;
    uint64_t order;
    std::function<void()> what;
    bool operator<(const Event& other) const {
      return std::tie(at, order) > std::tie(other.at, other.order);
    }
  };

  void join(uint32_t i, uint32_t j) {
    if (i == j) return;
    for (const auto& [a, b] : {std::pair{i, j}, std::pair{j, i}}) {
      std::vector<NodeId>& peers = houses_[a].neighbors;
      const auto place = std::ranges::lower_bound(peers, NodeId{b});
      if (place == peers.end() || *place != NodeId{b}) peers.insert(place, NodeId{b});
    }
  }

  Duration within(Duration most) {
    return Duration(static_cast<int64_t>(rng_.below(static_cast<uint64_t>(most.count()) + 1)));
  }

  void at(Duration when, std::function<void()> what) {
    events_.push({when, ++order_, std::move(what)});
  }

  void begin_meeting(uint32_t i, uint32_t generation) {
    House& h = houses_[i];
    h.generation = generation;
    h.running = false;
    h.began = now_;
    h.meeting = std::make_unique<ResumeMeeting>(
        NodeId{i}, h.neighbors, life(generation, ++lives_),
        ResumeMeeting::Run{trouble_.nodes, trouble_.goes_on, kept_[i]}, pool_);
    tick(i, ++h.tick);
  }

  void tick(uint32_t i, uint64_t number) {
    House& h = houses_[i];
    if (!h.meeting || h.tick != number || h.running) return;
    std::vector<Message> out;
    h.meeting->ask(now_ - h.began, out);
    after(i, out);
    if (!h.running) arm(i);
  }

  void arm(uint32_t i) {
    House& h = houses_[i];
    const uint64_t number = ++h.tick;
    at(now_ + h.meeting->pause(), [this, i, number] { tick(i, number); });
  }

  void after(uint32_t i, const std::vector<Message>& out) {
    for (const Message& message : out) send(message);
    House& h = houses_[i];
    if (h.running || !h.meeting->complete()) return;
    h.running = true;
    h.ran = now_;
    h.round = h.meeting->late() ? 0 : h.meeting->round() + 1;
  }

  void send(const Message& message) {
    for (int copies = rng_.uniform() < trouble_.doubled ? 2 : 1; copies > 0; --copies) {
      if (rng_.uniform() < trouble_.loss) continue;
      at(now_ + within(trouble_.delay), [this, message] { arrive(message); });
    }
  }

  // Where all go back together another generation is another run on the wire.
  void arrive(const Message& message) {
    const uint32_t i = index_of(message.to);
    House& h = houses_[i];
    if (!h.meeting) return;
    const auto generation = static_cast<uint32_t>(message.sequence >> kLifeBits);
    if (!trouble_.goes_on && generation != h.generation) {
      if (generation > h.generation) begin_meeting(i, generation);
      return;
    }
    std::vector<Message> out;
    const bool sooner = h.meeting->heard(message, h.round, out);
    after(i, out);
    if (sooner && !h.running) arm(i);
  }

  const Trouble trouble_;
  const std::vector<Entries> kept_;
  Pool pool_;
  Rng rng_;
  std::vector<House> houses_;
  std::priority_queue<Event> events_;
  uint64_t order_ = 0;
  uint64_t lives_ = 0;
  Duration now_{};
};

// Nodes in lockstep that were killed some rounds apart: of the multiples of ten the newest four,
// of which one or the other is damaged.
std::vector<Entries> killed(Rng& rng, uint32_t nodes, bool beginning) {
  std::vector<Entries> kept(nodes);
  for (Entries& entries : kept) {
    const Round newest = 10 * (6 + rng.below(2));
    for (Round k = 0; k < 4; ++k) {
      if (rng.uniform() < 0.9) entries.push_back({newest - 10 * k, true});
    }
    if (beginning || entries.size() < 4) entries.push_back({0, true});
  }
  return kept;
}

Round latest_of_all(const std::vector<Entries>& kept) {
  for (Round round = 100; round > 0; --round) {
    if (std::ranges::all_of(kept, [&](const Entries& e) { return serving(e, round).has_value(); }))
      return round;
  }
  return 0;
}

constexpr uint64_t kSeeds = 300;

// Losses, doubles, delays beyond each other, late ones, and some that die in the meeting: nobody
// begins with another round than the latest that all have.
TEST(ResumeMeeting, AllBeginWithTheLatestRoundThatAllHave) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{1}, Purpose::kTest);
    Trouble trouble;
    trouble.nodes = 1 + static_cast<uint32_t>(rng.below(12));
    trouble.loss = 0.4 * rng.uniform();
    trouble.doubled = 0.3 * rng.uniform();
    trouble.delay = milliseconds(1 + rng.below(400));
    trouble.deaths = static_cast<uint32_t>(rng.below(4));
    const std::vector<Entries> kept = killed(rng, trouble.nodes, true);
    Town town(seed, trouble, kept);
    town.run(seconds(60));
    ASSERT_TRUE(town.done());
    const Round agreed = latest_of_all(kept);
    for (uint32_t i = 0; i < trouble.nodes; ++i) {
      const Town::House& h = town.house(i);
      EXPECT_EQ(h.generation, town.house(0).generation);
      EXPECT_EQ(h.meeting->round(), agreed);
      EXPECT_FALSE(h.meeting->late());
      EXPECT_TRUE(h.meeting->absent().empty());
    }
  }
}

// Without the last one nobody has begun.
TEST(ResumeMeeting, NobodyBeginsBeforeTheLastOneIsThere) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{1}, Purpose::kTest);
    Trouble trouble;
    trouble.gone = {static_cast<uint32_t>(rng.below(trouble.nodes))};
    Town town(seed, trouble, killed(rng, trouble.nodes, true));
    town.run(seconds(100));
    const uint32_t last = *trouble.gone.begin();
    for (uint32_t i = 0; i < trouble.nodes; ++i) {
      EXPECT_FALSE(town.house(i).running);
      if (i == last) continue;
      EXPECT_TRUE(std::ranges::binary_search(town.house(i).meeting->absent(), NodeId{last}));
    }
    town.start(last);
    town.run(seconds(110));
    EXPECT_TRUE(town.done());
    for (uint32_t i = 0; i < trouble.nodes; ++i) EXPECT_TRUE(town.house(i).running);
  }
}

// Once the last one has come, within the first second.
TEST(ResumeMeeting, IsSoonOver) {
  Trouble trouble;
  trouble.nodes = 64;
  Rng rng(1, NodeId{1}, Purpose::kTest);
  Town town(1, trouble, killed(rng, trouble.nodes, true));
  town.run(seconds(60));
  ASSERT_TRUE(town.done());
  for (uint32_t i = 0; i < trouble.nodes; ++i) EXPECT_LT(town.house(i).ran, seconds(2));
}

// Who goes on without silent neighbours begins with the bits of before where all come.
TEST(ResumeMeeting, WhoCouldGoOnAloneWaitsForTheOthersFirst) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{1}, Purpose::kTest);
    Trouble trouble;
    trouble.nodes = 2 + static_cast<uint32_t>(rng.below(10));
    trouble.goes_on = true;
    trouble.loss = 0.3 * rng.uniform();
    trouble.doubled = 0.3 * rng.uniform();
    trouble.delay = milliseconds(1 + rng.below(300));
    trouble.arrivals = milliseconds(10 + rng.below(8000));
    std::vector<Entries> kept = killed(rng, trouble.nodes, false);
    for (Entries& entries : kept) {  // nothing is wrong with the newest but one
      std::erase_if(entries, [](const auto& entry) { return entry.round == 60; });
      entries.insert(entries.begin() + (!entries.empty() && entries[0].round == 70), {60, true});
    }
    const Round agreed = roll_of(kept).agreed();
    EXPECT_GE(agreed, 60u);
    Town town(seed, trouble, kept);
    town.run(seconds(60));
    ASSERT_TRUE(town.done());
    for (uint32_t i = 0; i < trouble.nodes; ++i) {
      const Meeting& meeting = *town.house(i).meeting;
      EXPECT_EQ(meeting.round(), agreed);
      EXPECT_EQ(meeting.late(), !serving(kept[i], agreed));
      EXPECT_TRUE(meeting.absent().empty());
      EXPECT_EQ(meeting.contract(), town.house(0).meeting->contract());
      EXPECT_GT(meeting.contract(), 0u);
    }
  }
}

// Some never come. The others go on when they have heard nothing new for a while, together; and one
// of the missing that comes after all takes up their round.
TEST(ResumeMeeting, WhoNeverComesIsNotWaitedForForEver) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{1}, Purpose::kTest);
    Trouble trouble;
    trouble.nodes = 8;
    trouble.goes_on = true;
    trouble.loss = 0.2 * rng.uniform();
    trouble.gone = {0};  // its neighbours may be in the way of others: the tree hangs on it
    const std::vector<Entries> kept(trouble.nodes, Entries{{20}, {10}, {0}});
    Town town(seed, trouble, kept);
    town.run(seconds(60));
    ASSERT_TRUE(town.done());
    for (uint32_t i = 1; i < trouble.nodes; ++i) {
      const Town::House& h = town.house(i);
      EXPECT_GE(h.ran, ResumeMeeting::kPatience);
      EXPECT_LT(h.ran, ResumeMeeting::kPatience + seconds(8));
      EXPECT_EQ(h.meeting->round(), 20u);
      EXPECT_FALSE(h.meeting->late());
      EXPECT_TRUE(std::ranges::binary_search(h.meeting->absent(), NodeId{0}));
    }
    town.start(0);
    town.run(seconds(120));
    EXPECT_TRUE(town.done());
    EXPECT_TRUE(town.house(0).meeting->late());
  }
}

// Deaths at any moment, in the meeting and after it: nobody is left in a meeting, and two
// neighbours that hold the same contract go on from the same round, each known to the other in the
// life that it has.
TEST(ResumeMeeting, DeathsAtAnyMomentLeaveNobodyBehind) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{1}, Purpose::kTest);
    Trouble trouble;
    trouble.nodes = 2 + static_cast<uint32_t>(rng.below(10));
    trouble.goes_on = true;
    trouble.loss = 0.3 * rng.uniform();
    trouble.doubled = 0.2 * rng.uniform();
    trouble.delay = milliseconds(1 + rng.below(300));
    trouble.deaths = 1 + static_cast<uint32_t>(rng.below(6));
    trouble.arrivals = milliseconds(10 + rng.below(4000));
    Town town(seed, trouble, killed(rng, trouble.nodes, false));
    town.run(seconds(200));
    ASSERT_TRUE(town.done());
    bool somebody = false;
    for (uint32_t i = 0; i < trouble.nodes; ++i) {
      const Town::House& mine = town.house(i);
      ASSERT_TRUE(mine.running);
      somebody |= !mine.meeting->late();
      for (const NodeId peer : mine.neighbors) {
        const Town::House& theirs = town.house(index_of(peer));
        if (mine.meeting->late() || theirs.meeting->late()) continue;
        if (mine.meeting->contract() != theirs.meeting->contract()) continue;
        EXPECT_EQ(mine.meeting->round(), theirs.meeting->round());
      }
    }
    EXPECT_TRUE(somebody);
  }
}

// ---- a run that has not stopped ----

// Two nodes, of which the other speaks by the test.
class Newcomer {
 public:
  explicit Newcomer(Entries entries, uint32_t nodes = 2, bool goes_on = true)
      : meeting(NodeId{0}, {NodeId{1}}, life(3), {nodes, goes_on, std::move(entries)}, pool) {}

  std::vector<Message> hear(double scalar, Round round, uint32_t generation) {
    std::vector<Message> out;
    meeting.heard({.from = NodeId{1},
                   .to = NodeId{0},
                   .kind = kReady,
                   .round = round,
                   .scalar = scalar,
                   .sequence = life(generation),
                   .payload = {}},
                  0, out);
    return out;
  }

  Pool pool;
  ResumeMeeting meeting;
};

constexpr double kQuestion = 1;
constexpr double kRunning = 3;

TEST(ResumeMeeting, WhoRunsWins) {
  Newcomer newcomer{Entries{{20}, {10}}};
  newcomer.hear(kRunning, 25, 1);
  EXPECT_TRUE(newcomer.meeting.complete());
  EXPECT_TRUE(newcomer.meeting.late());
}

// One that was away for long has begun alone, from long ago: nobody loses work to that.
TEST(ResumeMeeting, ButNotWhoLagsBehindWhatThisNodeHasKept) {
  Newcomer newcomer{Entries{{200}, {190}, {180}, {170}}, 3};
  newcomer.hear(kRunning, 25, 1);
  EXPECT_FALSE(newcomer.meeting.complete());
  EXPECT_EQ(newcomer.meeting.absent(), std::vector{NodeId{2}});
  std::vector<Message> out;
  newcomer.meeting.ask(seconds(1), out);  // after the news
  newcomer.meeting.ask(seconds(2) + ResumeMeeting::kPatience, out);
  EXPECT_TRUE(newcomer.meeting.complete());
  EXPECT_FALSE(newcomer.meeting.late());
  EXPECT_EQ(newcomer.meeting.round(), 200u);
}

// AD-PSGD and the like: the others may be slower, and nobody waits for rounds in common.
TEST(ResumeMeeting, WithoutRoundsInCommonItGoesOnFromItsOwnAtOnce) {
  Newcomer newcomer{Entries{{200, false}, {190, false}, {0, false}}, 3};
  newcomer.hear(kRunning, 150, 1);
  EXPECT_TRUE(newcomer.meeting.complete());
  EXPECT_FALSE(newcomer.meeting.late());
  EXPECT_EQ(newcomer.meeting.round(), 200u);
  EXPECT_EQ(newcomer.meeting.absent(), (std::vector{NodeId{1}, NodeId{2}}));
  Newcomer before_its_first{Entries{{0, false}}, 3};
  before_its_first.hear(kRunning, 150, 1);
  EXPECT_TRUE(before_its_first.meeting.late());
}

// Of two the one that came back first lost the other before it had told its model: each would wait
// for the other for ever.
TEST(ResumeMeeting, AndNotWhoHasNothingItself) {
  Newcomer newcomer{Entries{{0}}};
  newcomer.hear(kRunning, 0, 1);
  EXPECT_TRUE(newcomer.meeting.complete());
  EXPECT_FALSE(newcomer.meeting.late());
  EXPECT_EQ(newcomer.meeting.round(), 0u);
}

// A neighbour that meets for the first time has run no round with anybody.
TEST(ResumeMeeting, BeginsWithWhoBegins) {
  Newcomer newcomer{Entries{{0}}};
  const std::vector<Message> out = newcomer.hear(kQuestion, 0, 0);
  EXPECT_TRUE(newcomer.meeting.complete());
  EXPECT_FALSE(newcomer.meeting.late());
  EXPECT_EQ(newcomer.meeting.contract(), 0u);  // that of a first meeting
  FirstMeeting first(NodeId{1}, {NodeId{0}}, life(0), true);
  std::vector<Message> answers;
  for (const Message& message : out) first.heard(message, 0, answers);
  EXPECT_TRUE(first.complete());
  EXPECT_FALSE(first.late());
}

// Node 1 has begun with node 0 and goes on without it; another life of node 0 comes.
TEST(ResumeMeeting, LearnsFromAFirstMeetingThatIsOver) {
  FirstMeeting one(NodeId{1}, {NodeId{0}}, life(0), true);
  FirstMeeting before(NodeId{0}, {NodeId{1}}, life(0), true);
  std::vector<Message> wire;
  before.ask({}, wire);
  while (!wire.empty()) {
    const Message message = wire.front();
    wire.erase(wire.begin());
    (message.to == NodeId{0} ? before : one).heard(message, 0, wire);
  }
  ASSERT_TRUE(one.complete() && before.complete());
  Pool pool;
  ResumeMeeting again(NodeId{0}, {NodeId{1}}, life(1), {2, true, {{0}}}, pool);
  again.ask({}, wire);
  std::vector<Message> answers;
  for (const Message& message : wire) one.heard(message, 17, answers);
  ASSERT_EQ(answers.size(), 1u);
  again.heard(answers[0], 0, wire);
  EXPECT_TRUE(again.late());
}

// Given the job again by a client after its daemon had lost all that it knew: its generation is the
// first once more, and its life is not.
TEST(FirstMeeting, AnotherLifeInTheFirstGenerationIsToldOfTheRun) {
  FirstMeeting one(NodeId{1}, {NodeId{0}}, life(0, 5), true);
  for (const auto& [begun, late] : {std::pair{6, false}, std::pair{7, true}}) {
    FirstMeeting zero(NodeId{0}, {NodeId{1}}, life(0, begun), true);
    std::vector<Message> wire;
    zero.ask({}, wire);
    while (!wire.empty()) {
      const Message message = wire.front();
      wire.erase(wire.begin());
      (message.to == NodeId{0} ? static_cast<Meeting&>(zero) : one).heard(message, 17, wire);
    }
    EXPECT_TRUE(zero.complete());
    EXPECT_EQ(zero.late(), late);
  }
}

// The others have kept rounds; one that says that it begins has lost its disk, and begins nothing.
TEST(ResumeMeeting, WhatOthersHaveKeptIsNotThrownAwayForOneThatHasNothing) {
  Newcomer newcomer{Entries{{200}, {190}, {180}, {170}}};
  const std::vector<Message> out = newcomer.hear(kQuestion, 0, 0);
  EXPECT_TRUE(newcomer.meeting.complete());
  EXPECT_EQ(newcomer.meeting.round(), 200u);
  FirstMeeting first(NodeId{1}, {NodeId{0}}, life(0), true);
  std::vector<Message> answers;
  for (const Message& message : out) first.heard(message, 0, answers);
  EXPECT_TRUE(first.late());
}

// Where all must go back together and this node's disk was lost after it had met: once more.
TEST(ResumeMeeting, WhoHasMetInAnotherLifeCallsAllTogetherAnew) {
  Newcomer newcomer{Entries{{0}}, 2, false};
  newcomer.hear(kRunning, 25, 3);
  EXPECT_TRUE(newcomer.meeting.in_vain());
  EXPECT_FALSE(newcomer.meeting.complete());
}

}  // namespace
}  // namespace kith
