// [delays]: what may be written, traces, each node's draws, and the link model.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <fstream>

#include "daemon/delay_trace.h"
#include "daemon/job_timing.h"
#include "topology/error.h"

namespace kith {
namespace {

using std::chrono::milliseconds;

const std::string kJob = "[model]\nkind = \"quadratic\"\n[stop]\nrounds = 10\n";

template <typename Act>
std::string refusal(const Act& act) {
  try {
    act();
  } catch (const OperatorError& error) {
    return error.what();
  }
  return "";
}

std::string refusal_of(const std::string& override, uint32_t nodes = 4) {
  return refusal([&] { validate(parse_job(kJob, {override}), nodes); });
}

void expect_all(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    EXPECT_NE(text.find(part), std::string::npos) << "\"" << part << "\" is not in: " << text;
  }
}

// A file of its own, gone with the test.
class Trace {
 public:
  explicit Trace(const std::string& text)
      : path_(testing::TempDir() + "kith_trace_" + std::to_string(getpid())) {
    std::ofstream(path_) << text;
  }
  ~Trace() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(DelayKeys, AreReadInTheirUnits) {
  const Job job =
      parse_job(kJob +
                "[delays]\ncompute = \"exponential:0.02\"\nscale = [1, 5]\nper = \"round\"\n"
                "latency_ms = 5\njitter = \"uniform:0:0.01\"\nbandwidth_mbit = 80\nloss = 0.25\n"
                "inject = true\n");
  EXPECT_EQ(job.delays.compute, "exponential:0.02");
  EXPECT_EQ(job.delays.scale, (std::vector<double>{1, 5}));
  EXPECT_EQ(job.delays.per, DelaySpec::Per::kRound);
  EXPECT_DOUBLE_EQ(job.delays.latency, 0.005);
  EXPECT_EQ(job.delays.jitter, "uniform:0:0.01");
  EXPECT_DOUBLE_EQ(job.delays.bandwidth, 1e7);
  EXPECT_DOUBLE_EQ(job.delays.loss, 0.25);
  EXPECT_TRUE(job.delays.inject);
  EXPECT_EQ(describe(job.delays),
            "compute exponential:0.02 x [1, 5] per round, latency 5 ms, jitter uniform:0:0.01, "
            "80 Mbit/s, loss 0.25");
}

TEST(DelayKeys, AbsentOnesAreSmallRegularAndNotInjected) {
  const Job job = parse_job(kJob);
  EXPECT_EQ(describe(job.delays), "compute constant:0.001");
  EXPECT_FALSE(job.delays.inject);
  EXPECT_EQ(job.delays.per, DelaySpec::Per::kBatch);
  EXPECT_TRUE(make_timing(job.delays).link.ideal());
}

TEST(DelayKeys, WrongValuesNameTheKeyAndTheRange) {
  expect_all(refusal_of("delays.scale=[1, 0]"), {"delays.scale", "0", "between 1e-06 and 1000000"});
  expect_all(refusal_of("delays.scale=[-2]"), {"delays.scale is -2", "between"});
  expect_all(refusal_of("delays.scale=[1, 1, 1, 1, 5]"), {"delays.scale", "5 numbers", "4 nodes"});
  EXPECT_EQ(refusal_of("delays.scale=[1, 1, 1, 5]"), "");
  EXPECT_EQ(refusal_of("delays.scale=5"), "");
  expect_all(refusal_of("delays.scale=\"5\""), {"delays.scale", "list of numbers"});
  expect_all(refusal_of("delays.per=\"step\""), {"delays.per", "\"batch\"", "\"round\""});
  expect_all(refusal_of("delays.inject=1"), {"delays.inject", "true or false"});
  expect_all(refusal_of("delays.compute=\"gauss:1\""), {"delays.compute", "gauss", "exponential"});
  expect_all(refusal_of("delays.compute=\"exponential:-1\""),
             {"delays.compute", "-1", "MEAN", "from 0 to"});
  expect_all(refusal_of("delays.compute=\"\""), {"delays.compute", "exponential"});
  expect_all(refusal_of("delays.jitter=\"gauss:1\""), {"delays.jitter", "gauss", "uniform"});
  expect_all(refusal_of("delays.jitter=\"pareto:0.1:1\""), {"delays.jitter", "ALPHA", "infinite"});
  expect_all(refusal_of("delays.compute=\"trace:\""), {"delays.compute", "trace:PATH"});
  expect_all(refusal_of("delays.latency_ms=-1"), {"delays.latency_ms", "between 0"});
}

TEST(DelayTrace, HasCommentsBlankLinesAndOneNumberALine) {
  const Trace trace("# of node 3\n0.5\n\n  0.25  # slow start\r\n\t1e-3\n0");
  EXPECT_EQ(read_delay_trace(trace.path()), (std::vector<double>{0.5, 0.25, 1e-3, 0}));
}

TEST(DelayTrace, WhatIsWrongIsNamedWithItsLine) {
  const auto refused = [](const std::string& text) {
    const Trace trace(text);
    const std::string why = refusal([&] { make_timing({.compute = "trace:" + trace.path()}); });
    expect_all(why, {"delays.compute", trace.path()});
    EXPECT_EQ(why.find('\n'), std::string::npos);
    return why;
  };
  expect_all(refused("0.1\n# note\nfast\n"), {":3: \"fast\" is no number", "seconds"});
  expect_all(refused("0.1 0.2\n"), {":1: \"0.1 0.2\" is no number"});
  expect_all(refused("0.1\n-0.5\n"), {":2: \"-0.5\"", "from 0 to 1000000000"});
  expect_all(refused("0.1\n0.5s\n"), {":2: \"0.5s\""});
  expect_all(refused("inf\n"), {":1: \"inf\""});
  expect_all(refused("nan\n"), {":1: \"nan\""});
  expect_all(refused(""), {"no number"});
  expect_all(refused("# nothing\n\n"), {"no number"});
}

TEST(DelayTrace, AFileThatIsNotThereIsNamed) {
  expect_all(refusal([] { make_timing({.compute = "trace:no/such/file"}); }),
             {"delays.compute", "no/such/file"});
  expect_all(refusal([] { make_timing({.compute = "constant:1", .jitter = "trace:/"}); }),
             {"delays.jitter", "/"});
  EXPECT_EQ(refusal_of("delays.compute=\"trace:no/such/file\""), "")
      << "the machine that checks the job need not have the trace of another one";
}

TEST(DelayTrace, IsDrawnFromWithReplacement) {
  const Trace trace("0.25\n0.5\n");
  ComputeDelays delays = make_timing({.compute = "trace:" + trace.path()}).delays_of(NodeId{0}, 1);
  int longer = 0;
  for (int i = 0; i < 400; ++i) {
    const Duration takes = delays.next(1);
    ASSERT_TRUE(takes == milliseconds(250) || takes == milliseconds(500));
    longer += takes == milliseconds(500);
  }
  EXPECT_NEAR(longer, 200, 4 * 10);  // 4 standard deviations: 1 false alarm in 16,000
}

// A node's draws are those of its own stream, whoever else draws and however the steps are grouped.
TEST(ComputeDelays, AreTheStreamOfSeedAndNode) {
  const JobTiming timing = make_timing({.compute = "exponential:0.02", .scale = {1, 5}});
  const std::unique_ptr<Delay> law = make_delay("exponential:0.02");
  for (const uint32_t node : {0u, 1u, 2u}) {
    const double scale = node == 1 ? 5 : 1;
    ComputeDelays delays = timing.delays_of(NodeId{node}, 42);
    Rng rng(42, NodeId{node}, Purpose::kComputeDelay);
    for (const uint32_t steps : {1u, 3u, 1u, 8u}) {
      double sum = 0;
      for (uint32_t i = 0; i < steps; ++i) sum += scale * law->sample(rng);
      EXPECT_EQ(delays.next(steps), from_seconds(sum));
    }
  }
}

TEST(ComputeDelays, OfARoundAreOneDrawForAllItsSteps) {
  const DelaySpec spec{.compute = "exponential:0.02", .per = DelaySpec::Per::kRound};
  ComputeDelays delays = make_timing(spec).delays_of(NodeId{3}, 42);
  const std::unique_ptr<Delay> law = make_delay("exponential:0.02");
  Rng rng(42, NodeId{3}, Purpose::kComputeDelay);
  for (const uint32_t steps : {1u, 20u, 5u}) {
    EXPECT_EQ(delays.next(steps), from_seconds(law->sample(rng) * steps));
  }
}

TEST(ComputeDelays, StayInRangeWhateverTheLaw) {
  const JobTiming timing = make_timing({.compute = "constant:1000000000", .scale = {1e6}});
  EXPECT_EQ(timing.delays_of(NodeId{0}, 1).next(1 << 20), from_seconds(1e9));
}

TEST(JobTiming, GivesTheLawOfEachNode) {
  const JobTiming timing = make_timing({.compute = "exponential:0.02", .scale = {1, 5}});
  EXPECT_DOUBLE_EQ(timing.compute_of(NodeId{0})->mean(), 0.02);
  EXPECT_DOUBLE_EQ(timing.compute_of(NodeId{1})->mean(), 0.1);
  EXPECT_DOUBLE_EQ(timing.compute_of(NodeId{7})->mean(), 0.02);
}

Time at(int64_t ms) { return Time(milliseconds(ms)); }

TEST(LinkModel, MessagesLeaveOneAfterTheOtherAndThenFly) {
  // 1000 bytes/s: a message of 50 bytes takes 50 ms to leave.
  const LinkModel model{.latency = milliseconds(7), .jitter = {}, .bandwidth = 1000, .loss = 0};
  OutgoingLink link(model, 1, NodeId{0});
  EXPECT_EQ(link.arrival(50, at(0)), at(57));
  EXPECT_EQ(link.arrival(50, at(0)), at(107));   // waits for the first
  EXPECT_EQ(link.arrival(10, at(60)), at(117));  // and this one for both
  EXPECT_EQ(link.arrival(10, at(500)), at(517));
}

TEST(LinkModel, IdealLinksTakeNoTime) {
  const LinkModel ideal;
  EXPECT_TRUE(ideal.ideal());
  OutgoingLink link(ideal, 1, NodeId{0});
  EXPECT_EQ(link.arrival(1 << 30, at(3)), at(3));
}

TEST(LinkModel, JitterComesOnTopOfTheLatencyAndLetsMessagesOvertake) {
  const LinkModel model{.latency = milliseconds(10), .jitter = make_delay("uniform:0:0.02")};
  OutgoingLink link(model, 5, NodeId{2});
  Rng rng(5, NodeId{2}, Purpose::kLinkDelay);
  bool overtaken = false;
  Time last{};
  for (int64_t i = 0; i < 50; ++i) {
    const Time arrives = *link.arrival(100, at(i));
    EXPECT_EQ(arrives, at(10 + i) + from_seconds(model.jitter->sample(rng)));
    overtaken = overtaken || arrives < last;
    last = arrives;
  }
  EXPECT_TRUE(overtaken);
}

TEST(LinkModel, ALostMessageTakesItsTimeOnTheLinkAllTheSame) {
  const LinkModel lossy{.latency = {}, .jitter = {}, .bandwidth = 1000, .loss = 0.99};
  OutgoingLink link(lossy, 1, NodeId{0});
  int lost = 0;
  for (int i = 1; i <= 100; ++i) {
    const std::optional<Time> arrives = link.arrival(10, at(0));
    EXPECT_EQ(arrives.value_or(at(10 * i)), at(10 * i));
    lost += !arrives;
  }
  EXPECT_GT(lost, 90);
}

TEST(LinkModel, LossesOccurAtTheirRateAndMoveNoJitter) {
  const LinkModel jittery{.latency = {}, .jitter = make_delay("exponential:0.01")};
  LinkModel lossy = jittery;
  lossy.loss = 0.2;
  OutgoingLink without(jittery, 9, NodeId{1});
  OutgoingLink with(lossy, 9, NodeId{1});
  constexpr int kMessages = 10000;
  int lost = 0;
  for (int i = 0; i < kMessages; ++i) {
    const std::optional<Time> expected = without.arrival(100, at(i));
    const std::optional<Time> arrives = with.arrival(100, at(i));
    ASSERT_EQ(arrives.value_or(*expected), *expected);
    lost += !arrives;
  }
  // 4 standard deviations: 1 false alarm in 16,000 seeds, and the seed is fixed.
  EXPECT_NEAR(lost, 0.2 * kMessages, 4 * std::sqrt(kMessages * 0.2 * 0.8));
}

}  // namespace
}  // namespace kith
