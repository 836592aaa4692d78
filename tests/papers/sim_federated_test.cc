// The federated family on unequal data and unequal steps (McMahan et al. 2017; Li et al. 2020; Wang
// et al. 2020; Karimireddy et al. 2020): where it comes to rest, exactly, at the printed parameters
// and at drawn ones (ALGORITHMS 4.2 E4). Nothing is random here, so tolerances are roundings.
#include <gtest/gtest.h>

#include <cmath>

#include "protocol/coordinator/accumulation.h"
#include "protocol/theory/federated_laboratory.h"
#include "tests/support/simulate.h"

namespace kith {
namespace {

constexpr double kRounding = 2e-5;  // of floats of size 10 that stopped moving

struct Problem {
  std::vector<double> curvature;
  std::vector<double> offset;
  std::vector<uint32_t> steps;
  double rate = 0.1;

  uint32_t nodes() const { return static_cast<uint32_t>(curvature.size()); }
};

// b_i = i, h_i = .5 + i/7, N = 8.
Problem printed(std::vector<uint32_t> steps) {
  Problem problem{.curvature = {}, .offset = {}, .steps = std::move(steps)};
  for (int i = 0; i < 8; ++i) {
    problem.curvature.push_back(0.5 + i / 7.0);
    problem.offset.push_back(i);
  }
  return problem;
}

Problem drawn(uint64_t seed) {
  Rng rng(seed, NodeId{0}, Purpose::kTest);
  Problem problem;
  problem.rate = 0.02 + 0.1 * rng.uniform();
  const uint64_t nodes = 2 + rng.below(9);
  for (uint64_t i = 0; i < nodes; ++i) {
    problem.curvature.push_back(0.3 + 2 * rng.uniform());
    problem.offset.push_back(-5 + 10 * rng.uniform());
    problem.steps.push_back(static_cast<uint32_t>(1 + rng.below(12)));
  }
  return problem;
}

template <class Values>
std::string list(const Values& values) {
  std::string text = "[";
  for (const auto value : values) text += (text.size() > 1 ? ", " : "") + std::to_string(value);
  return text + "]";
}

double rest(const Problem& problem, const std::string& kind, const std::string& more = "",
            Round rounds = 600) {
  const SimulationResult result = simulate_text(
      "[model]\nkind = \"quadratic\"\ncurvature = " + list(problem.curvature) + "\noffset = " +
          list(problem.offset) + "\n[train]\nlearning_rate = " + std::to_string(problem.rate) +
          "\n[algorithm]\nkind = \"" + kind + "\"\nlocal_steps = " + list(problem.steps) + "\n" +
          more + "[topology]\ngraph = \"star\"\n[stop]\nrounds = " + std::to_string(rounds) + "\n",
      problem.nodes());
  return static_cast<double>(result.parameters[0].floats()[0]);
}

// y_i = x + w_i (b_i - x), from tau_i noiseless steps with pull mu.
double reach(const Problem& problem, size_t i, double mu = 0) {
  const double stiffness = problem.curvature[i] + mu;
  return problem.curvature[i] / stiffness *
         (1 - std::pow(1 - problem.rate * stiffness, problem.steps[i]));
}

// sum v_i b_i / sum v_i.
template <class Weight>
double weighted_offset(const Problem& problem, Weight weight) {
  double above = 0;
  double below = 0;
  for (size_t i = 0; i < problem.nodes(); ++i) {
    above += weight(i) * problem.offset[i];
    below += weight(i);
  }
  return above / below;
}

FederatedLaboratory laboratory(const Problem& problem, double mu) {
  return {.curvature = problem.curvature,
          .offset = problem.offset,
          .weight = std::vector<double>(problem.nodes(), 1.0 / problem.nodes()),
          .local_steps = problem.steps,
          .rate = problem.rate,
          .proximal = mu};
}

TEST(Laboratory, E4FedAvgRestsWhereItsDriftLeavesIt) {
  struct Row {
    uint32_t steps;
    double printed;
  };
  for (const Row& row :
       {Row{1, 4.25}, Row{2, 4.214556}, Row{5, 4.115361}, Row{10, 3.973931}, Row{50, 3.548570}}) {
    EXPECT_NEAR(rest(printed({row.steps}), "fedavg"), row.printed, kRounding) << row.steps;
  }
  EXPECT_NEAR(rest(printed({1, 2, 3, 4, 5, 6, 7, 8}), "fedavg"), 4.874221, kRounding);
}

TEST(Laboratory, E4FedProxRestsBetween) {
  EXPECT_NEAR(rest(printed({10}), "fedprox", "mu = 1.0\n"), 4.012616, kRounding);
  EXPECT_NEAR(rest(printed({10}), "fedprox", "mu = 5.0\n"), 4.138027, kRounding);
}

TEST(Laboratory, E4FedNovaTakesTheStepsOut) {
  EXPECT_NEAR(rest(printed({1, 2, 3, 4, 5, 6, 7, 8}), "fednova"), 3.892906, kRounding);
}

TEST(Laboratory, E4ScaffoldRestsAtTheOptimum) {
  EXPECT_NEAR(rest(printed({10}), "scaffold"), 4.25, kRounding);
  EXPECT_NEAR(rest(printed({1, 2, 3, 4, 5, 6, 7, 8}), "scaffold"), 4.25, kRounding);
  // Also with half of the nodes at a time, and half the hub's step.
  EXPECT_NEAR(rest(printed({1, 2, 3, 4, 5, 6, 7, 8}), "scaffold",
                   "participants = 4\nglobal_learning_rate = 0.5\n", 4000),
              4.25, 10 * kRounding);
}

TEST(Laboratory, E4AtDrawnParameters) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Problem problem = drawn(seed);
    EXPECT_NEAR(rest(problem, "fedavg"),
                weighted_offset(problem, [&](size_t i) { return reach(problem, i); }), kRounding);
    EXPECT_NEAR(rest(problem, "fedprox", "mu = 0.7\n"),
                weighted_offset(problem, [&](size_t i) { return reach(problem, i, 0.7); }),
                kRounding);
    const FederatedLaboratory lab = laboratory(problem, 0.3);
    EXPECT_NEAR(rest(problem, "fednova", "mu = 0.3\n"), fednova_round(lab).fixed_point, kRounding);
    EXPECT_NEAR(rest(problem, "fedprox", "mu = 0.3\n"), fedavg_round(lab).fixed_point, kRounding);
    EXPECT_NEAR(rest(problem, "scaffold", "", 1500), federated_optimum(lab), kRounding);
  }
}

