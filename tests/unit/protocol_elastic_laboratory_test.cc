// Synchronous elastic averaging: ALGORITHMS 4.2 E12 and 2B.
#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "protocol/theory/elastic_laboratory.h"
#include "tests/unit/protocol_samples.h"
#include "topology/rng.h"

namespace kith {
namespace {

constexpr ElasticOrder kOrders[] = {ElasticOrder::kTogether, ElasticOrder::kStepFirst,
                                    ElasticOrder::kFirstStep};

TEST(ElasticLaboratory, VarianceE12) {
  const ElasticMoments limit = elastic_limit({}, {.nodes = 8, .alpha = .1});
  EXPECT_NEAR(limit.centre.second, 5.64381e-3, 5e-9);
  EXPECT_NEAR(limit.average.second, 5.90510e-3, 5e-9);
  EXPECT_NEAR(limit.consensus, 2.43056e-2, 5e-8);
}

TEST(ElasticLaboratory, ConsensusE12) {
  for (const double alpha : {.02, .1, .2}) {
    const double closed = 7.0 / 8 * .01 / (1 - std::pow(.9 - alpha, 2));
    EXPECT_NEAR(elastic_limit({}, {.nodes = 8, .alpha = alpha}).consensus / closed, 1, 1e-10);
  }
}

TEST(ElasticLaboratory, SpectrumOfTheExchange) {
  for (const uint32_t nodes : {1U, 4U, 8U, 100U}) {
    const double best = elastic_best_alpha(nodes);
    const double n = nodes;
    EXPECT_NEAR(best, 2 / (n + 2), 1e-15);
    EXPECT_NEAR(elastic_zeta(nodes, best), n / (n + 2), 1e-15);
    EXPECT_GT(elastic_zeta(nodes, best * 1.01), elastic_zeta(nodes, best));
    EXPECT_GT(elastic_zeta(nodes, best * 0.99), elastic_zeta(nodes, best));
  }
}

// E12 prints (2-c)/(N+1-Nc/2); around every limit the means of one order and period converge and
// diverge as they must, also for steps beyond the optimum (c > 1, b < 0). Of kFirstStep it may be
// the distances that diverge first: see the next test.
TEST(ElasticLaboratory, StabilityE12) {
  EXPECT_NEAR(elastic_alpha_limit(ScalarQuadratic{}.pull(), {.nodes = 8}), 1.9 / (9 - .4), 1e-12);
  EXPECT_NEAR(elastic_alpha_limit(1e-9, {.nodes = 8}), 2.0 / 9, 1e-8);
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    ElasticSpec spec{.nodes = static_cast<uint32_t>(1 + rng.below(12)),
                     .period = static_cast<uint32_t>(1 + rng.below(4)),
                     .order = kOrders[rng.below(2)]};
    const ScalarQuadratic problem{.sigma = 0, .rate = 0.05 + 1.8 * rng.uniform(), .start = 1};
    const double limit = elastic_alpha_limit(problem.pull(), spec);
    for (const double factor : {0.99, 1.01}) {
      spec.alpha = factor * limit;
      ElasticProcess process(problem, spec);
      for (int i = 0; i < 3000; ++i) process.step();
      EXPECT_EQ(process.moments().centre.second + process.moments().average.second < 1, factor < 1)
          << factor << " period " << spec.period << " nodes " << spec.nodes << " c " << problem.rate
          << " order " << static_cast<int>(spec.order);
    }
  }
}

// Just below the bound it settles, just above it grows: for one step and for many.
TEST(ElasticLaboratory, TheBoundOfThePublishedFormIsWhereItsRecursionTurns) {
  for (const uint32_t nodes : {1u, 2u, 8u}) {
    for (const double c : {0.1, 0.7, 1.3, 1.9}) {
      for (const uint32_t steps : {1u, 2u, 3u, 10u}) {
        SCOPED_TRACE(std::to_string(nodes) + " nodes, c " + std::to_string(c) + ", tau " +
                     std::to_string(steps));
        const double limit = elastic_alpha_limit(
            c, {.nodes = nodes, .period = steps, .order = ElasticOrder::kFirstStep});
        if (steps == 1 && nodes > 1) {
          EXPECT_NEAR(limit, (2 - c) / (nodes + 1 - nodes * c / 2), 1e-9);
        }
        const auto size_after = [&](double alpha) {
          std::vector<double> x(nodes, 1.0);
          x[0] = 1.7;
          double z = -0.4;
          for (int round = 0; round < 4000; ++round) {
            double pull = 0;
            for (double& each : x) {
              pull += alpha * (each - z);
              each = (each - c * each - alpha * (each - z)) * std::pow(1 - c, steps - 1);
            }
            z += pull;
            if (std::abs(z) > 1e6) return 1e6;
          }
          return std::abs(z) + std::abs(x[0]);
        };
        EXPECT_LT(size_after(0.97 * limit), 1);
        EXPECT_GE(size_after(1.03 * limit), 1e3);
      }
    }
  }
}

TEST(ElasticLaboratory, RecursionConverges) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    ElasticSpec spec{.nodes = static_cast<uint32_t>(1 + rng.below(12)),
                     .period = static_cast<uint32_t>(1 + rng.below(5)),
                     .order = kOrders[rng.below(3)]};
    const ScalarQuadratic problem{
        .slope_noise = 2 * rng.uniform(), .rate = 0.05 + 0.2 * rng.uniform(), .start = 1};
    spec.alpha = elastic_alpha_limit(problem.pull(), spec) * (0.1 + 0.7 * rng.uniform());
    ElasticProcess process(problem, spec);
    for (int i = 0; i < 5000; ++i) process.step();
    const ElasticMoments limit = elastic_limit(problem, spec);
    EXPECT_NEAR(process.moments().centre.second / limit.centre.second, 1, 1e-9);
    EXPECT_NEAR(process.moments().average.second / limit.average.second, 1, 1e-9);
    EXPECT_NEAR(process.moments().product / limit.product, 1, 1e-9);
    EXPECT_NEAR(process.moments().consensus, limit.consensus, 1e-12);
    EXPECT_NEAR(process.moments().centre.mean, 0, 1e-9);
  }
}

