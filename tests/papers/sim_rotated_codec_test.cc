// E10 of the exact laboratory (ALGORITHMS 4.2) for the codecs over random rotations: with unbiased
// messages of relative variance w from N workers the synchronous iterate has
//   Var x = s^2 (1 + w) / (N (1 - a^2 - eta^2 w h^2 / N)),  a = 1 - eta h, s^2 = eta^2 sigma^2,
// and w = D / (1 - D) of the quantiser (Vargaftik et al. 2021, 2022). Tolerance: 4 standard errors,
// estimated from the run itself, a false alarm in 16,000 for each figure; a thousandth for blocks
// that are not infinitely long. The seeds are fixed.
#include <gtest/gtest.h>

#include <cmath>

#include "protocol/lloyd_max.h"
#include "tests/support/laboratory.h"

namespace kith {
namespace {

LaboratoryResult synchronous(const std::string& codec) {
  return measure(
      "[model]\nkind = \"quadratic\"\nreplicas = 20000\nnoise = 1.0\n"
      "[train]\nlearning_rate = 0.1\n[algorithm]\nkind = \"sync\"\n"
      "[topology]\ngraph = \"star\"\n[codec]\nkind = \"" +
          codec + "\"\nmemory = \"none\"\n[stop]\nrounds = 200\n",
      8);
}

constexpr double kRate = 0.1;

double e10(double w, double rate = kRate) {
  constexpr double kWorkers = 8;
  const double contraction = std::pow(1 - rate, 2) + rate * rate * w / kWorkers;
  return rate * rate * (1 + w) / (kWorkers * (1 - contraction));
}

void expect_floor(const LaboratoryResult& lab, double expected) {
  EXPECT_NEAR(expected, lab.variance_of_average.value,
              4 * lab.variance_of_average.standard_error + 1e-3 * expected);
  EXPECT_LT(lab.variance_of_average.standard_error, 0.02 * expected);
  EXPECT_NEAR(0, lab.mean_of_average.value, 4 * lab.mean_of_average.standard_error);
}

TEST(RotatedCodec, E10FloorRisesByTheVarianceOfTheCodec) {
  ASSERT_NEAR(2.68456e-2, e10(3), 1e-7);  // as printed there
  struct Row {
    const char* codec;
    size_t bits;
  };
  for (const Row& row : {Row{"drive:unbiased", 1}, Row{"eden:1", 1}, Row{"eden:2", 2},
                         Row{"eden:3", 3}, Row{"eden:4", 4}}) {
    SCOPED_TRACE(row.codec);
    const double distortion = lloyd_max::distortion(row.bits);
    expect_floor(synchronous(row.codec), e10(distortion / (1 - distortion)));
  }
}

// Without error feedback the form of least error is the unbiased one times delta = 1 - D = 2 / pi,
// so it is that at a learning rate smaller by as much.
TEST(RotatedCodec, LeastErrorIsTheUnbiasedFormAtASmallerRate) {
  const double distortion = lloyd_max::distortion(1);
  expect_floor(synchronous("drive"), e10(distortion / (1 - distortion), kRate * (1 - distortion)));
}

}  // namespace
}  // namespace kith
