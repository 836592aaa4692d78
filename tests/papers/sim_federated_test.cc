// The federated family on unequal data and unequal steps (McMahan et al. 2017; Li et al. 2020; Wang
// et al. 2020; Karimireddy et al. 2020): where it comes to rest, exactly, at the printed parameters
// and at drawn ones (ALGORITHMS 4.2 E4). Nothing is random here, so tolerances are roundings.
#include <gtest/gtest.h>

#include <cmath>

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

TEST(Laboratory, E4AtDrawnParameters) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Problem problem = drawn(seed);
    EXPECT_NEAR(rest(problem, "fedavg"),
                weighted_offset(problem, [&](size_t i) { return reach(problem, i); }), kRounding);
    EXPECT_NEAR(rest(problem, "fedprox", "mu = 0.7\n"),
                weighted_offset(problem, [&](size_t i) { return reach(problem, i, 0.7); }),
                kRounding);
  }
}

}  // namespace
}  // namespace kith
