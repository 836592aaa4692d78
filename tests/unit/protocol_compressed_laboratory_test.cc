// The recursion against the closed forms E10 and E11 of ALGORITHMS 4.2, and against its degenerate
// cases; that rand-k messages follow it is shown through the simulator (papers/).
#include <gtest/gtest.h>

#include <cmath>

#include "protocol/theory/compressed_laboratory.h"
#include "protocol/theory/synchronous_laboratory.h"

namespace kith {
namespace {

RandKProcess after(int rounds, const ScalarQuadratic& problem, uint32_t workers, double share,
                   bool error_feedback) {
  RandKProcess process(problem, workers, share, error_feedback);
  for (int round = 0; round < rounds; ++round) process.step();
  return process;
}

TEST(CompressedLaboratory, E10AsPrinted) {
  const ScalarQuadratic problem{.rate = 0.1};
  EXPECT_NEAR(rand_k_variance(problem, 8, 0.25), 2.68456e-2, 1e-7);
  EXPECT_NEAR(after(2000, problem, 8, 0.25, false).moments().variance(), 2.68456e-2, 1e-7);
}

TEST(CompressedLaboratory, E11AsPrinted) {
  const ScalarQuadratic problem{.rate = 0.05};  // s2 = c^2
  constexpr double p = 0.1;
  EXPECT_NEAR(rand_k_memory_variance(problem, p), 0.047619, 1e-6);
  const RandKProcess with = after(5000, problem, 1, p, true);
  EXPECT_NEAR(with.moments().variance(), 0.047619, 1e-6);
  // Memory in units of the gradient; the printed one carries eta.
  EXPECT_NEAR(0.05 * 0.05 * with.memory(), 2 * 0.05 * (1 - p) / p * 0.047619, 1e-6);
  EXPECT_NEAR(after(5000, problem, 1, p, false).moments().variance(), 0.33333, 1e-5);
  EXPECT_NEAR(after(5000, problem, 1, 1, true).moments().variance(), 0.025641, 1e-6);
}

TEST(CompressedLaboratory, AllValuesSentIsSync) {
  const ScalarQuadratic problem{
      .curvature = 1.3, .sigma = 0.7, .slope_noise = 0.4, .rate = 0.2, .start = 3};
  for (const bool error_feedback : {false, true}) {
    RandKProcess coded(problem, 5, 1, error_feedback);
    KSyncProcess plain(problem, 5);
    for (int round = 0; round < 30; ++round) {
      coded.step();
      plain.step();
      EXPECT_NEAR(coded.moments().mean, plain.moments().mean, 1e-12);
      EXPECT_NEAR(coded.moments().second, plain.moments().second, 1e-12);
      EXPECT_EQ(coded.memory(), 0);
    }
  }
}

// x - (eta/N) sum e_i follows uncompressed steps at the gradients of x: without pull there are only
// those, and what is missing from x is in the memories.
TEST(CompressedLaboratory, NothingIsLostWithoutCurvature) {
  const ScalarQuadratic problem{.curvature = 0, .sigma = 1, .rate = 0.1, .start = 2};
  constexpr double n = 4;
  constexpr int rounds = 200;
  const RandKProcess with = after(rounds, problem, 4, 0.3, true);
  // Var x: every noise that has been sent. Each is still in a memory with probability 0.7^age.
  double sent = 0;
  double kept = 0;
  for (int age = 1; age <= rounds; ++age) {
    sent += 1 - std::pow(0.7, age);
    kept += std::pow(0.7, age);
  }
  EXPECT_NEAR(with.moments().variance(), 0.01 / n * sent, 1e-12);
  EXPECT_NEAR(with.memory(), kept, 1e-12);
  EXPECT_EQ(with.moments().mean, 2);
}

}  // namespace
}  // namespace kith
