// A node that all its neighbours have left makes rounds as fast as it did with them, and no faster
// (protocol/gossip/lockstep.h): else it is far ahead, or at the end, when they are back.
#include <gtest/gtest.h>

#include "protocol/algorithm.h"
#include "topology/registry.h"

namespace kith {
namespace {

using std::chrono::milliseconds;

// Node 0 of two, whose rounds take as long as the test says.
class OfTwo {
 public:
  OfTwo()
      : mixing_(make_mixing("metropolis", make_graph("path", 2))), codec_(make_codec("identity")) {
    const AlgorithmInfo& info = algorithm_info("dpsgd");
    state_ = {.self = NodeId{0},
              .nodes = 2,
              .rounds = 1'000'000,
              .total_batches = 1'000'000,
              .dimension = 1,
              .mixing = mixing_.get(),
              .codec = codec_.get(),
              .optimizer = &optimizer_,
              .pool = &pool_,
              .parameters = vector()};
    algorithm_ = info.make(state_, Options("algorithm", info.options, {}));
    step(Start{});
  }

  void round_with_neighbour(milliseconds takes) {
    compute();
    state_.now += takes;
    step(Received{{.from = NodeId{1},
                   .to = NodeId{0},
                   .kind = 1,
                   .round = state_.round,
                   .payload = vector()}});
  }

  void leave() { step(PeerLeft{NodeId{1}}); }

  void round_alone() {
    timer_.reset();
    compute();
    ASSERT_TRUE(timer_);
    state_.now += timer_->after;
    step(TimerFired{timer_->id});
  }

  Round round() const { return state_.round; }
  Time now() const { return state_.now; }

 private:
  SharedBuffer vector() { return copy_of(std::vector<float>{1.0f}, pool_); }

  void compute() { step(Computed{.ticket = state_.round + 1, .result = vector(), .steps = 1}); }

  void step(Event&& event) {
    effects_.clear();
    ASSERT_TRUE(algorithm_->step(state_, std::move(event), effects_).ok());
    for (const Effect& effect : effects_) {
      if (const auto* timer = std::get_if<SetTimer>(&effect)) timer_ = *timer;
    }
  }

  Pool pool_;
  std::unique_ptr<Mixing> mixing_;
  std::unique_ptr<Codec> codec_;
  OptimizerSpec optimizer_;
  NodeState state_;
  std::unique_ptr<Algorithm> algorithm_;
  std::vector<Effect> effects_;
  std::optional<SetTimer> timer_;
};

double ms_alone(OfTwo& node) {
  constexpr int kRounds = 20;
  const Round first = node.round();
  const Time begin = node.now();
  node.leave();
  for (int k = 0; k < kRounds; ++k) node.round_alone();
  EXPECT_EQ(node.round() - first, Round{kRounds});
  return 1000 * seconds(node.now() - begin) / kRounds;
}

// Where messages are combined late, rounds come in bursts: a long one after many short.
TEST(Pace, OfANodeAloneIsTheMeanOfItsRoundsWithAll) {
  OfTwo node;
  for (int k = 0; k < 400; ++k) node.round_with_neighbour(milliseconds(k % 8 == 7 ? 765 : 5));
  EXPECT_NEAR(ms_alone(node), 100, 30);
}

TEST(Pace, IsNoMatterOfTheFirstFewRounds) {
  OfTwo node;
  for (int k = 0; k < 8; ++k) node.round_with_neighbour(milliseconds(5));
  EXPECT_GT(ms_alone(node), 50);
}

TEST(Pace, FollowsWhatRoundsTake) {
  OfTwo node;
  for (int k = 0; k < 500; ++k) node.round_with_neighbour(milliseconds(5));
  EXPECT_NEAR(ms_alone(node), 5, 0.5);
}

// This machine has slept.
TEST(Pace, OneRoundThatTookLongDoesNotMatter) {
  OfTwo node;
  for (int k = 0; k < 500; ++k) node.round_with_neighbour(milliseconds(5));
  node.round_with_neighbour(milliseconds(60'000));
  EXPECT_LT(ms_alone(node), 10);
}

}  // namespace
}  // namespace kith
