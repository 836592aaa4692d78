// The coordinators that collect gradients (ALGORITHMS 2A; Dutta et al. 2018, 2021) through the
// simulator, on job texts: equivalences bit for bit, staleness, and the exact laboratory E1, E8 and
// E9. Tolerance: 4 standard errors, estimated from the run itself (a false alarm in 16,000 for each
// figure), and the seeds are fixed.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "protocol/theory/asynchronous_laboratory.h"
#include "protocol/theory/synchronous_laboratory.h"
#include "tests/support/simulate.h"
#include "topology/error.h"

namespace kith {
namespace {

std::string job(const std::string& algorithm, const std::string& delay, Round rounds,
                const std::string& rate = "0.1", int replicas = 400, int every = 50) {
  return "[model]\nkind = \"quadratic\"\nnoise = 1.0\nreplicas = " + std::to_string(replicas) +
         "\n[train]\nlearning_rate = " + rate + "\n[algorithm]\n" + algorithm +
         "\n[topology]\ngraph = \"star\"\n[delays]\ncompute = \"" + delay +
         "\"\n[stop]\nrounds = " + std::to_string(rounds) +
         "\n[report]\nevery = " + std::to_string(every) + "\n";
}

std::string kind(const std::string& name, int k = 0) {
  return "kind = \"" + name + "\"" + (k > 0 ? "\nk = " + std::to_string(k) : "");
}

struct Mean {
  double value = 0;
  double standard_error = 0;
};

// E x^2 of the hub's model, over replicas and over reports. The replicas of one run share its
// timing, so the reports, which lie several correlation times apart, are the independent sample.
Mean second_moment(const std::string& toml, uint32_t nodes, int warm_up_reports = 10,
                   const std::vector<std::string>& overrides = {}) {
  std::vector<double> samples;
  SimulationSettings settings;
  settings.threads = 1;
  settings.on_report = [&](const SimulationReport& report) {
    double squares = 0;
    for (const float x : report.average) squares += static_cast<double>(x) * x;
    samples.push_back(squares / static_cast<double>(report.average.size()));
  };
  simulate_text(toml, nodes, overrides, settings);
  samples.erase(samples.begin(), samples.begin() + warm_up_reports);
  const auto count = static_cast<double>(samples.size());
  const double mean = std::accumulate(samples.begin(), samples.end(), 0.0) / count;
  double squares = 0;
  for (const double v : samples) squares += (v - mean) * (v - mean);
  return {mean, std::sqrt(squares / (count - 1) / count)};
}

void expect_near(const Mean& measured, double expected) {
  // Beside chance, float32 arithmetic and the printed digits.
  EXPECT_NEAR(measured.value, expected, 4 * measured.standard_error + 1e-4 * expected);
  EXPECT_LT(measured.standard_error, 0.02 * expected) << "too few samples to tell anything";
}

constexpr const char* kExponential = "exponential:1";

// ---- equivalences ----

TEST(Gradients, KSyncAndKAsyncOfAllNodesAreSynchronousSgdBitForBit) {
  for (const char* codec : {"identity", "qsgd:7"}) {
    const std::vector<std::string> more = {std::string("codec.kind=\"") + codec + '"',
                                           "train.momentum=0.9", "model.offsets=\"index\""};
    const SimulationResult sync = simulate_text(job(kind("sync"), kExponential, 60), 6, more);
    for (const char* name : {"k-sync", "k-async"}) {
      SCOPED_TRACE(std::string(name) + " " + codec);
      const SimulationResult other = simulate_text(job(kind(name, 6), kExponential, 60), 6, more);
      EXPECT_TRUE(same_parameters(sync, other));
      EXPECT_EQ(other.end, sync.end);
      EXPECT_EQ(other.measures.staleness_sum, 0u);
    }
    // ALGORITHMS 2A pitfall: gradients of the round before are among those of K-batch-async.
    const SimulationResult batch =
        simulate_text(job(kind("k-batch-async", 6), kExponential, 60), 6, more);
    EXPECT_FALSE(same_parameters(sync, batch));
    EXPECT_GT(batch.measures.staleness_sum, 0u);
  }
}

TEST(Gradients, OneGradientAnUpdateIsAsynchronousSgdBitForBit) {
  const SimulationResult async = simulate_text(job(kind("async"), kExponential, 300), 5);
  for (const char* name : {"k-async", "k-batch-async"}) {
    SCOPED_TRACE(name);
    const SimulationResult other = simulate_text(job(kind(name, 1), kExponential, 300), 5);
    EXPECT_TRUE(same_parameters(async, other));
    EXPECT_EQ(other.measures.staleness, async.measures.staleness);
  }
  const SimulationResult unbounded =
      simulate_text(job(kind("ssp") + "\nlead = 1000000", kExponential, 300), 5);
  EXPECT_TRUE(same_parameters(async, unbounded));
}

// ---- staleness ----

const char* const kLaws[] = {
    "constant:1",     "exponential:1",   "uniform:0:2",      "shifted-exponential:0.5:0.5",
    "pareto:0.6:2.5", "weibull:0.7:0.7", "log-normal:0.6:1", "hyperexponential:0.9:0.5:5.5"};

// N/K - 1 and (N - 1)/K in the long run, for any law (ALGORITHMS 2A): each gradient is as many
// updates old as came while it was computed, and all gradients together fill all updates. What is
// missing at the end are the N gradients under way, which are E X^2 / (2 (E X)^2) N/K updates old:
// at most 0.018 of the mean here (hyperexponential, K = 1).
TEST(Gradients, MeanStalenessDependsOnNoLawOfDelays) {
  constexpr uint32_t kNodes = 8;
  for (const char* law : kLaws) {
    for (const int k : {1, 2, 3, 4, 8}) {
      SCOPED_TRACE(std::string(law) + ", K = " + std::to_string(k));
      const auto mean = [&](const char* name) {
        return simulate_text(job(kind(name, k), law, 12000, "0.001", 1, 1000), kNodes)
            .measures.mean_staleness();
      };
      EXPECT_NEAR(mean("k-async"), static_cast<double>(kNodes) / k - 1, 0.03);
      EXPECT_NEAR(mean("k-batch-async"), (kNodes - 1.0) / k, 0.03);
    }
    EXPECT_EQ(simulate_text(job(kind("k-sync", 3), law, 500, "0.001", 1, 100), kNodes)
                  .measures.staleness_sum,
              0u);
  }
}

// Exponential delays have no memory: staleness of async SGD is geometric, P(k) = (1/N)(1-1/N)^k,
// and a gradient of K-async is fresh with probability K/N, of K-batch-async with
// (1/K) sum_j [1 - (1-1/N)^j] (ALGORITHMS 2A). Gradients of one update are not independent: the
// standard error of a proportion is taken K times as large.
TEST(Gradients, StalenessUnderExponentialDelays) {
  constexpr double kNodes = 8;
  constexpr Round kRounds = 40000;
  const auto measured = [&](const char* name, int k) {
    return simulate_text(job(kind(name, k), kExponential, kRounds / k, "0.001", 1, 1000), 8)
        .measures;
  };
  const auto near = [](uint64_t count, const Measures& of, double p, double k) {
    const auto n = static_cast<double>(of.applied);
    EXPECT_NEAR(static_cast<double>(count) / n, p, 4 * std::sqrt(k * p * (1 - p) / n));
  };
  const Measures async = measured("k-async", 1);
  for (int s = 0; s < 8; ++s) {
    near(async.staleness[s], async, std::pow(1 - 1 / kNodes, s) / kNodes, 1);
  }
  for (const int k : {2, 4}) {
    near(measured("k-async", k).staleness[0], measured("k-async", k), k / kNodes, k);
    double fresh = 0;
    for (int j = 1; j <= k; ++j) fresh += (1 - std::pow(1 - 1 / kNodes, j)) / k;
    near(measured("k-batch-async", k).staleness[0], measured("k-batch-async", k), fresh, k);
  }
}

// Ho et al. 2013: no gradient is staler than (2 lead + 1)(N - 1) updates, and a node that is 20
// times slower drags the others along.
TEST(Gradients, StaleSynchronousKeepsItsBound) {
  for (const int lead : {0, 1, 3}) {
    SCOPED_TRACE(lead);
    const SimulationResult result = simulate_text(
        job(kind("ssp") + "\nlead = " + std::to_string(lead), "pareto:0.6:1.2", 4000, "0.001", 1),
        4);
    for (size_t s = (2 * lead + 1) * 3 + 1; s < Measures::kBins; ++s) {
      EXPECT_EQ(result.measures.staleness[s], 0u) << s;
    }
  }
}

// ---- the exact laboratory ----

TEST(Laboratory, E1KSyncHasTheFloorOfKNodes) {
  expect_near(second_moment(job(kind("k-sync", 4), kExponential, 20000), 8), 1.31579e-2);
  expect_near(second_moment(job(kind("k-sync", 2), kExponential, 20000), 8), 2.63158e-2);
  expect_near(second_moment(job(kind("k-batch-sync", 4), kExponential, 20000), 8), 1.31579e-2);
}

TEST(Laboratory, E8AsynchronousSgd) {
  expect_near(second_moment(job(kind("async"), kExponential, 100000), 8), 8.91089e-2);
  expect_near(second_moment(job(kind("async"), kExponential, 200000, "0.05", 400, 100), 16),
              4.47761e-2);
}

TEST(Laboratory, E9KAsynchronousSgd) {
  expect_near(second_moment(job(kind("k-async", 2), kExponential, 60000), 8), 3.38919e-2);
  expect_near(second_moment(job(kind("k-async", 4), kExponential, 40000), 8), 1.44099e-2);
  expect_near(second_moment(job(kind("k-async", 8), kExponential, 20000), 8), 6.57895e-3);
}

// Any N, K, eta, h, sigma and slope noise, where theory says that it settles.
TEST(Laboratory, DrawnParametersHaveTheFloorOfTheory) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const auto nodes = static_cast<uint32_t>(2 + rng.below(9));
    const auto k = static_cast<uint32_t>(1 + rng.below(nodes));
    ScalarQuadratic problem{.curvature = 0.5 + rng.uniform(),
                            .sigma = 0.5 + rng.uniform(),
                            .slope_noise = 0.5 * rng.uniform()};
    const double pull = (0.1 + 0.25 * rng.uniform()) * kasync_pull_limit(nodes, k);
    problem.rate = std::min(0.2, pull) / problem.curvature;
    const char* name = seed % 3 == 0 ? "k-sync" : seed % 3 == 1 ? "k-async" : "k-batch-async";
    const double expected = seed % 3 == 0   ? ksync_variance(problem, k)
                            : seed % 3 == 1 ? kasync_variance(problem, nodes, k)
                                            : kbatch_async_variance(problem, nodes, k);
    // Reports lie four times the memory of an update apart.
    const auto every = static_cast<int>(4 / problem.pull()) + 1;
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + name + ", K = " + std::to_string(k) +
                 " of " + std::to_string(nodes) + ", eta " + std::to_string(problem.rate));
    expect_near(second_moment(
                    job(kind(name, static_cast<int>(k)), kExponential,
                        static_cast<Round>(every) * 600, std::to_string(problem.rate), 200, every),
                    nodes, 10,
                    {"model.noise=" + std::to_string(problem.sigma),
                     "model.curvature=" + std::to_string(problem.curvature),
                     "model.slope_noise=" + std::to_string(problem.slope_noise)}),
                expected);
  }
}

// ---- what cannot work ----

TEST(Gradients, AKThatNodesCannotGiveIsRefused) {
  const auto refusal = [](const std::string& algorithm, uint32_t nodes) {
    try {
      simulate_text(job(algorithm, kExponential, 10), nodes);
    } catch (const OperatorError& error) {
      return std::string(error.what());
    }
    return std::string("nothing was refused");
  };
  for (const char* name : {"k-sync", "k-batch-sync", "k-async", "k-batch-async"}) {
    EXPECT_EQ(refusal(kind(name, 9), 8),
              "algorithm.k is 9, but there are 8 nodes: it must be between 1 and 8");
    const std::string zero = refusal("kind = \"" + std::string(name) + "\"\nk = 0", 8);
    EXPECT_NE(zero.find("algorithm.k is 0"), std::string::npos) << zero;
    EXPECT_NE(zero.find("1"), std::string::npos) << zero;
  }
}

}  // namespace
}  // namespace kith
