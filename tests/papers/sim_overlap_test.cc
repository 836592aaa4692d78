// Averaging behind the local steps (Overlap-Local-SGD: Wang, Liang, Joshi 2020; CoCoD-SGD: Shen et
// al. 2019) and elastic averaging (Zhang, Choromanska, LeCun 2015) through the simulator, against
// their recursions written out here in doubles, and the exact laboratory E12 (ALGORITHMS 2B, 4.2).
// Statistical figures: 4 standard errors estimated from the run, a false alarm in 16,000 for each.
#include <gtest/gtest.h>

#include <cmath>

#include "daemon/store/laboratory.h"
#include "protocol/coordinator/elastic.h"
#include "protocol/theory/elastic_laboratory.h"
#include "tests/support/simulate.h"

namespace kith {
namespace {

constexpr double kStandardErrors = 4;

// Noiseless nodes f_i = h_i/2 (x - b_i)^2 of which everything can be computed by hand.
struct Problem {
  std::vector<double> curvature;
  std::vector<double> offset;
  double rate = 0.1;
  double start = 2;
  uint32_t steps = 3;
  Round rounds = 7;

  uint32_t nodes() const { return static_cast<uint32_t>(curvature.size()); }

  double gradient(size_t i, double x) const { return curvature[i] * (x - offset[i]); }
  double local(size_t i, double x, uint32_t count) const {
    for (uint32_t k = 0; k < count; ++k) x -= rate * gradient(i, x);
    return x;
  }
};

Problem drawn(uint64_t seed) {
  Rng rng(seed, NodeId{0}, Purpose::kTest);
  Problem problem;
  problem.rate = 0.02 + 0.1 * rng.uniform();
  problem.start = 3 * rng.uniform();
  problem.steps = static_cast<uint32_t>(1 + rng.below(6));
  problem.rounds = 1 + rng.below(12);
  const uint64_t nodes = 1 + rng.below(7);
  for (uint64_t i = 0; i < nodes; ++i) {
    problem.curvature.push_back(0.3 + rng.uniform());
    problem.offset.push_back(-3 + 6 * rng.uniform());
  }
  return problem;
}

std::string list(const std::vector<double>& values) {
  std::string text = "[";
  for (const double value : values) text += (text.size() > 1 ? ", " : "") + std::to_string(value);
  return text + "]";
}

double run(const Problem& problem, const std::string& kind, const std::string& more,
           const std::vector<std::string>& overrides = {}) {
  const SimulationResult result = simulate_text(
      "[model]\nkind = \"quadratic\"\ncurvature = " + list(problem.curvature) +
          "\noffset = " + list(problem.offset) + "\nstart = " + std::to_string(problem.start) +
          "\n[train]\nlearning_rate = " + std::to_string(problem.rate) +
          "\n[algorithm]\nkind = \"" + kind + "\"\nlocal_steps = " + std::to_string(problem.steps) +
          "\n" + more + "[topology]\ngraph = \"star\"\n[delays]\ncompute = \"exponential:0.1\"\n" +
          "[stop]\nrounds = " + std::to_string(problem.rounds) + "\n",
      problem.nodes(), overrides);
  return static_cast<double>(result.parameters[0].floats()[0]);
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// The text of `problem` says 6 digits, so the recursion must too.
Problem rounded(Problem problem) {
  const auto as_text = [](double value) { return std::stod(std::to_string(value)); };
  for (double& h : problem.curvature) h = as_text(h);
  for (double& b : problem.offset) b = as_text(b);
  problem.rate = as_text(problem.rate);
  problem.start = as_text(problem.start);
  return problem;
}

TEST(OverlapLocalSgd, FollowsItsRecursion) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Problem problem = rounded(drawn(seed));
    for (const double beta : {0.0, 0.7}) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", beta " + std::to_string(beta));
      const double alpha = 0.6;
      std::vector<double> x(problem.nodes(), problem.start);
      double z = problem.start;
      double v = 0;
      for (Round round = 0; round < problem.rounds; ++round) {
        const double before = mean(x);
        double displacement = 0;
        for (size_t i = 0; i < x.size(); ++i) {
          const double y = problem.local(i, x[i], problem.steps);
          displacement += (x[i] - y) / problem.nodes();
          x[i] = (1 - alpha) * y + alpha * z;
        }
        // Without momentum the average moves as if the rate were (1 - alpha) eta.
        if (beta == 0) {
          EXPECT_NEAR(mean(x), before - (1 - alpha) * displacement, 1e-9);
        }
        v = beta * v + (z - mean(x)) / problem.rate;
        z -= problem.rate * v;
      }
      const std::string keys = "alpha = 0.6\nbeta = " + std::to_string(beta) + "\n";
      EXPECT_NEAR(run(problem, "overlap-local-sgd", keys), z, 2e-5);
    }
  }
}

