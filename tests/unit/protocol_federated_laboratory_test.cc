// The federated averaging family on quadratics that differ by client: ALGORITHMS 4.2 E4. The brute
// force runs the algorithms' own rounds, step by step.
#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "protocol/theory/federated_laboratory.h"
#include "protocol/theory/laboratory.h"
#include "tests/unit/protocol_samples.h"
#include "topology/rng.h"

namespace kith {
namespace {

// b_i = i, h_i = .5 + i/7, eta = .1, equal weights.
FederatedLaboratory golden(uint32_t local_steps, double proximal = 0) {
  FederatedLaboratory lab;
  for (uint32_t i = 0; i < 8; ++i) {
    lab.curvature.push_back(.5 + i / 7.0);
    lab.offset.push_back(i);
    lab.weight.push_back(1.0 / 8);
    lab.local_steps.push_back(local_steps);
  }
  lab.proximal = proximal;
  return lab;
}

FederatedLaboratory drawn(Rng& rng) {
  FederatedLaboratory lab;
  const uint64_t clients = 1 + rng.below(6);
  double sum = 0;
  for (uint64_t i = 0; i < clients; ++i) {
    lab.curvature.push_back(0.3 + rng.uniform());
    lab.offset.push_back(4 * rng.uniform() - 2);
    lab.weight.push_back(0.2 + rng.uniform());
    lab.local_steps.push_back(static_cast<uint32_t>(1 + rng.below(8)));
    sum += lab.weight.back();
  }
  for (double& p : lab.weight) p /= sum;
  lab.rate = 0.05 + 0.2 * rng.uniform();
  lab.proximal = rng.below(2) == 0 ? 0 : rng.uniform();
  return lab;
}

// Where client i gets to from x, with its gradients corrected by `correction`.
double local(const FederatedLaboratory& lab, size_t i, double x, double correction, Rng* rng) {
  double y = x;
  for (uint32_t step = 0; step < lab.local_steps[i]; ++step) {
    const double noise = rng == nullptr ? 0 : lab.sigma * rng->normal();
    y -= lab.rate *
         (lab.curvature[i] * (y - lab.offset[i]) + lab.proximal * (y - x) + correction + noise);
  }
  return y;
}

double fedavg(const FederatedLaboratory& lab, double x, Rng* rng) {
  double next = 0;
  for (size_t i = 0; i < lab.weight.size(); ++i) {
    next += lab.weight[i] * local(lab, i, x, 0, rng);
  }
  return next;
}

// With ||a_i||_1 summed as it is defined: a_i = (1 - eta mu)^(tau-1-k), k = 0 .. tau-1.
double fednova(const FederatedLaboratory& lab, double x, Rng* rng) {
  double effective = 0;
  double direction = 0;
  for (size_t i = 0; i < lab.weight.size(); ++i) {
    double norm = 0;
    for (uint32_t k = 0; k < lab.local_steps[i]; ++k) {
      norm += std::pow(1 - lab.rate * lab.proximal, k);
    }
    effective += lab.weight[i] * norm;
    direction += lab.weight[i] * (x - local(lab, i, x, 0, rng)) / (lab.rate * norm);
  }
  return x - effective * lab.rate * direction;
}

double scaffold(const FederatedLaboratory& lab, int rounds) {
  std::vector<double> variate(lab.weight.size(), 0.0);
  double x = 3;
  double common = 0;
  for (int round = 0; round < rounds; ++round) {
    double next = x;
    double next_common = common;
    for (size_t i = 0; i < variate.size(); ++i) {
      const double y = local(lab, i, x, common - variate[i], nullptr);
      const double updated = variate[i] - common + (x - y) / (lab.local_steps[i] * lab.rate);
      next += lab.weight[i] * (y - x);
      next_common += lab.weight[i] * (updated - variate[i]);
      variate[i] = updated;
    }
    x = next;
    common = next_common;
  }
  return x;
}

TEST(FederatedLaboratory, FixedPointsE4) {
  EXPECT_NEAR(federated_optimum(golden(1)), 4.25, 1e-12);
  EXPECT_NEAR(fedavg_round(golden(1)).fixed_point, 4.25, 1e-12);
  const std::vector<std::pair<uint32_t, double>> fedavg_digits = {
      {2, 4.214556}, {5, 4.115361}, {10, 3.973931}, {50, 3.548570}};
  for (const auto& [steps, x] : fedavg_digits) {
    EXPECT_NEAR(fedavg_round(golden(steps)).fixed_point, x, 5e-7) << steps;
    EXPECT_NEAR(fednova_round(golden(steps)).fixed_point, x, 5e-7) << steps;  // equal steps: same
    EXPECT_NEAR(scaffold_fixed_point(golden(steps)), 4.25, 1e-12);
  }
  EXPECT_NEAR(fedavg_round(golden(10, 1)).fixed_point, 4.012616, 5e-7);
  EXPECT_NEAR(fedavg_round(golden(10, 5)).fixed_point, 4.138027, 5e-7);
  FederatedLaboratory unequal = golden(1);
  for (uint32_t i = 0; i < 8; ++i) unequal.local_steps[i] = i + 1;
  EXPECT_NEAR(fedavg_round(unequal).fixed_point, 4.874221, 5e-7);
  EXPECT_NEAR(fednova_round(unequal).fixed_point, 3.892906, 5e-7);
  EXPECT_NEAR(scaffold_fixed_point(unequal), 4.25, 1e-12);
  EXPECT_NEAR(scaffold(golden(10), 3000), 4.25, 1e-9);
  EXPECT_NEAR(scaffold(unequal, 3000), 4.25, 1e-9);
}

// The bias is linear in eta (tau - 1) for small steps; what is left is of the next order.
TEST(FederatedLaboratory, SmallStepBiasE4) {
  for (const uint32_t steps : {2U, 5U, 10U}) {
    double last_error = 0;
    for (const double rate : {1e-3, 5e-4}) {
      FederatedLaboratory lab = golden(steps);
      lab.rate = rate;
      const double bias = fedavg_round(lab).fixed_point - 4.25;
      const double error = std::abs(fedavg_small_step_bias(lab) / bias - 1);
      EXPECT_LT(error, 5 * rate * steps);
      if (rate == 5e-4) {
        EXPECT_NEAR(error / last_error, 0.5, 0.02);
      }
      last_error = error;
    }
  }
}

// Unequal clients of every kind: fixed point, and the whole way there.
TEST(FederatedLaboratory, RoundsOfTheAlgorithms) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    FederatedLaboratory lab = drawn(rng);
    const FederatedRound average = fedavg_round(lab);
    const FederatedRound nova = fednova_round(lab);
    double x = 3;
    double y = 3;
    for (uint64_t round = 0; round < 20; ++round) {
      EXPECT_NEAR(average.mean(3, round), x, 1e-12);
      EXPECT_NEAR(nova.mean(3, round), y, 1e-12);
      x = fedavg(lab, x, nullptr);
      y = fednova(lab, y, nullptr);
    }
    EXPECT_NEAR(fedavg(lab, average.fixed_point, nullptr), average.fixed_point, 1e-12);
    EXPECT_NEAR(fednova(lab, nova.fixed_point, nullptr), nova.fixed_point, 1e-12);
    lab.proximal = 0;
    EXPECT_NEAR(scaffold(lab, 5000), scaffold_fixed_point(lab), 1e-9);
  }
}

