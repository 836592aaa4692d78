// Every delay law: samples against mean and distribution function, quantiles against the function,
// the table's parsing and refusals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "protocol/theory/delay.h"
#include "topology/error.h"

namespace kith {
namespace {

using testing::HasSubstr;

const std::vector<std::string>& specs() {
  static const std::vector<std::string> kSpecs = {"constant:0.5",
                                                  "constant:0",
                                                  "exponential:2",
                                                  "exponential:0",
                                                  "uniform:1:3",
                                                  "shifted-exponential:0.5:0.25",
                                                  "uniform:2:2",
                                                  "pareto:1:3",
                                                  "pareto:0.5:2.5",
                                                  "weibull:1:0.7",
                                                  "weibull:2:3",
                                                  "log-normal:1:0.5",
                                                  "log-normal:0.01:1",
                                                  "hyperexponential:0.9:0.5:5.5",
                                                  "hyperexponential:0.3:0:2"};
  return kSpecs;
}

std::vector<std::shared_ptr<const Delay>> laws() {
  std::vector<std::shared_ptr<const Delay>> laws;
  for (const std::string& spec : specs()) laws.push_back(make_delay(spec));
  laws.push_back(make_empirical_delay({3, 1, 1, 2, 10}, "trace:x"));
  laws.push_back(scaled(make_delay("weibull:1:2"), 5));
  laws.push_back(scaled(laws[laws.size() - 2], 0.5));
  return laws;
}

// 40,000 draws of each law. The mean within 4 standard errors (false alarm 6e-5 a law), the largest
// distance of the distribution functions within 2.7/sqrt(n) (Kolmogorov-Smirnov, 1e-6 a law; at an
// atom the distance from below is taken to the function's value just below it).
TEST(Delay, SamplesFollowMeanAndDistribution) {
  constexpr uint64_t kSeed = 11;
  constexpr size_t kDraws = 40000;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  for (const auto& law : laws()) {
    SCOPED_TRACE(law->describe());
    Rng rng(kSeed, NodeId{0}, Purpose::kTest);
    std::vector<double> draws(kDraws);
    double mean = 0;
    for (double& x : draws) mean += (x = law->sample(rng)) / kDraws;
    double variance = 0;
    for (const double x : draws) variance += (x - mean) * (x - mean) / (kDraws - 1);
    EXPECT_NEAR(mean, law->mean(), 4 * std::sqrt(variance / kDraws) + 1e-9);

    std::ranges::sort(draws);
    double distance = 0;
    for (size_t i = 0; i < kDraws; ++i) {
      if (i + 1 < kDraws && draws[i + 1] == draws[i]) continue;
      const double at = law->cdf(draws[i] * (1 + 1e-14));
      distance = std::max(distance, std::abs(static_cast<double>(i + 1) / kDraws - at));
    }
    EXPECT_LT(distance, 2.7 / std::sqrt(kDraws));
  }
}

// Runs recorded before there were more laws keep their bits.
TEST(Delay, FirstFourLawsDrawAsEver) {
  const auto draws = [](const std::string& spec, auto formula) {
    Rng mine(7, NodeId{3}, Purpose::kComputeDelay);
    Rng plain(7, NodeId{3}, Purpose::kComputeDelay);
    const std::unique_ptr<Delay> law = make_delay(spec);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(law->sample(mine), formula(plain)) << spec;
  };
  draws("constant:0.01", [](Rng&) { return 0.01; });
  draws("exponential:0.01", [](Rng& rng) { return 0 + 0.01 * rng.exponential(); });
  draws("shifted-exponential:0.01:0.005",
        [](Rng& rng) { return 0.01 + 0.005 * rng.exponential(); });
  draws("uniform:0.01:0.2", [](Rng& rng) { return 0.01 + (0.2 - 0.01) * rng.uniform(); });
}

TEST(Delay, QuantileInvertsTheDistribution) {
  for (const auto& law : laws()) {
    SCOPED_TRACE(law->describe());
    Rng rng(5, NodeId{0}, Purpose::kTest);
    for (int i = 0; i < 1000; ++i) {
      const double x = law->sample(rng);
      EXPECT_NEAR(law->quantile(law->cdf(x)), x, 1e-9 * x);
      EXPECT_NEAR(law->cdf(x) + law->survival(x), 1, 1e-12);
      const double u = rng.uniform();
      EXPECT_GE(law->cdf(law->quantile(u) * (1 + 1e-12)), u - 1e-12);
      EXPECT_LE(law->cdf(law->quantile(u) * (1 - 1e-9) - 1e-300), u + 1e-8);
    }
  }
}

TEST(Delay, QuantilesReachTheEndsOfTheSupport) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(make_delay("uniform:1:3")->quantile(0), 1);
  EXPECT_EQ(make_delay("uniform:1:3")->quantile(1), 3);
  EXPECT_EQ(make_delay("pareto:2:3")->quantile(0), 2);
  for (const char* spec : {"exponential:1", "pareto:2:3", "weibull:1:2", "log-normal:1:1",
                           "hyperexponential:0.5:1:2"}) {
    EXPECT_EQ(make_delay(spec)->quantile(1), kInfinity) << spec;
  }
  const std::unique_ptr<Delay> trace = make_empirical_delay({4, 2, 9}, "t");
  EXPECT_EQ(trace->quantile(0), 2);
  EXPECT_EQ(trace->quantile(1), 9);
}

// Every count of a trace of 49 values: 49 (1/49) is not 1 in floating point.
TEST(Delay, EmpiricalQuantilesSurviveRounding) {
  std::vector<double> values;
  for (int i = 1; i <= 49; ++i) values.push_back(i);
  const std::unique_ptr<Delay> law = make_empirical_delay(values, "t");
  for (const double x : values) EXPECT_EQ(law->quantile(law->cdf(x)), x);
}

TEST(Delay, TailsKeepRelativePrecision) {
  EXPECT_NEAR(make_delay("pareto:1:2.5")->survival(1e40) / 1e-100, 1, 1e-12);
  EXPECT_NEAR(make_delay("exponential:1")->survival(500) / std::exp(-500.0), 1, 1e-12);
  EXPECT_NEAR(make_delay("weibull:1:2")->cdf(1e-9) / 1e-18, 1, 1e-12);
  // 0.5 erfc(20/sqrt 2).
  EXPECT_NEAR(make_delay("log-normal:1:0.5")->survival(std::exp(10.0)) / 2.7536241186062337e-89, 1,
              1e-9);
}

TEST(Delay, MeansAreTheTextbooks) {
  EXPECT_DOUBLE_EQ(make_delay("pareto:2:3")->mean(), 3);
  EXPECT_DOUBLE_EQ(make_delay("weibull:2:0.5")->mean(), 4);
  EXPECT_DOUBLE_EQ(make_delay("log-normal:2:1")->mean(), 2 * std::exp(0.5));
  EXPECT_DOUBLE_EQ(make_delay("hyperexponential:0.9:0.5:5.5")->mean(), 1);
  EXPECT_DOUBLE_EQ(make_empirical_delay({1, 2, 6}, "t")->mean(), 3);
}

TEST(Delay, ScaledIsTheSameMachineSlower) {
  const std::shared_ptr<const Delay> law = make_delay("shifted-exponential:1:2");
  const std::shared_ptr<const Delay> slow = scaled(law, 5);
  Rng a(1, NodeId{0}, Purpose::kTest);
  Rng b(1, NodeId{0}, Purpose::kTest);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(slow->sample(a), 5 * law->sample(b));
  EXPECT_DOUBLE_EQ(slow->mean(), 15);
  EXPECT_DOUBLE_EQ(slow->exponential_form()->shift, 5);
  EXPECT_DOUBLE_EQ(slow->exponential_form()->mean, 10);
  EXPECT_EQ(slow->describe(), "5 x shifted-exponential:1:2");
  EXPECT_EQ(scaled(law, 1), law);
}

TEST(Delay, DescribesItselfAsItIsWritten) {
  for (const std::string& spec : specs()) EXPECT_EQ(make_delay(spec)->describe(), spec);
}

std::string refusal(const std::string& spec) {
  try {
    make_delay(spec);
  } catch (const OperatorError& error) {
    return error.what();
  }
  return "";
}

TEST(Delay, RefusesAnUnknownLawWithAllThatExist) {
  for (const char* spec : {"", "foo", "foo:1", "Exponential:1", ":1"}) {
    const std::string text = refusal(spec);
    for (const std::string& known : specs()) {
      EXPECT_THAT(text, HasSubstr(known.substr(0, known.find(':') + 1))) << spec;
    }
    EXPECT_THAT(text, HasSubstr("pareto:XM:ALPHA"));
    EXPECT_THAT(text, HasSubstr("trace:PATH"));
    EXPECT_THAT(text, HasSubstr("seconds"));
  }
}

TEST(Delay, RefusesAWrongNumberOfParametersWithTheForm) {
  for (const char* spec : {"pareto", "pareto:1", "pareto:1:2:3", "pareto:1:2:"}) {
    EXPECT_THAT(refusal(spec), HasSubstr("pareto:XM:ALPHA")) << spec;
    EXPECT_THAT(refusal(spec), HasSubstr("ALPHA above 1, at most 1000")) << spec;
  }
}

TEST(Delay, RefusesABadValueWithTheAllowedRange) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"constant:-1", "S of constant:S, which must be a number from 0 to 1000000000 s"},
      {"constant:nan", "from 0 to 1000000000 s"},
      {"constant:inf", "from 0 to 1000000000 s"},
      {"constant:1e400", "from 0 to 1000000000 s"},
      {"constant:2e9", "from 0 to 1000000000 s"},
      {"constant:0x10", "\"0x10\" for S"},
      {"constant: 1", "\" 1\" for S"},
      {"constant:1s", "\"1s\" for S"},
      {"exponential:", "\"\" for MEAN"},
      {"uniform:3:2", "FROM must be from 0 to TO"},
      {"pareto:0:2", "XM of pareto:XM:ALPHA, which must be a number above 0"},
      {"pareto:1:1", "above 1, at most 1000: at 1 or below the mean is infinite"},
      {"pareto:1:0.5", "the mean is infinite"},
      {"weibull:1:0", "SHAPE of weibull:SCALE:SHAPE, which must be a number from 0.1 to 100"},
      {"log-normal:1:0", "SIGMA of log-normal:MEDIAN:SIGMA, which must be a number above 0"},
      {"log-normal:1:4", "at most 3"},
      {"hyperexponential:1.1:1:1", "P of hyperexponential:P:MEAN1:MEAN2"},
      {"trace:times.txt", "not read here"}};
  for (const auto& [spec, part] : rows) {
    EXPECT_THAT(refusal(spec), HasSubstr(part));
    EXPECT_THAT(refusal(spec), HasSubstr('"' + spec + '"'));
  }
}

