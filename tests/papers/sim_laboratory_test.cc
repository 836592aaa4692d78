// E1, E5 and E6 of the exact laboratory (quadratics: Wang & Joshi 2018; Lian et al. 2017) through
// the simulator, on job texts: at the printed parameters against the printed digits, and at drawn
// parameters against the moment recursion. Tolerance: 4 standard errors, estimated from the run
// itself; a false alarm in 16,000 for each figure, and the seeds are fixed.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/laboratory.h"

namespace kith {
namespace {

std::string job(const std::string& algorithm, const std::string& graph, const std::string& more,
                const std::string& rate = "0.1") {
  return "[model]\nkind = \"quadratic\"\nreplicas = 20000\n" + more +
         "[train]\nlearning_rate = " + rate + "\n[algorithm]\n" + algorithm +
         "\n[topology]\ngraph = \"" + graph + "\"\n[stop]\nrounds = 200\n";
}

TEST(Laboratory, E1SynchronousSgd) {
  const LaboratoryResult lab = measure(job("kind = \"sync\"", "star", "noise = 1.0\n"), 8);
  expect_near(lab.variance_of_average, 6.57895e-3);
  EXPECT_EQ(lab.consensus.value, 0);
  expect_theory(lab);
}

// The first K of N gradients, whoever's they are, at drawn parameters (E1 with K in place of N).
TEST(Laboratory, E1TheFirstKGradients) {
  for (const char* kind : {"k-sync", "k-batch-sync"}) {
    for (const uint32_t k : {1u, 3u, 8u}) {
      SCOPED_TRACE(std::string(kind) + " K=" + std::to_string(k));
      const std::string algorithm =
          std::string("kind = \"") + kind + "\"\nk = " + std::to_string(k);
      const LaboratoryResult lab = measure(
          job(algorithm, "star",
              "noise = 0.7\nslope_noise = 0.5\ncurvature = 1.3\noffset = -2.0\nstart = 3.0\n",
              "0.05") +
              "[delays]\ncompute = \"exponential:1\"\n",
          8);
      expect_theory(lab);
    }
  }
}

TEST(Laboratory, E5GossipOnRingAndExponentialGraphInBothOrders) {
  struct Row {
    const char* graph;
    const char* order;
    double consensus;
  };
  for (const Row& row : {Row{"ring", "atc", 3.91155e-3}, Row{"ring", "cta", 1.17999e-2},
                         Row{"static-exponential", "atc", 1.47883e-3},
                         Row{"static-exponential", "cta", 1.00225e-2}}) {
    SCOPED_TRACE(std::string(row.graph) + " " + row.order);
    const std::string algorithm = std::string("kind = \"dpsgd\"\norder = \"") + row.order + '"';
    const LaboratoryResult lab = measure(job(algorithm, row.graph, "noise = 1.0\n"), 8);
    expect_near(lab.consensus, row.consensus);
    expect_near(lab.variance_of_average, 6.57895e-3);
    expect_theory(lab);
  }
}

TEST(Laboratory, E6HeterogeneityBias) {
  for (const auto& [order, bias] : {std::pair{"cta", 4.13681e-1}, {"atc", 2.93333e-1}}) {
    SCOPED_TRACE(order);
    const std::string algorithm = std::string("kind = \"dpsgd\"\norder = \"") + order + '"';
    const LaboratoryResult lab = measure(job(algorithm, "ring", "offsets = \"index\"\n"), 8);
    expect_near(lab.consensus, bias);
    expect_near(lab.mean_of_average, 3.5);
    expect_theory(lab);
  }
}

// Any N, eta, h, sigma, slope noise, offsets, local steps and graph.
TEST(Laboratory, DrawnParametersObeyTheMomentRecursion) {
  const char* graphs[] = {"ring", "torus", "star", "complete", "static-exponential"};
  for (uint64_t seed = 1; seed <= 16; ++seed) {
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const auto nodes = static_cast<uint32_t>(2 + rng.below(15));
    const bool synchronous = rng.below(4) == 0;
    const std::string graph = synchronous ? "star" : graphs[rng.below(5)];
    std::string algorithm = "kind = \"sync\"";
    if (!synchronous) {
      algorithm = std::string("kind = \"dpsgd\"\norder = \"") + (rng.below(2) ? "atc" : "cta") +
                  "\"\nlocal_steps = " + std::to_string(1 + rng.below(4));
    }
    std::string model = "noise = " + std::to_string(0.2 + rng.uniform()) +
                        "\nstart = " + std::to_string(2 * rng.uniform()) +
                        "\nslope_noise = " + std::to_string(0.5 * rng.uniform()) +
                        "\ncurvature = [";
    for (uint32_t i = 0; i < nodes; ++i) {
      model += (i ? ", " : "") + std::to_string(0.5 + rng.uniform());
    }
    model += "]\noffsets = \"index\"\n";
    const std::string toml =
        job(algorithm, graph, model, std::to_string(0.02 + 0.1 * rng.uniform()));
    SCOPED_TRACE("seed " + std::to_string(seed) + ", " + std::to_string(nodes) + " nodes:\n" +
                 toml);
    expect_theory(measure(toml, nodes));
  }
}

}  // namespace
}  // namespace kith
