// Expected order statistics against the golden numbers of ALGORITHMS 3, closed forms, each other
// and Monte Carlo.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "protocol/theory/order_statistics.h"
#include "tests/unit/protocol_hidden_law.h"

namespace kith {
namespace {

double expected(const std::string& spec, uint32_t k, uint32_t n) {
  return expected_order_statistic(*make_delay(spec), k, n).value;
}

struct Golden {
  const char* law;
  uint32_t k;
  uint32_t n;
  double value;
};

TEST(OrderStatistics, GoldenNumbers) {
  const std::vector<Golden> rows = {
      {"exponential:1", 1, 8, .125},     {"exponential:1", 2, 8, .2679},
      {"exponential:1", 4, 8, .6345},    {"exponential:1", 6, 8, 1.2179},
      {"exponential:1", 7, 8, 1.7179},   {"exponential:1", 8, 8, 2.7179},
      {"exponential:1", 16, 16, 3.3807}, {"exponential:1", 64, 64, 4.7439},
      {"pareto:1:3", 4, 8, 1.2430},      {"pareto:1:3", 8, 8, 2.7458},
      {"pareto:1:3", 64, 64, 5.4259},    {"weibull:1:0.7", 8, 8, 4.4216}};
  for (const Golden& row : rows) {
    SCOPED_TRACE(std::string(row.law) + " " + std::to_string(row.k) + ":" + std::to_string(row.n));
    EXPECT_NEAR(expected(row.law, row.k, row.n), row.value, 5.1e-5);
    const HiddenLaw law(row.law);
    EXPECT_NEAR(expected_order_statistic(law, row.k, row.n).value, row.value, 5.1e-5);
  }
}

TEST(OrderStatistics, LargestOfUnequalExponentials) {
  const auto fast = make_delay("exponential:1");
  const auto slow = make_delay("exponential:4");
  const std::vector<DelayTerm> terms = {{fast.get()}, {fast.get()}, {fast.get()}, {slow.get()}};
  const Expectation largest = expected_order_statistic(terms, 4);
  EXPECT_NEAR(largest.value, 4.4590, 5.1e-5);
  EXPECT_FALSE(largest.closed_form);
  const Expectation least = expected_order_statistic(terms, 1);
  EXPECT_DOUBLE_EQ(least.value, 1 / 3.25);
  EXPECT_TRUE(least.closed_form);
}

// Quadrature against every closed form: 1e-6 is what is promised, 1e-8 what is held.
TEST(OrderStatistics, QuadratureMeetsClosedForms) {
  for (const char* spec :
       {"exponential:0.001", "shifted-exponential:3:0.01", "uniform:1:3", "pareto:1:3",
        "pareto:0.01:1.5", "pareto:1:1.1", "pareto:2:50", "weibull:1:0.5", "weibull:3:30"}) {
    for (const uint32_t n : {1u, 2u, 8u, 16u, 64u, 1000u}) {
      for (const uint32_t k : {1u, 2u, n / 2, n - 1, n}) {
        if (k < 1 || k > n) continue;
        const std::unique_ptr<Delay> law = make_delay(spec);
        const Expectation exact = expected_order_statistic(*law, k, n);
        if (!exact.closed_form) continue;
        const HiddenLaw hidden(spec);
        EXPECT_NEAR(expected_order_statistic(hidden, k, n).value / exact.value, 1, 1e-8)
            << spec << " " << k << " of " << n;
      }
    }
  }
}

// sum over k of X_{k:n} is the sum of all: sum of E X_{k:n} = n E X, for every law.
TEST(OrderStatistics, AddUpToTheMeans) {
  std::vector<std::shared_ptr<const Delay>> laws;
  for (const char* spec :
       {"log-normal:1:0.5", "log-normal:0.01:2", "hyperexponential:0.9:0.5:5.5", "weibull:2:0.4",
        "weibull:1:60", "pareto:1:1.2", "uniform:0.1:0.4", "hyperexponential:0.999:0.01:100"}) {
    laws.push_back(make_delay(spec));
  }
  laws.push_back(make_empirical_delay({1, 5, 2, 2, 0, 100}, "trace:t"));
  for (const auto& law : laws) {
    for (const uint32_t n : {1u, 3u, 8u}) {
      double sum = 0;
      for (uint32_t k = 1; k <= n; ++k) sum += expected_order_statistic(*law, k, n).value;
      EXPECT_NEAR(sum / (n * law->mean()), 1, 1e-7) << law->describe() << " n = " << n;
    }
  }
  // And for terms of different laws and constants.
  std::vector<DelayTerm> terms;
  double mean = 0;
  for (size_t i = 0; i < laws.size(); ++i) {
    terms.push_back({laws[i].get(), 0.25 * static_cast<double>(i)});
    mean += terms.back().law->mean() + terms.back().plus;
  }
  double sum = 0;
  for (uint32_t k = 1; k <= terms.size(); ++k) sum += expected_order_statistic(terms, k).value;
  EXPECT_NEAR(sum / mean, 1, 1e-7);
}

TEST(OrderStatistics, ConstantsAreSorted) {
  const auto law = make_delay("constant:1");
  const std::vector<DelayTerm> terms = {{law.get(), 3}, {law.get(), 0}, {law.get(), 2}};
  for (const auto& [k, value] : {std::pair{1u, 1.0}, {2u, 3.0}, {3u, 4.0}}) {
    const Expectation expectation = expected_order_statistic(terms, k);
    EXPECT_EQ(expectation.value, value);
    EXPECT_TRUE(expectation.closed_form);
  }
  EXPECT_EQ(expected("constant:0", 2, 3), 0);
}

TEST(OrderStatistics, OneConstantForAllIsAdded) {
  const auto law = make_delay("exponential:2");
  const std::vector<DelayTerm> terms(8, {law.get(), 0.5});
  const Expectation expectation = expected_order_statistic(terms, 8);
  EXPECT_TRUE(expectation.closed_form);
  EXPECT_DOUBLE_EQ(expectation.value, expected("exponential:2", 8, 8) + 0.5);
}

// Five different laws and constants, all k, 200,000 draws; 4 standard errors (false alarm 6e-5 a
// k).
TEST(OrderStatistics, UnequalTermsMeetMonteCarlo) {
  constexpr uint64_t kSeed = 3;
  constexpr int kDraws = 200000;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::vector<std::shared_ptr<const Delay>> laws;
  for (const char* spec : {"exponential:1", "pareto:0.4:3", "uniform:0:2", "constant:0.7"}) {
    laws.push_back(make_delay(spec));
  }
  laws.push_back(make_empirical_delay({0.2, 0.9, 3}, "trace:t"));
  std::vector<DelayTerm> terms;
  for (size_t i = 0; i < laws.size(); ++i) terms.push_back({laws[i].get(), i == 0 ? 0.0 : 0.3});
  terms.push_back({laws[0].get(), 0.3});
  terms.push_back({laws[0].get(), 0.3});

  Rng rng(kSeed, NodeId{0}, Purpose::kTest);
  std::vector<double> sum(terms.size()), squares(terms.size()), times(terms.size());
  for (int draw = 0; draw < kDraws; ++draw) {
    for (size_t i = 0; i < terms.size(); ++i) times[i] = terms[i].law->sample(rng) + terms[i].plus;
    std::ranges::sort(times);
    for (size_t i = 0; i < times.size(); ++i) {
      sum[i] += times[i];
      squares[i] += times[i] * times[i];
    }
  }
  for (uint32_t k = 1; k <= terms.size(); ++k) {
    const double mean = sum[k - 1] / kDraws;
    const double error = std::sqrt((squares[k - 1] / kDraws - mean * mean) / kDraws);
    EXPECT_NEAR(expected_order_statistic(terms, k).value, mean, 4 * error) << k;
  }
}

}  // namespace
}  // namespace kith
