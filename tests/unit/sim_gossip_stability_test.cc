// A consensus step that is called too long lets a run of the same job drift apart, and the one that
// is advised in its place does not.
#include <gtest/gtest.h>

#include <limits>

#include "daemon/sim/gossip_stability.h"
#include "tests/support/simulate.h"

namespace kith {
namespace {

std::string job(const std::string& algorithm, const std::string& codec, double gamma) {
  return "[model]\nkind = \"quadratic\"\nreplicas = 500\noffsets = \"index\"\nnoise = 1\n"
         "[train]\nlearning_rate = 0.02\nschedule = \"cosine\"\n[algorithm]\nkind = \"" +
         algorithm + "\"\ngamma = " + std::to_string(gamma) +
         "\n[topology]\ngraph = \"torus\"\n[codec]\nkind = \"" + codec +
         "\"\n[report]\nevery = 700\n[stop]\nrounds = 700\n";
}

// At the end; infinite where it diverged.
double distance(const std::string& toml, uint32_t nodes) {
  double found = 0;
  SimulationSettings settings;
  settings.on_report = [&](const SimulationReport& report) { found = report.consensus_distance; };
  const bool diverged = simulate_text(toml, nodes, {}, settings).diverged;
  return diverged ? std::numeric_limits<double>::infinity() : found;
}

TEST(GossipStability, WarnsOfStepsUnderWhichModelsDriftApart) {
  constexpr uint32_t kNodes = 16;
  for (const char* codec : {"top-k:0.01", "top-k:0.02 | int8"}) {
    for (const char* algorithm : {"choco-sgd", "beer"}) {
      SCOPED_TRACE(std::string(algorithm) + " " + codec);
      const auto advice = advise_step(parse_job(job(algorithm, codec, 0.8)), kNodes);
      ASSERT_TRUE(advice);
      EXPECT_EQ(advice->given, 0.8);
      ASSERT_GT(advice->works, 0);
      EXPECT_LE(advice->works, 0.4);
      EXPECT_FALSE(advise_step(parse_job(job(algorithm, codec, advice->works)), kNodes));
      const double apart = distance(job(algorithm, codec, 0.8), kNodes);
      const double together = distance(job(algorithm, codec, advice->works / 2), kNodes);
      EXPECT_GT(apart, 100 * together);
    }
  }
}

TEST(GossipStability, SaysNothingOfStepsThatWork) {
  for (const auto& [codec, gamma] : {std::pair{"sign", 0.5}, {"qsgd:7", 0.6}, {"int8", 1.0}}) {
    EXPECT_FALSE(advise_step(parse_job(job("choco-sgd", codec, gamma)), 16)) << codec;
  }
  EXPECT_FALSE(advise_step(parse_job(job("choco-sgd", "identity", 1)), 16));
  EXPECT_FALSE(advise_step(parse_job(job("choco-sgd", "top-k:0.01", 0.9)), 1));
}

}  // namespace
}  // namespace kith