TEST(Delay, RefusesABadTraceNamingTheValue) {
  const auto trace_refusal = [](std::vector<double> values) -> std::string {
    try {
      make_empirical_delay(std::move(values), "trace:x.txt");
    } catch (const OperatorError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(trace_refusal({}), HasSubstr("\"trace:x.txt\" holds no value"));
  EXPECT_THAT(trace_refusal({1, 2, -3}), HasSubstr("-3 as its value 3"));
  EXPECT_THAT(trace_refusal({std::nan("")}), HasSubstr("value 1"));
  EXPECT_THAT(trace_refusal({2e9}), HasSubstr("from 0 to 1000000000 s"));
  EXPECT_EQ(trace_refusal({0}), "");
}

TEST(Delay, TracePathIsWhatFollowsTheName) {
  EXPECT_EQ(trace_path("trace:/a/b:c.txt"), "/a/b:c.txt");
  EXPECT_EQ(trace_path("trace:"), "");
  EXPECT_EQ(trace_path("constant:1"), std::nullopt);
}

TEST(Delay, HelpHasEveryLaw) {
  for (const std::string& spec : specs()) {
    EXPECT_THAT(delay_help(), HasSubstr(spec.substr(0, spec.find(':') + 1)));
  }
  EXPECT_THAT(delay_help(), HasSubstr("trace:PATH"));
}

}  // namespace
}  // namespace kith
