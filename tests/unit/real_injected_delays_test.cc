// Delays on real daemons: results and messages come no earlier than their time, and a cancel is
// obeyed at once. Upper bounds are wide: a loaded machine is late.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "daemon/real/compute_queue.h"
#include "daemon/real/emulated_link.h"
#include "daemon/real/loader.h"
#include "protocol/wire.h"

namespace kith {
namespace {

using std::chrono::milliseconds;

constexpr Duration kLate = milliseconds(500);  // of a machine that does other things as well

std::shared_ptr<LoadedJob> laboratory(const std::string& delays) {
  control::StartRequest request;
  request.job =
      "[job]\nseed = 5\n[model]\nkind = \"quadratic\"\nstart = 1\n[train]\nmomentum = 0.9\n"
      "[algorithm]\nkind = \"k-sync\"\n"
      "[topology]\ngraph = \"star\"\n[stop]\nrounds = 10\n[delays]\ninject = true\n" +
      delays;
  request.nodes = 1;
  return load({request, 0}, nullptr);
}

// A gradient that takes its time.
class SlowModel final : public Model {
 public:
  explicit SlowModel(Duration takes) : takes_(takes) {}
  size_t parameters() const override { return 1; }
  Layout tensors() const override { return {{"x", {1}}}; }
  void initialise(Rng&, std::span<float> x) const override { x[0] = 0; }
  double gradient(std::span<const float>, const Batch& batch, std::span<float> gradient,
                  Workspace&) const override {
    if (batch.index == kMarked) marked_at = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(takes_);
    gradient[0] = 0;
    return 0;
  }
  Score score(std::span<const float>, const Batch&, Workspace&) const override { return {}; }
  bool needs_data() const override { return false; }

  static constexpr uint64_t kMarked = 1'000'000;
  mutable std::atomic<std::chrono::steady_clock::time_point> marked_at{};  // when it began

 private:
  Duration takes_;
};

// A queue on a loop of its own, and when each result came.
struct Bench {
  explicit Bench(std::shared_ptr<LoadedJob> job)
      : loaded(std::move(job)),
        queue(loop, workers, loaded,
              loaded->injected
                  ? std::optional(loaded->injected->delays_of(NodeId{0}, loaded->plan.job.seed))
                  : std::nullopt,
              [this](Computed&& done) { came(done); }) {}

  void push(uint64_t ticket, uint32_t steps = 1, uint64_t first_batch = 0) {
    queue.push({.ticket = ticket,
                .first_batch = first_batch,
                .steps = steps,
                .at = loaded->initial,
                .rule = LocalRule::local_steps()});
  }

  void came(const Computed& done) {
    tickets.push_back(done.ticket);
    results.push_back(done.result.floats()[0]);
    times.push_back(loop.now());
    if (tickets.size() == wanted) loop.stop();
  }

  void run(size_t results) {
    wanted = results;
    loop.run();
  }