// eta ||a||_1 in closed form, with momentum and with the pull (FedNova, Wang et al. 2020).
TEST(FedNova, TheNormOfTheStepsHasItsClosedForms) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const auto tau = static_cast<uint32_t>(1 + rng.below(40));
    OptimizerSpec sgd{.learning_rate = static_cast<float>(0.01 + 0.1 * rng.uniform())};
    const auto eta = static_cast<double>(sgd.learning_rate);
    const double mu = 0.1 + rng.uniform();
    EXPECT_NEAR(accumulated_rate(sgd, 0, 5, tau, 100), eta * tau, 1e-12);
    EXPECT_NEAR(accumulated_rate(sgd, mu, 5, tau, 100), (1 - std::pow(1 - eta * mu, tau)) / mu,
                1e-12);
    sgd.momentum = static_cast<float>(0.95 * rng.uniform());
    const auto r = static_cast<double>(sgd.momentum);
    EXPECT_NEAR(accumulated_rate(sgd, 0, 5, tau, 100),
                eta * (tau - r * (1 - std::pow(r, tau)) / (1 - r)) / (1 - r), 1e-10);
  }
}

// Where all gradients are the same whatever x (h tiny), FedNova's node with momentum goes exactly
// as far as ||a||_1 says, so that equal slopes of unequal steps average to the slope itself.
TEST(FedNova, NormalisesMomentumThatBeginsAtZero) {
  const std::string toml =
      "[model]\nkind = \"quadratic\"\ncurvature = 1e-4\noffset = 10000.0\n"
      "[train]\nlearning_rate = 0.01\nmomentum = 0.9\n[algorithm]\nkind = \"fednova\"\n"
      "reset_optimizer = true\nlocal_steps = [3, 9]\n[topology]\ngraph = \"star\"\n"
      "[stop]\nrounds = 20\n";
  OptimizerSpec sgd{.learning_rate = 0.01f, .momentum = 0.9f};
  const double reach = (accumulated_rate(sgd, 0, 0, 3, 1) + accumulated_rate(sgd, 0, 0, 9, 1)) / 2;
  const SimulationResult result = simulate_text(toml, 2);
  EXPECT_NEAR(static_cast<double>(result.parameters[0].floats()[0]), 20 * reach, 5e-3);
}