TEST(OverlapLocalSgd, StallsWhereThePullIsComplete) {
  Problem problem = drawn(1);
  EXPECT_FLOAT_EQ(run(problem, "overlap-local-sgd", "alpha = 1.0\nbeta = 0.0\n"),
                  std::stof(std::to_string(problem.start)));
}

TEST(CoCoDSgd, FollowsItsRecursion) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Problem problem = rounded(drawn(seed));
    std::vector<double> x(problem.nodes(), problem.start);
    for (Round round = 0; round < problem.rounds; ++round) {
      const double z = mean(x);
      for (size_t i = 0; i < x.size(); ++i) {
        x[i] = z + problem.local(i, x[i], problem.steps) - x[i];
      }
    }
    EXPECT_NEAR(run(problem, "cocod-sgd", ""), mean(x), 2e-5);
  }
}

TEST(Easgd, FollowsItsRecursion) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Problem problem = rounded(drawn(seed));
    const double alpha = 0.8 / (problem.nodes() + 1);
    std::vector<double> x(problem.nodes(), problem.start);
    double z = problem.start;
    // The spring of the first round is slack; the hub's last sum is one exchange more.
    for (Round round = 0; round <= problem.rounds; ++round) {
      double pull = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const double stretch = x[i] - z;
        pull += alpha * stretch;
        const double first = x[i] - problem.rate * problem.gradient(i, x[i]) - alpha * stretch;
        x[i] = problem.local(i, first, problem.steps - 1);
      }
      z += pull;
    }
    EXPECT_NEAR(run(problem, "easgd", "alpha = " + std::to_string(alpha) + "\n"), z, 2e-5);
  }
}