  Loop loop;
  Workers workers{1};
  std::shared_ptr<LoadedJob> loaded;
  std::vector<uint64_t> tickets;
  std::vector<float> results;
  std::vector<Duration> times;
  size_t wanted = 0;
  ComputeQueue queue;
};

TEST(Loop, TimersAreALittleLate) {
  constexpr int kShots = 101;
  Loop loop;
  std::vector<Duration> late;
  Duration due{};
  std::unique_ptr<Loop::Timer> timer;
  timer = loop.timer([&] {
    late.push_back(loop.now() - due);
    if (late.size() == kShots) return loop.stop();
    due = loop.now() + milliseconds(3);
    timer->arm(milliseconds(3));
  });
  due = loop.now();
  timer->arm(Duration::zero());
  loop.run();
  std::ranges::sort(late);
  const auto us = [](Duration d) { return static_cast<int>(d.count() / 1000); };
  RecordProperty("median_us", us(late[kShots / 2]));
  RecordProperty("ninth_decile_us", us(late[kShots * 9 / 10]));
  EXPECT_GE(late.front(), Duration::zero());
  EXPECT_LT(late[kShots / 4], milliseconds(1));
}

// The stream is that of job_timing.h, which the simulator draws from as well.
TEST(InjectedDelays, AResultComesAtItsDrawnTimeAndDelaysDoNotPileUp) {
  Bench bench(laboratory("compute = \"exponential:0.02\"\n"));
  ComputeDelays expected = bench.loaded->injected->delays_of(NodeId{0}, 5);
  const Duration begun = bench.loop.now();
  for (uint64_t ticket = 1; ticket <= 5; ++ticket) bench.push(ticket, ticket == 3 ? 4 : 1);
  bench.run(5);
  EXPECT_EQ(bench.tickets, (std::vector<uint64_t>{1, 2, 3, 4, 5}));
  Duration last = begun;
  for (size_t i = 0; i < 5; ++i) {
    const Duration takes = expected.next(i == 2 ? 4 : 1);
    EXPECT_GE(bench.times[i] - last, takes);
    EXPECT_LT(bench.times[i] - last, takes + kLate);
    last = bench.times[i];
  }
}

TEST(InjectedDelays, WhatTheComputingItselfTakesCountsIntoThem) {
  const auto run = [](const char* delay) {
    const std::shared_ptr<LoadedJob> loaded = laboratory(std::string("compute = ") + delay + "\n");
    loaded->model = std::make_unique<SlowModel>(milliseconds(100));
    Bench bench(loaded);
    bench.push(1);
    bench.run(1);
    return bench.times[0];
  };
  const Duration longer = run("\"constant:0.6\"");
  EXPECT_GE(longer, milliseconds(600));
  EXPECT_LT(longer, milliseconds(700));  // not 100 + 600
  EXPECT_GE(run("\"constant:0.01\""), milliseconds(100));
}

TEST(InjectedDelays, ACancelledComputeMakesRoomAtOnceKeepsItsDrawAndLeavesNoMomentum) {
  Bench bench(laboratory("compute = \"exponential:0.05\"\nper = \"round\"\n"));
  ComputeDelays expected = bench.loaded->injected->delays_of(NodeId{0}, 5);
  expected.next(1000);
  const Duration second = expected.next(1);
  const std::unique_ptr<Loop::Timer> later = bench.loop.timer([&] {
    bench.queue.cancel(1);  // its result is there and waits for its time, some 50 s
    bench.push(2);
  });
  bench.push(1, 1000);
  later->arm(milliseconds(30));
  bench.run(1);
  EXPECT_EQ(bench.tickets, std::vector<uint64_t>{2});
  EXPECT_GE(bench.times[0], milliseconds(30) + second);
  EXPECT_LT(bench.times[0], milliseconds(30) + second + kLate);
  EXPECT_FLOAT_EQ(bench.results[0], 0.9f);  // 1 - 0.1 x 1: the first step of a fresh optimiser
}

// While the worker has yet to notice, the emulated machine already works on the next.
TEST(InjectedDelays, TheNextDelayBeginsWithTheCancel) {
  const std::shared_ptr<LoadedJob> loaded = laboratory("compute = \"constant:0.3\"\n");
  loaded->model = std::make_unique<SlowModel>(milliseconds(200));
  Bench bench(loaded);
  const std::unique_ptr<Loop::Timer> later = bench.loop.timer([&] {
    bench.queue.cancel(1);
    bench.push(2);
  });
  bench.push(1);
  later->arm(milliseconds(20));
  bench.run(1);
  // Not 200 + 300 ms, nor 200 + 200.
  EXPECT_GE(bench.times[0], milliseconds(200 + 200));
  EXPECT_LT(bench.times[0], milliseconds(490));
}

TEST(ComputeQueue, StopsAtTheNextStepAndBeginsTheNextWork) {
  const std::shared_ptr<LoadedJob> loaded = laboratory("compute = \"constant:0\"\n");
  loaded->injected.reset();
  auto owned = std::make_unique<SlowModel>(milliseconds(1));
  const SlowModel& model = *owned;
  loaded->model = std::move(owned);
  Bench bench(loaded);
  std::chrono::steady_clock::time_point cancelled;
  const std::unique_ptr<Loop::Timer> later = bench.loop.timer([&] {
    cancelled = std::chrono::steady_clock::now();
    bench.queue.cancel(1);
  });
  bench.push(1, 100'000);  // 100 s
  bench.push(2, 1, SlowModel::kMarked);
  later->arm(milliseconds(20));
  bench.run(1);
  EXPECT_EQ(bench.tickets, std::vector<uint64_t>{2});
  const Duration took = model.marked_at.load() - cancelled;
  RecordProperty("from_cancel_to_next_work_us", static_cast<int>(took.count() / 1000));
  EXPECT_LT(took, kLate);
}

TEST(ComputeQueue, WhatIsCancelledBeforeItBeginsIsNeverDone) {
  Bench bench(laboratory("compute = \"constant:0.02\"\n"));
  for (uint64_t ticket = 1; ticket <= 3; ++ticket) bench.push(ticket);
  bench.queue.cancel(2);
  bench.run(2);
  EXPECT_EQ(bench.tickets, (std::vector<uint64_t>{1, 3}));
  EXPECT_LT(bench.times[1], milliseconds(40) + kLate);
}

Message message_of(uint32_t number) {
  Message message;
  message.from = NodeId{0};
  message.to = NodeId{1};
  message.round = number;
  return message;
}

TEST(EmulatedLink, MessagesArriveWhenTheModelSaysAndOvertake) {
  constexpr uint32_t kMessages = 40;
  const LinkModel model{.latency = milliseconds(10),
                        .jitter = make_delay("uniform:0:0.05"),
                        .bandwidth = 100'000,
                        .loss = 0.2};
  OutgoingLink expected(model, 3, NodeId{0});
  const size_t bytes = wire_size(message_of(1));
  std::vector<Duration> flights;  // of those that are not lost, from a common beginning
  std::vector<uint32_t> survivors;
  for (uint32_t i = 0; i < kMessages; ++i) {
    if (const auto at = expected.arrival(bytes, Time{})) {
      flights.push_back(at->time_since_epoch());
      survivors.push_back(i);
    }
  }
  Loop loop;
  std::vector<uint32_t> order;
  std::vector<Duration> times(kMessages);
  EmulatedLink link(loop, model, 3, NodeId{0}, [&](Message&& message) {
    const auto number = static_cast<uint32_t>(message.round);
    order.push_back(number);
    times[number] = loop.now();
    if (order.size() == survivors.size()) loop.stop();
  });
  const Duration begun = loop.now();
  for (uint32_t i = 0; i < kMessages; ++i) ASSERT_TRUE(link.send(message_of(i)).ok());
  loop.run();
  EXPECT_EQ(link.lost(), kMessages - survivors.size());
  EXPECT_GT(link.lost(), 0u);
  EXPECT_FALSE(std::ranges::is_sorted(order));
  for (size_t i = 0; i < survivors.size(); ++i) {
    const Duration flight = times[survivors[i]] - begun;
    EXPECT_GE(flight, flights[i]);
    EXPECT_LT(flight, flights[i] + kLate);
  }
}

TEST(EmulatedLink, RefusesWhatGoesBeyondItsLimit) {
  const LinkModel model{.latency = std::chrono::hours(1)};
  Loop loop;
  EmulatedLink link(loop, model, 1, NodeId{0}, [](Message&&) { FAIL() << "an hour early"; });
  for (size_t i = 0; i < limits::kHeldMessages; ++i) ASSERT_TRUE(link.send(message_of(1)).ok());
  EXPECT_EQ(link.send(message_of(1)).reason(), Reason::kBackPressure);
}

}  // namespace
}  // namespace kith
