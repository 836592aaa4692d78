// Wall-clock time of a round without a hub (ALGORITHMS 3): what the simulator measures against what
// theory/runtime.h predicts, to 2 %, for gossip in lockstep and without any barrier. The seeds are
// fixed; 2 % is several standard errors of the mean of so many rounds.
#include <gtest/gtest.h>

#include "daemon/store/round_time.h"
#include "tests/support/simulate.h"

namespace kith {
namespace {

struct Case {
  std::string name;
  std::string graph;
  std::string options;
  std::string suffix;
};

std::string job(const Case& which, const std::string& law, Round rounds) {
  return "[model]\nkind = \"quadratic\"\nreplicas = 4\n[train]\nlearning_rate = 0.001\n"
         "[algorithm]\nkind = \"" +
         which.name + "\"\n" + which.options + "[topology]\ngraph = \"" + which.graph +
         "\"\n[delays]\ncompute = \"" + law +
         "\"\nlatency_ms = 300\n[stop]\nrounds = " + std::to_string(rounds) + "\n";
}

class GossipTimes : public testing::TestWithParam<Case> {};

TEST_P(GossipTimes, AreWhatTheoryPredicts) {
  constexpr Round kRounds = 40000;
  for (const char* law :
       {"constant:1", "exponential:1", "shifted-exponential:0.5:0.5", "uniform:0:2"}) {
    for (const uint32_t nodes : {1u, 4u, 9u}) {
      SCOPED_TRACE(GetParam().name + ", " + law + ", " + std::to_string(nodes) + " nodes");
      const std::string toml = job(GetParam(), law, kRounds);
      const std::optional<RunTime> theory = predict_run_time(parse_job(toml), nodes);
      ASSERT_TRUE(theory);
      const double measured =
          seconds(simulate_text(toml, nodes).end) / static_cast<double>(kRounds);
      EXPECT_NEAR(measured / theory->seconds_per_round, 1, 0.02)
          << measured << " s against " << theory->formula << ", by " << method_name(theory->method);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, GossipTimes,
    testing::Values(Case{"dpsgd", "ring", "", "Ring"}, Case{"dpsgd", "star", "", "Star"},
                    Case{"dpsgd", "ring", "local_steps = 3\n", "LocalSteps"},
                    Case{"dpsgd", "complete", "order = \"cta\"\n", "CombineFirst"},
                    Case{"sgp", "static-exponential", "", ""}, Case{"osgp", "ring", "", "One"},
                    Case{"osgp", "static-exponential", "overlap = 3\n", "Three"},
                    Case{"eventgrad", "ring", "", ""}, Case{"ad-psgd", "ring", "", ""},
                    Case{"ad-psgd", "complete", "overlap = true\n", "Overlap"},
                    Case{"swarm-sgd", "ring", "local_steps = 4\n", "Random"},
                    Case{"swarm-sgd", "star", "steps = \"fixed\"\noverlap = true\n", "Overlap"}),
    [](const auto& info) {
      std::string name = info.param.name + info.param.suffix;
      std::erase(name, '-');
      return name;
    });

// One node five times slower: the pace of those that wait is its own, and theory knows it.
TEST(GossipTimes, OneSlowNode) {
  for (const char* algorithm : {"dpsgd", "sgp", "osgp"}) {
    for (const char* law : {"constant:1", "exponential:1"}) {
      SCOPED_TRACE(std::string(algorithm) + ", " + law);
      const std::string toml = job({algorithm, "ring", "", ""}, law, 40000);
      const Job slow = parse_job(toml, {"delays.scale=[5]"});
      const std::optional<RunTime> theory = predict_run_time(slow, 6);
      ASSERT_TRUE(theory);
      const double measured = seconds(simulate_text(toml, 6, {"delays.scale=[5]"}).end) / 40000;
      EXPECT_NEAR(measured / theory->seconds_per_round, 1, 0.02) << theory->formula;
      EXPECT_GE(theory->seconds_per_round, 4.95);
    }
  }
}

}  // namespace
}  // namespace kith