TEST(ElasticLaboratory, WithoutPullTheWorkersAreAlone) {
  const ScalarQuadratic problem{.slope_noise = 1, .start = 2};
  for (const ElasticOrder order : kOrders) {
    ElasticProcess process(problem, {.nodes = 4, .alpha = 0, .period = 3, .order = order});
    ElasticProcess alone(problem, {.nodes = 4});
    for (int i = 0; i < 6; ++i) alone.local_step();
    process.step();
    process.step();
    EXPECT_EQ(process.moments().centre.second, 4);
    EXPECT_NEAR(process.moments().average.second, alone.moments().average.second, 1e-12);
    EXPECT_NEAR(process.moments().consensus, alone.moments().consensus, 1e-12);
  }
}

// One replica: the workers and the centre after `rounds` rounds and `alone` steps without exchange.
struct Cluster {
  std::vector<double> x;
  double z = 0;

  void run(const ScalarQuadratic& problem, const ElasticSpec& spec, int rounds, int alone,
           Rng& rng) {
    x.assign(spec.nodes, problem.start);
    z = problem.start;
    const auto local = [&](double y, uint32_t steps) {
      for (uint32_t i = 0; i < steps; ++i) {
        const double slope = problem.curvature + std::sqrt(problem.slope_noise) * rng.normal();
        y -= problem.rate * (slope * y + problem.sigma * rng.normal());
      }
      return y;
    };
    for (int round = 0; round < rounds; ++round) {
      const double centre = z;
      for (double& value : x) {
        const bool first = spec.order == ElasticOrder::kFirstStep;
        const double stepped = local(value, first ? 1 : spec.period);
        const double at = spec.order == ElasticOrder::kStepFirst ? stepped : value;
        value = stepped - spec.alpha * (at - centre);
        z += spec.alpha * (at - centre);
        if (first) value = local(value, spec.period - 1);
      }
    }
    for (double& value : x) value = local(value, static_cast<uint32_t>(alone));
  }
};

// E d d' of N displacements after one exchange, from all draws of who sends: each value with
// probability 1 / (1 + w), 1 + w times as long (rand-k).
std::vector<double> exchanged(const std::vector<double>& moments, uint32_t nodes, double alpha,
                              double variance) {
  std::vector<double> next(moments.size());
  const double sent = 1 / (1 + variance);
  for (uint32_t draw = 0; draw < (1u << nodes); ++draw) {
    double probability = 1;
    std::vector<double> map(moments.size());  // d+ = map d
    for (uint32_t j = 0; j < nodes; ++j) {
      const bool sends = (draw >> j & 1) != 0;
      probability *= sends ? sent : 1 - sent;
      for (uint32_t i = 0; i < nodes; ++i) {
        map[i * nodes + j] = (i == j) - (sends ? alpha / sent * (1 + (i == j)) : 0);
      }
    }
    for (uint32_t i = 0; i < nodes; ++i) {
      for (uint32_t j = 0; j < nodes; ++j) {
        for (uint32_t k = 0; k < nodes; ++k) {
          for (uint32_t l = 0; l < nodes; ++l) {
            next[i * nodes + j] +=
                probability * map[i * nodes + k] * map[j * nodes + l] * moments[k * nodes + l];
          }
        }
      }
    }
  }
  return next;
}

