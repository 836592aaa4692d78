// Daemons that were all killed meet again in a network that loses, doubles and delays, while some
// come late, die again or never come. Every draw is from a seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <queue>
#include <set>
#include <tuple>

#include "tests/support/meetings.h"
#include "topology/rng.h"

namespace kith {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

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
      if (rng.uniform() < 0.9) entries.push_back(newest - 10 * k);
    }
    if (beginning || entries.size() < 4) entries.push_back(0);
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

// Of nodes that go on without silent neighbours.
Trouble trouble_of_some(Rng& rng, double most_doubled) {
  Trouble trouble;
  trouble.nodes = 2 + static_cast<uint32_t>(rng.below(10));
  trouble.goes_on = true;
  trouble.loss = 0.3 * rng.uniform();
  trouble.doubled = most_doubled * rng.uniform();
  trouble.delay = milliseconds(1 + rng.below(300));
  return trouble;
}

// Who goes on without silent neighbours begins with the bits of before where all come.
TEST(ResumeMeeting, WhoCouldGoOnAloneWaitsForTheOthersFirst) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{1}, Purpose::kTest);
    Trouble trouble = trouble_of_some(rng, 0.3);
    trouble.arrivals = milliseconds(10 + rng.below(8000));
    std::vector<Entries> kept = killed(rng, trouble.nodes, false);
    for (Entries& entries : kept) {  // nothing is wrong with the newest but one
      std::erase_if(entries, [](const auto& entry) { return entry.round == 60; });
      entries.insert(entries.begin() + (!entries.empty() && entries[0].round == 70), 60);
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
    Trouble trouble = trouble_of_some(rng, 0.2);
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

}  // namespace
}  // namespace kith
