// The accountant against published values, to 1 % at the most, and against closed forms.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "protocol/theory/privacy.h"

namespace kith {
namespace {

struct Steps {
  double sampling;
  double noise;
  uint64_t steps;
};

// Abadi et al. 2016 and the accountants up to 2020 went from Renyi to epsilon by a weaker law
// (Mironov 2017, proposition 3), over a list of orders.
double epsilon_of_2017(const std::vector<Steps>& runs, double delta,
                       const std::vector<double>& orders) {
  double least = INFINITY;
  for (const double order : orders) {
    double renyi = 0;
    for (const Steps& run : runs) {
      renyi += static_cast<double>(run.steps) * renyi_divergence(run.sampling, run.noise, order);
    }
    least = std::min(least, renyi + std::log(1 / delta) / (order - 1));
  }
  return least;
}

// Those of TensorFlow Privacy: 1.1, 1.2, .., 10.9, 12, 13, .., 63.
std::vector<double> usual_orders() {
  std::vector<double> orders;
  for (int i = 1; i < 100; ++i) orders.push_back(1 + i / 10.0);
  for (int i = 12; i < 64; ++i) orders.push_back(i);
  return orders;
}

double epsilon(const Steps& run, double delta) {
  const NoisySteps steps{run.sampling, run.noise, run.steps};
  return privacy_epsilon(std::span(&steps, 1), delta);
}

constexpr double kOnePercent = 0.01;

// "Deep Learning with Differential Privacy", section 3.2: q = 0.01, sigma = 4, delta = 1e-5, 100
// epochs: 1.26. With six digits in TensorFlow Privacy, rdp_accountant_test.py: 1.258575.
TEST(Published, AbadiEtAl) {
  const double found = epsilon_of_2017({{0.01, 4, 10000}}, 1e-5, usual_orders());
  EXPECT_NEAR(found, 1.26, kOnePercent * 1.26);
  EXPECT_NEAR(found, 1.258575, 1e-6);
}

// TensorFlow Privacy, tutorials/README.md: MNIST, 60000 rows, batches of 256, delta = 1e-5.
TEST(Published, TutorialsOfTensorFlowPrivacy) {
  struct Row {
    double noise;
    int epochs;
    double epsilon;
  };
  for (const Row& row : {Row{1.12, 60, 2.92}, Row{0.6, 30, 9.74}, Row{1.2, 10, 1.20}}) {
    const Steps run{256.0 / 60000, row.noise, static_cast<uint64_t>(row.epochs * 60000 / 256)};
    EXPECT_NEAR(epsilon_of_2017({run}, 1e-5, usual_orders()), row.epsilon,
                kOnePercent * row.epsilon);
  }
}

// TensorFlow Privacy, rdp_accountant_test.py, test_check_composition: two kinds of steps.
TEST(Published, CompositionOfTwoKindsOfSteps) {
  const std::vector<double> orders = {1.25, 1.5, 1.75, 2,  2.5, 3,  4,  5,  6,  7,  8,
                                      10,   12,  14,   16, 20,  24, 28, 32, 64, 256};
  EXPECT_NEAR(epsilon_of_2017({{1e-4, 0.4, 40000}, {0.1, 2, 100}}, 1e-5, orders), 8.509656, 1e-5);
}

// TensorFlow Privacy, rdp_accountant_test.py, test_compute_rdp_scalar and _sequence.
TEST(Published, RenyiDivergences) {
  EXPECT_NEAR(10 * renyi_divergence(0.1, 2, 5), 0.07737, 1e-5);
  const double orders[] = {1.5, 2.5, 5, 50, 100};
  const double expected[] = {0.00065, 0.001085, 0.00218075, 0.023846, 167.416307};
  for (int i = 0; i < 5; ++i) {
    EXPECT_NEAR(50 * renyi_divergence(0.01, 2.5, orders[i]), expected[i], 1e-5) << orders[i];
  }
}

// The law of 2020, as Google's dp-accounting 0.6.0 on PyPI computes it (RdpAccountant, its own list
// of orders: up to half a percent above the best one).
TEST(Published, DpAccountingOfGoogle) {
  struct Row {
    Steps run;
    double epsilon;
  };
  const double q = 256.0 / 60000;
  for (const Row& row : {Row{{0.01, 4, 10000}, 1.03549}, Row{{0.01, 4, 40000}, 2.20974},
                         Row{{q, 1.12, 14062}, 2.51859}, Row{{q, 0.6, 7031}, 8.77658},
                         Row{{250.0 / 60000, 1.3, 3600}, 0.942200}, Row{{q, 0.7, 16406}, 7.83928},
                         Row{{1, 10, 100}, 4.72851}}) {
    EXPECT_NEAR(epsilon(row.run, 1e-5), row.epsilon, kOnePercent / 2 * row.epsilon);
  }
}

// For a whole order the expectation is a sum: sum_k C(a, k) (1 - q)^(a-k) q^k exp((k^2 - k) / (2
// sigma^2)) (Mironov, Talwar, Zhang 2019, section 3.3).
TEST(RenyiDivergence, IsTheSumForWholeOrders) {
  for (const double q : {1e-4, 0.01, 0.3, 0.99}) {
    for (const double sigma : {0.3, 0.8, 2.0, 20.0}) {
      for (const int order : {2, 3, 7, 20, 64}) {
        double log_sum = -INFINITY;
        for (int k = 0; k <= order; ++k) {
          const double term = std::lgamma(order + 1) - std::lgamma(k + 1) -
                              std::lgamma(order - k + 1) + (order - k) * std::log1p(-q) +
                              k * std::log(q) + (k * k - k) / (2 * sigma * sigma);
          const double high = std::max(log_sum, term);
          log_sum = high + std::log(std::exp(log_sum - high) + std::exp(term - high));
        }
        const double expected = log_sum / (order - 1);
        EXPECT_NEAR(renyi_divergence(q, sigma, order), expected, 1e-9 + 1e-6 * expected)
            << q << " " << sigma << " " << order;
      }
    }
  }
}

TEST(RenyiDivergence, WithoutSamplingIsThatOfTwoNormalLaws) {
  EXPECT_DOUBLE_EQ(renyi_divergence(1, 2, 5), 5.0 / 8);
  EXPECT_NEAR(renyi_divergence(1 - 1e-12, 2, 5), 5.0 / 8, 1e-9);
}

TEST(Epsilon, OfOneNormalMechanismIsAboveTheExactOne) {
  // delta = Phi(1/(2s) - eps s) - e^eps Phi(-1/(2s) - eps s) (Balle, Wang 2018).
  const auto exact_delta = [](double eps, double s) {
    const auto phi = [](double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; };
    return phi(1 / (2 * s) - eps * s) - std::exp(eps) * phi(-1 / (2 * s) - eps * s);
  };
  for (const double sigma : {0.5, 1.0, 4.0, 30.0}) {
    const double eps = epsilon({1, sigma, 1}, 1e-5);
    EXPECT_LT(exact_delta(eps, sigma), 1e-5) << sigma;
    EXPECT_GT(exact_delta(0.8 * eps, sigma), 1e-5) << sigma;  // not by much
  }
}

TEST(Epsilon, GrowsWithStepsAndSamplingAndFallsWithNoise) {
  const double middle = epsilon({0.01, 1, 1000}, 1e-5);
  EXPECT_GT(epsilon({0.01, 1, 2000}, 1e-5), middle);
  EXPECT_GT(epsilon({0.02, 1, 1000}, 1e-5), middle);
  EXPECT_LT(epsilon({0.01, 1.1, 1000}, 1e-5), middle);
  EXPECT_GT(epsilon({0.01, 1, 1000}, 1e-6), middle);
}

TEST(Epsilon, OfNothingIsNothingAndWithoutNoiseInfinite) {
  EXPECT_EQ(privacy_epsilon({}, 1e-5), 0);
  EXPECT_EQ(epsilon({0.01, 1, 0}, 1e-5), 0);
  EXPECT_EQ(epsilon({0.01, 0, 10}, 1e-5), INFINITY);
}

// Two stretches are one of both lengths.
TEST(Epsilon, AddsStretchesUp) {
  const NoisySteps two[] = {{0.01, 1, 300}, {0.01, 1, 700}};
  EXPECT_NEAR(privacy_epsilon(two, 1e-5), epsilon({0.01, 1, 1000}, 1e-5), 1e-9);
}

}  // namespace
}  // namespace kith