double growth(uint32_t nodes, double alpha, double variance) {
  std::vector<double> moments(nodes * nodes, 0.3);
  for (uint32_t i = 0; i < nodes; ++i) moments[i * nodes + i] = 1;
  double trace = nodes;
  double factor = 0;
  for (int step = 0; step < 300; ++step) {
    moments = exchanged(moments, nodes, alpha, variance);
    double next = 0;
    for (uint32_t i = 0; i < nodes; ++i) next += moments[i * nodes + i];
    factor = next / std::exchange(trace, 1);
    for (double& value : moments) value /= next;
  }
  return factor;
}

TEST(ElasticLaboratory, LimitsOfCodedMessagesAreWhereSquaresBeginToGrow) {
  for (uint32_t nodes = 1; nodes <= 5; ++nodes) {
    for (const double variance : {0.0, 0.1, 1.0, 3.0, 15.0}) {
      SCOPED_TRACE(std::to_string(nodes) + " nodes, w " + std::to_string(variance));
      const double limit = elastic_coded_alpha_limit(nodes, variance);
      EXPECT_LT(growth(nodes, 0.97 * limit, variance), 1);
      EXPECT_GT(growth(nodes, 1.03 * limit, variance), 1);
      EXPECT_LT(growth(nodes, 0.9 / (nodes * (1 + variance)), variance), 1);  // the default
      const double w = variance;
      EXPECT_NEAR(limit,
                  (nodes + 2 + 2 * w - std::sqrt(nodes * nodes + 4 * w * (1 + w))) /
                      ((nodes + 1) * (1 + w)),
                  1e-12);
    }
    EXPECT_NEAR(elastic_coded_alpha_limit(nodes, 0),
                elastic_alpha_limit(0, {.nodes = nodes, .order = ElasticOrder::kTogether}), 1e-12);
  }
  // With the centre alone both ends move by what one sends: the same as one node that exchanges.
  for (const double variance : {0.0, 0.1, 1.0, 15.0}) {
    EXPECT_NEAR(elastic_pair_alpha_limit(variance), elastic_coded_alpha_limit(1, variance), 1e-12);
  }
}

TEST(ElasticLaboratory, TransientOfTheCluster) {
  for (uint64_t seed = 1; seed <= 9; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    ElasticSpec spec{.nodes = static_cast<uint32_t>(1 + rng.below(5)),
                     .period = static_cast<uint32_t>(1 + rng.below(4)),
                     .order = kOrders[seed % 3]};
    ScalarQuadratic problem{
        .curvature = 1.2, .sigma = 0.6, .rate = 0.05 + 0.2 * rng.uniform(), .start = 0.4};
    problem.slope_noise = (0.3 + 0.7 * rng.uniform()) / problem.rate;
    spec.alpha = elastic_alpha_limit(problem.pull(), spec) * (0.1 + 0.7 * rng.uniform());
    const int rounds = static_cast<int>(1 + rng.below(8));
    const int alone = static_cast<int>(rng.below(3));
    ElasticProcess process(problem, spec);
    for (int i = 0; i < rounds; ++i) process.step();
    for (int i = 0; i < alone; ++i) process.local_step();
    Samples means[2];
    Samples seconds[3];
    Samples consensus;
    for (int replica = 0; replica < 20000; ++replica) {
      Cluster cluster;
      cluster.run(problem, spec, rounds, alone, rng);
      double average = 0;
      for (double value : cluster.x) average += value / spec.nodes;
      double spread = 0;
      for (double value : cluster.x) spread += std::pow(value - average, 2) / spec.nodes;
      means[0].add(cluster.z);
      means[1].add(average);
      seconds[0].add(cluster.z * cluster.z);
      seconds[1].add(average * average);
      seconds[2].add(cluster.z * average);
      consensus.add(spread);
    }
    const ElasticMoments& moments = process.moments();
    expect_mean(means[0], moments.centre.mean, "E z");
    expect_mean(means[1], moments.average.mean, "E xbar");
    expect_mean(seconds[0], moments.centre.second, "E z^2");
    expect_mean(seconds[1], moments.average.second, "E xbar^2");
    expect_mean(seconds[2], moments.product, "E xbar z");
    expect_mean(consensus, moments.consensus, "consensus");
  }
}

}  // namespace
}  // namespace kith
