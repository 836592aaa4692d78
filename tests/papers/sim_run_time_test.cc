// Wall-clock time of a round (ALGORITHMS 3; Dutta et al. 2018, 2021): what the simulator measures
// against what theory/runtime.h predicts, for every algorithm that has a prediction, four laws of
// delay and three sizes. Where theory has only bounds the measured time must lie between them.
// Tolerance: 2 % of the prediction, several standard errors of the mean of 20,000 rounds; the seeds
// are fixed. The latency of ssp is 0: theory/runtime.h lets a node know that the slowest one is
// done after that one's whole round trip, the hub knows it after half of it.
#include <gtest/gtest.h>

#include "daemon/store/round_time.h"
#include "tests/support/simulate.h"

namespace kith {
namespace {

struct Case {
  std::string name;
  std::string options;        // %K: half of the nodes
  bool one_gradient = false;  // an update takes one, so a round of all nodes takes N
  int latency_ms = 50;        // each way
  std::string suffix = {};    // of the test's name
};

// `overlap` of four steps behind each cut; a latency of the order of a step.
Case streaming(int overlap) {
  return {"streaming-diloco",
          "local_steps = 16\nfragments = 4\noverlap_steps = " + std::to_string(overlap) + "\n",
          false, 700, std::to_string(overlap)};
}

std::string with_k(std::string text, uint32_t k) {
  const size_t at = text.find("%K");
  return at == std::string::npos ? text : text.replace(at, 2, std::to_string(k));
}

std::string job(const Case& which, const std::string& law, uint32_t nodes, Round rounds) {
  return "[model]\nkind = \"quadratic\"\nreplicas = 4\n[train]\nlearning_rate = 0.001\n"
         "[algorithm]\nkind = \"" +
         which.name + "\"\n" + with_k(which.options, nodes / 2) +
         "[topology]\ngraph = \"star\"\n[delays]\ncompute = \"" + law +
         "\"\nlatency_ms = " + std::to_string(which.latency_ms) +
         "\n[stop]\nrounds = " + std::to_string(rounds) + "\n";
}

class RunTimes : public testing::TestWithParam<Case> {};

TEST_P(RunTimes, AreWhatTheoryPredicts) {
  constexpr Round kRounds = 20000;
  for (const char* law :
       {"constant:1", "exponential:1", "shifted-exponential:0.5:0.5", "pareto:0.6:2.5"}) {
    for (const uint32_t nodes : {4u, 8u, 16u}) {
      SCOPED_TRACE(GetParam().name + ", " + law + ", " + std::to_string(nodes) + " nodes");
      const Round rounds = GetParam().one_gradient ? kRounds * nodes : kRounds;
      const std::string toml = job(GetParam(), law, nodes, rounds);
      const std::optional<RunTime> theory = predict_run_time(parse_job(toml), nodes);
      ASSERT_TRUE(theory);
      const double measured = seconds(simulate_text(toml, nodes).end) / static_cast<double>(rounds);
      EXPECT_NEAR(measured / theory->seconds_per_update(), 1, 0.02)
          << measured << " s against " << theory->formula << ", by " << method_name(theory->method);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, RunTimes,
    testing::Values(Case{"sync", ""}, Case{"k-sync", "k = %K\n"}, Case{"k-batch-sync", "k = %K\n"},
                    Case{"async", "", true}, Case{"k-async", "k = %K\n"},
                    Case{"k-batch-async", "k = %K\n"}, Case{"ssp", "lead = 2\n", true, 0},
                    Case{"local-sgd", "local_steps = 4\n"}, Case{"slowmo", "local_steps = 3\n"},
                    Case{"overlap-local-sgd", "local_steps = 4\n"},
                    Case{"cocod-sgd", "local_steps = 2\n"}, Case{"easgd", "local_steps = 4\n"},
                    Case{"async-easgd", "local_steps = 4\n", true}, streaming(0), streaming(1),
                    streaming(3), streaming(4)),
    [](const auto& info) {
      std::string name = info.param.name + info.param.suffix;
      std::erase(name, '-');
      return name;
    });

}  // namespace
}  // namespace kith
