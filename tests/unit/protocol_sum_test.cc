// Laws of sums of draws: the lattice against Erlang's, means, samples, quantiles.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "protocol/theory/quadrature.h"
#include "protocol/theory/sum.h"
#include "tests/unit/protocol_hidden_law.h"

namespace kith {
namespace {

TEST(SumOfDraws, ConstantsAndOneDrawStayWhatTheyAre) {
  const std::shared_ptr<const Delay> law = make_delay("pareto:1:2");
  EXPECT_EQ(sum_of_draws(law, 1), law);
  EXPECT_EQ(sum_of_draws(make_delay("constant:0.25"), 4)->exponential_form()->shift, 1);
}

// P(Erlang > x) = e^-x sum of x^j/j!, with the shifts added, exactly and on the lattice.
TEST(SumOfDraws, ErlangExactlyAndOnTheLattice) {
  const auto exact = sum_of_draws(make_delay("shifted-exponential:1:2"), 3);
  const auto lattice = sum_of_draws(std::make_shared<HiddenLaw>("shifted-exponential:1:2"), 3);
  for (const double x : {0.5, 3.0, 4.0, 9.0, 20.0, 60.0}) {
    const double y = std::max(x - 3, 0.0) / 2;
    const double survival = std::exp(-y) * (1 + y + y * y / 2);
    EXPECT_NEAR(exact->survival(x), survival, 1e-13) << x;
    EXPECT_NEAR(exact->cdf(x), 1 - survival, 1e-13) << x;
    EXPECT_NEAR(lattice->survival(x), survival, 2e-5) << x;
  }
}

// Two uniform draws make a triangle.
TEST(SumOfDraws, TriangleOfTwoUniformDraws) {
  const auto sum = sum_of_draws(make_delay("uniform:1:2"), 2);
  EXPECT_NEAR(sum->cdf(2.5), 0.125, 1e-5);
  EXPECT_NEAR(sum->cdf(3), 0.5, 1e-5);
  EXPECT_NEAR(sum->survival(3.5), 0.125, 1e-5);
  EXPECT_EQ(sum->survival(4.1), 0);
}

// The integral of P(sum > x) is the mean: what the lattice of a sum and its tail together lose.
// Where most of the mean lies beyond the lattice, the single big jump is worth a few per cent.
TEST(SumOfDraws, SurvivalIntegratesToTheMean) {
  for (const auto& [spec, error] : {std::pair{"uniform:1:2", 1e-6},
                                    {"weibull:1:0.5", 1e-5},
                                    {"log-normal:1:1", 1e-5},
                                    {"pareto:1:2.5", 1e-4},
                                    {"pareto:1:1.5", 2e-3},
                                    {"log-normal:1:3", 0.04}}) {
    const std::shared_ptr<const Delay> law = make_delay(spec);
    for (const uint32_t count : {2u, 10u, 50u}) {
      const std::shared_ptr<const Delay> sum = sum_of_draws(law, count);
      std::vector<double> points;
      sum->append_breakpoints(points);
      const double mean = integrate_from(
          0, [&](double x) { return sum->survival(x); }, points);
      EXPECT_NEAR(mean / (count * law->mean()), 1, error) << spec << " " << count;
    }
  }
}

// Kolmogorov-Smirnov: 20,000 draws within 2.7/sqrt(n), false alarm 1e-6 a law.
TEST(SumOfDraws, SamplesFollowTheDistribution) {
  constexpr uint64_t kSeed = 21;
  constexpr size_t kDraws = 20000;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  for (const char* spec : {"exponential:1", "pareto:1:1.5", "log-normal:1:1", "uniform:0:1"}) {
    const auto sum = sum_of_draws(make_delay(spec), 6);
    Rng rng(kSeed, NodeId{0}, Purpose::kTest);
    std::vector<double> draws(kDraws);
    for (double& x : draws) x = sum->sample(rng);
    std::ranges::sort(draws);
    double distance = 0;
    for (size_t i = 0; i < kDraws; ++i) {
      const double below = static_cast<double>(i) / kDraws;
      distance = std::max({distance, std::abs(sum->cdf(draws[i]) - below),
                           std::abs(sum->cdf(draws[i]) - below - 1.0 / kDraws)});
    }
    EXPECT_LT(distance, 2.7 / std::sqrt(kDraws)) << spec;
    for (const double u : {0.01, 0.5, 0.99, 0.99999}) {
      EXPECT_NEAR(sum->cdf(sum->quantile(u)), u, 1e-9) << spec << " " << u;
    }
  }
}

}  // namespace
}  // namespace kith