// A round of FedOpt on one node, by the equations of Reddi et al., Algorithm 2.
TEST(FedOpt, FollowsItsEquations) {
  for (const std::string server : {"adam", "yogi", "adagrad"}) {
    SCOPED_TRACE(server);
    double x = 2;
    double m = 0;
    double v = 1e-6;  // epsilon^2
    for (int round = 0; round < 9; ++round) {
      double y = x;
      for (int k = 0; k < 3; ++k) y -= 0.1 * (y + 1);
      const double d = x - y;
      m = 0.8 * m + 0.2 * d;
      if (server == "adam") v = 0.95 * v + 0.05 * d * d;
      if (server == "yogi") v -= 0.05 * d * d * (v > d * d ? 1 : -1);
      if (server == "adagrad") v += d * d;
      x -= 0.05 * m / (std::sqrt(v) + 1e-3);
    }
    const SimulationResult result = simulate_text(
        "[model]\nkind = \"quadratic\"\nstart = 2.0\noffset = -1.0\n[train]\n"
        "learning_rate = 0.1\n[algorithm]\nkind = \"fedopt\"\nserver = \"" +
            server +
            "\"\nserver_learning_rate = 0.05\nbeta1 = 0.8\nbeta2 = 0.95\nlocal_steps = 3\n"
            "[topology]\ngraph = \"star\"\n[stop]\nrounds = 9\n",
        4);
    EXPECT_NEAR(static_cast<double>(result.parameters[0].floats()[0]), x, 2e-6);
  }
}

TEST(Federated, RefusesOptimisersThatItsFormulasDoNotHoldFor) {
  const auto refusal = [](const std::string& kind, const std::string& train) -> std::string {
    try {
      validate(parse_job("[model]\nkind = \"quadratic\"\n[topology]\ngraph = \"star\"\n"
                         "[stop]\nrounds = 1\n[algorithm]\nkind = \"" +
                         kind + "\"\n[train]\n" + train),
               3);
      return "";
    } catch (const OperatorError& error) {
      return error.what();
    }
  };
  EXPECT_EQ(refusal("scaffold", "momentum = 0.9\n"),
            "algorithm.kind = \"scaffold\" reads gradients off plain steps: set train.optimizer = "
            "\"sgd\" and train.momentum = 0");
  EXPECT_EQ(refusal("fednova", "momentum = 0.9\n"),
            "algorithm.kind = \"fednova\" with train.momentum needs momentum that begins at 0 in "
            "each round: set algorithm.reset_optimizer = true");
  EXPECT_EQ(refusal("fednova", "optimizer = \"adamw\"\n"),
            "algorithm.kind = \"fednova\" knows how far steps of SGD go, not of other optimisers: "
            "set train.optimizer = \"sgd\"");
  EXPECT_EQ(refusal("scaffold", ""), "");
}

}  // namespace
}  // namespace kith
