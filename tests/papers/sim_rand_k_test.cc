// E10 and E11 of ALGORITHMS 4.2 through the simulator: synchronous SGD with rand-k messages, with
// and without error feedback, at the printed parameters and at drawn ones. Tolerance: 4 standard
// errors, estimated from the run itself: a false alarm in 16,000 for each figure. Seeds are fixed.
#include <gtest/gtest.h>

#include <cmath>

#include "protocol/theory/compressed_laboratory.h"
#include "tests/support/laboratory.h"
#include "topology/rng.h"

namespace kith {
namespace {

struct Case {
  uint32_t nodes = 1;
  double share = 0.1;
  double rate = 0.05;
  double curvature = 1;
  double slope_noise = 0;
  double start = 0;
  int rounds = 1000;
  uint64_t seed = 1;
};

LaboratoryResult run(const Case& c, bool error_feedback) {
  std::string text = "[job]\nseed = " + std::to_string(c.seed) +
                     "\n[model]\nkind = \"quadratic\"\nreplicas = 20000\nnoise = 1.0\n";
  text += "curvature = [" + std::to_string(c.curvature) + "]\n";
  text += "slope_noise = " + std::to_string(c.slope_noise) + "\n";
  text += "start = " + std::to_string(c.start) + "\n";
  text += "[train]\nlearning_rate = " + std::to_string(c.rate) + "\n";
  text += "[algorithm]\nkind = \"sync\"\n[topology]\ngraph = \"star\"\n";
  text += "[codec]\nkind = \"rand-k:" + std::to_string(c.share) + "\"\n";
  text += std::string("memory = ") + (error_feedback ? "\"error-feedback\"" : "\"none\"") + '\n';
  text += "[stop]\nrounds = " + std::to_string(c.rounds) + '\n';
  return measure(text, c.nodes);
}

void expect_law(const LaboratoryResult& lab) {
  ASSERT_TRUE(lab.predicted);
  EXPECT_NEAR(lab.predicted->mean_of_average, lab.mean_of_average.value,
              4 * lab.mean_of_average.standard_error);
  EXPECT_NEAR(lab.predicted->variance_of_average, lab.variance_of_average.value,
              4 * lab.variance_of_average.standard_error);
  EXPECT_LT(lab.variance_of_average.standard_error, 0.03 * lab.variance_of_average.value);
  EXPECT_LT(lab.consensus.value, 1e-20);  // the rounding of an average of equal values
}

TEST(RandK, E10OfEightWorkers) {
  const LaboratoryResult lab = run({.nodes = 8, .share = 0.25, .rate = 0.1, .rounds = 200}, false);
  expect_law(lab);
  EXPECT_NEAR(2.68456e-2, lab.variance_of_average.value,
              4 * lab.variance_of_average.standard_error);
}

TEST(RandK, E11WithErrorFeedback) {
  const LaboratoryResult lab = run({}, true);
  expect_law(lab);
  EXPECT_NEAR(0.047619, lab.variance_of_average.value, 4 * lab.variance_of_average.standard_error);
}

// Seven times as high.
TEST(RandK, E11WithoutErrorFeedbackTheFloorIsHigher) {
  const LaboratoryResult lab = run({}, false);
  expect_law(lab);
  EXPECT_NEAR(0.33333, lab.variance_of_average.value, 4 * lab.variance_of_average.standard_error);
}

// Of any number of workers, with noise on the curvature, on the way to the floor.
TEST(RandK, AtDrawnParameters) {
  constexpr uint64_t kSeed = 20;
  for (uint64_t draw = 0; draw < 8; ++draw) {
    Rng rng(kSeed + draw, NodeId{0}, Purpose::kTest);
    const auto uniform = [&rng](double low, double high) {
      return low + (high - low) * rng.uniform();
    };
    Case c;
    c.nodes = 1 + static_cast<uint32_t>(uniform(0, 9));
    c.share = std::floor(uniform(0.05, 1) * 1000) / 1000;
    c.curvature = uniform(0.5, 2);
    // A third of what one worker with memory bears (E11).
    c.rate = uniform(0.1, 0.35) * 2 * c.share / (2 - c.share) / c.curvature;
    c.slope_noise = uniform(0, 0.2);
    c.start = uniform(-2, 2);
    c.rounds = static_cast<int>(uniform(5, 150));
    c.seed = kSeed + draw;
    for (const bool error_feedback : {false, true}) {
      SCOPED_TRACE("seed " + std::to_string(c.seed) + ", error feedback " +
                   (error_feedback ? "on" : "off"));
      expect_law(run(c, error_feedback));
    }
  }
}

}  // namespace
}  // namespace kith