TEST(FederatedLaboratory, VarianceOfTheRounds) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    FederatedLaboratory lab = drawn(rng);
    lab.sigma = 0.3 + rng.uniform();
    const FederatedRound average = fedavg_round(lab);
    const FederatedRound nova = fednova_round(lab);
    const uint64_t rounds = 1 + rng.below(8);
    Samples squares[2];
    for (int replica = 0; replica < 20000; ++replica) {
      double x = 3;
      double y = 3;
      for (uint64_t round = 0; round < rounds; ++round) {
        x = fedavg(lab, x, &rng);
        y = fednova(lab, y, &rng);
      }
      squares[0].add(std::pow(x - average.mean(3, rounds), 2));
      squares[1].add(std::pow(y - nova.mean(3, rounds), 2));
    }
    expect_mean(squares[0], average.variance(rounds), "FedAvg");
    expect_mean(squares[1], nova.variance(rounds), "FedNova");
  }
}

// Equal weights and steps: local SGD on all nodes, which the matrix recursion knows.
TEST(FederatedLaboratory, FullParticipationIsLocalSgd) {
  FederatedLaboratory lab = golden(6);
  lab.sigma = 0.8;
  const Laboratory all{.curvature = lab.curvature,
                       .offset = lab.offset,
                       .sigma = lab.sigma,
                       .rate = lab.rate,
                       .start = 1,
                       .local_steps = 6};
  const FederatedRound round = fedavg_round(lab);
  for (const uint64_t rounds : {0U, 1U, 3U, 10U}) {
    const LaboratoryMoments expected = predict_synchronous(all, rounds);
    EXPECT_NEAR(round.mean(1, rounds), expected.mean_of_average, 1e-12);
    EXPECT_NEAR(round.variance(rounds), expected.variance_of_average, 1e-12);
  }
  EXPECT_NEAR(round.variance_limit(), predict_synchronous(all, 400).variance_of_average, 1e-12);
}

}  // namespace
}  // namespace kith