// E12 at the printed alpha, and the published form at drawn parameters, tau above 1 too: the
// centre's variance, and how far the nodes are apart.
TEST(Laboratory, E12TheCentreOfElasticAveraging) {
  for (uint64_t seed = 0; seed <= 6; ++seed) {
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    ScalarQuadratic quadratic;
    ElasticSpec spec{.nodes = 8, .alpha = 0.1, .order = ElasticOrder::kFirstStep};
    if (seed > 0) {
      quadratic.rate = std::stod(std::to_string(0.05 + 0.15 * rng.uniform()));
      quadratic.slope_noise = std::stod(std::to_string(rng.uniform()));
      spec.nodes = static_cast<uint32_t>(2 + rng.below(9));
      spec.period = static_cast<uint32_t>(1 + rng.below(4));
      const double limit = elastic_alpha_limit(quadratic.pull(), spec);
      spec.alpha = std::stod(std::to_string(0.9 * limit * (0.2 + 0.8 * rng.uniform())));
    }
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + std::to_string(spec.nodes) +
                 " nodes, alpha " + std::to_string(spec.alpha));
    const ElasticMoments limit = elastic_limit(quadratic, spec);
    if (seed == 0) {
      EXPECT_NEAR(limit.centre.variance(), 5.64381e-3, 1e-8);
      EXPECT_NEAR(limit.average.variance(), 5.90510e-3, 1e-8);
      EXPECT_NEAR(limit.consensus, 2.43056e-2, 1e-7);
    }
    SimulationSettings settings;
    double spread = 0;
    settings.on_report = [&](const SimulationReport& report) {
      spread = report.consensus_distance;
    };
    const size_t replicas = 10000;
    const SimulationResult result = simulate_text(
        "[model]\nkind = \"quadratic\"\nnoise = 1.0\nreplicas = " + std::to_string(replicas) +
            "\nslope_noise = " + std::to_string(quadratic.slope_noise) +
            "\n[train]\nlearning_rate = " + std::to_string(quadratic.rate) +
            "\n[algorithm]\nkind = \"easgd\"\nlocal_steps = " + std::to_string(spec.period) +
            "\nalpha = " + std::to_string(spec.alpha) +
            "\n[topology]\ngraph = \"star\"\n[stop]\nrounds = 200\n",
        spec.nodes, {}, settings);
    const std::vector<std::span<const float>> centre = {result.parameters[0].floats()};
    const Estimate measured = measure_laboratory(centre).variance_of_average;
    EXPECT_NEAR(measured.value, limit.centre.variance(), kStandardErrors * measured.standard_error);
    // Of n nearly Gaussian numbers; slope noise adds little to the fourth moment.
    const double n = spec.nodes;
    const double error =
        limit.consensus * std::sqrt(2 / ((n - 1) * replicas)) * (1 + quadratic.slope_noise);
    EXPECT_NEAR(spread / replicas, limit.consensus, kStandardErrors * error);
  }
}

TEST(Elastic, RefusesWhatIsUnstableAndWhatMakesNoSense) {
  const auto refusal = [](const std::string& keys, uint32_t nodes,
                          size_t parameters = 0) -> std::string {
    try {
      validate(parse_job("[model]\nkind = \"quadratic\"\n[topology]\ngraph = \"star\"\n"
                         "[stop]\nrounds = 1\n" +
                         keys),
               nodes, parameters);
      return "";
    } catch (const OperatorError& error) {
      return error.what();
    }
  };
  const std::string easgd = "[algorithm]\nkind = \"easgd\"\nlocal_steps = 1\n";
  EXPECT_EQ(refusal(easgd + "alpha = 0.2\n", 8), "");
  EXPECT_EQ(refusal(easgd + "alpha = 0.23\n", 8),
            "algorithm.alpha is 0.23, but elastic averaging of 8 nodes is stable only for alpha "
            "below 0.2209 (with c = learning rate x curvature = 0.1): "
            "choose one between 0 and that, or 0 for 0.9 / (N (1 + w))");
  const std::string coded = "[codec]\nkind = \"rand-k:0.5\"\n";
  EXPECT_EQ(refusal(easgd + coded, 2, 64), "");
  EXPECT_EQ(refusal(easgd + "alpha = 0.42\n" + coded, 2, 64), "");
  EXPECT_EQ(refusal(easgd + "alpha = 0.43\n" + coded, 2, 64),
            "algorithm.alpha is 0.43, but elastic averaging of 2 nodes is stable only for alpha "
            "below 0.4226 (with c = learning rate x curvature = 0.1 and messages of codec.kind = "
            "\"rand-k:0.5\" that vary by w = 1 of their square): choose one between 0 and that, or "
            "0 for 0.9 / (N (1 + w))");
  EXPECT_EQ(refusal(easgd + "[codec]\nkind = \"qsgd:7\"\nmemory = \"error-feedback\"\n", 8),
            "codec.memory = \"error-feedback\" does not go with algorithm.kind = \"easgd\": what a "
            "message leaves out stays in the node's own model and comes with the next one; remove "
            "codec.memory");
}

}  // namespace
}  // namespace kith
