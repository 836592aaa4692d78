// Spectra of W against closed forms and against the published reference table.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tests/unit/topology_cases.h"
#include "topology/spectral.h"

namespace kith {
namespace {

using std::numbers::pi;

Spectrum spectrum_of(const std::string& name, uint32_t nodes, std::string rule = "",
                     const std::map<std::string, OptionValue>& options = {}, uint64_t seed = 0) {
  const auto graph = graph_with(name, nodes, options, seed);
  return spectrum(*make_mixing(rule.empty() ? default_mixing(*graph) : rule, graph));
}

// Spectral gap 1 - |lambda_2|: weights 1/3 on the ring, 1/(L+1) on the static exponential graph,
// Metropolis elsewhere; to the four digits that the table prints.
TEST(Spectrum, ReferenceTable) {
  struct Row {
    uint32_t nodes;
    double ring, exponential, star;
  };
  constexpr double kHalfDigit = 0.5e-4 + 1e-6;
  for (const Row& row : {Row{4, 0.6667, 0.6667, 0.2500}, Row{8, 0.1953, 0.5000, 0.1250},
                         Row{16, 0.0507, 0.4000, 0.0625}, Row{32, 0.0128, 0.3333, 0.0312},
                         Row{64, 0.0032, 0.2857, 0.0156}}) {
    SCOPED_TRACE(row.nodes);
    EXPECT_NEAR(spectrum_of("ring", row.nodes).spectral_gap, row.ring, kHalfDigit);
    EXPECT_NEAR(spectrum_of("static-exponential", row.nodes).spectral_gap, row.exponential,
                kHalfDigit);
    EXPECT_NEAR(spectrum_of("star", row.nodes).spectral_gap, row.star, kHalfDigit);
  }
  EXPECT_NEAR(spectrum_of("torus", 9).spectral_gap, 0.6000, kHalfDigit);
  EXPECT_NEAR(spectrum_of("torus", 16).spectral_gap, 0.4000, kHalfDigit);
  EXPECT_NEAR(spectrum_of("torus", 36).spectral_gap, 0.2000, kHalfDigit);
  EXPECT_NEAR(spectrum_of("torus", 64).spectral_gap, 0.1172, kHalfDigit);
  EXPECT_NEAR(spectrum_of("ring", 8).zeta, 0.804738, 0.5e-6 + 1e-7);
}

// (1 + 2 cos(2 pi k / N)) / 3; D2 needs lambda_min > -1/3, which every even ring just misses.
TEST(Spectrum, RingClosedForm) {
  for (const uint32_t nodes : {4u, 5u, 6u, 7u, 8u, 10u, 64u, 101u, 299u, 300u, 301u, 1000u}) {
    SCOPED_TRACE(nodes);
    const Spectrum found = spectrum_of("ring", nodes);
    const double second = (1 + 2 * std::cos(2 * pi / nodes)) / 3;
    const double smallest = (1 + 2 * std::cos(2 * pi * (nodes / 2) / nodes)) / 3;
    EXPECT_NEAR(found.zeta, std::max(second, -smallest), 1e-7);
    EXPECT_NEAR(found.lambda_min, smallest, 1e-7);
    if (nodes % 2 == 0) {
      EXPECT_NEAR(found.lambda_min, -1.0 / 3, 1e-7);
    } else {
      EXPECT_GT(found.lambda_min, -1.0 / 3 + 1e-6);
    }
  }
}

// The gap keeps its digits where 1 - zeta would lose them: 4 pi^2 / (3 N^2) at N = 10,000.
TEST(Spectrum, GapOfALargeRing) {
  const double exact = 4.0 / 3 * std::pow(std::sin(pi / 10000), 2);
  EXPECT_NEAR(spectrum_of("ring", 10000).spectral_gap / exact, 1, 1e-6);
}

TEST(Spectrum, TorusClosedForm) {
  for (const auto& [rows, columns] : {std::pair{3, 5}, {8, 8}, {20, 30}, {3, 400}}) {
    const Spectrum found = spectrum_of("torus", static_cast<uint32_t>(rows * columns), "",
                                       {{"rows", int64_t{rows}}, {"columns", int64_t{columns}}});
    const auto value = [&](int a, int b) {
      return (1 + 2 * std::cos(2 * pi * a / rows) + 2 * std::cos(2 * pi * b / columns)) / 5;
    };
    const double smallest = value(rows / 2, columns / 2);
    EXPECT_NEAR(found.zeta, std::max({value(1, 0), value(0, 1), -smallest}), 1e-7);
    EXPECT_NEAR(found.lambda_min, smallest, 1e-7);
  }
}

TEST(Spectrum, CompleteGraphAveragesAtOnce) {
  for (const uint32_t nodes : {2u, 3u, 50u, 400u}) {
    for (const char* rule : {"metropolis", "uniform", "best-constant"}) {
      EXPECT_NEAR(spectrum_of("complete", nodes, rule).zeta, 0, 1e-6) << nodes << rule;
    }
  }
}

// Metropolis: gap 1/N. Best constant: 2 / (N + 1).
TEST(Spectrum, StarClosedForm) {
  for (const uint32_t nodes : {3u, 16u, 500u}) {
    EXPECT_NEAR(spectrum_of("star", nodes).spectral_gap, 1.0 / nodes, 1e-6);
    EXPECT_NEAR(spectrum_of("star", nodes, "best-constant").spectral_gap, 2.0 / (nodes + 1), 1e-6);
  }
}

// Ying et al. 2021: zeta = 1 - 2 / (L + 1), L = ceil log2 N, at even N; smaller at odd N. W is not
// symmetric: moduli of complex eigenvalues, from Arnoldi above 300 nodes.
TEST(Spectrum, StaticExponentialClosedForm) {
  for (const uint32_t nodes : {4u, 6u, 8u, 16u, 50u, 128u, 298u, 302u, 512u, 1000u}) {
    const double hops = std::ceil(std::log2(nodes));
    EXPECT_NEAR(spectrum_of("static-exponential", nodes).zeta, 1 - 2 / (hops + 1), 1e-6) << nodes;
  }
  for (const uint32_t nodes : {5u, 9u, 77u, 301u, 1001u}) {
    const double hops = std::ceil(std::log2(nodes));
    EXPECT_LT(spectrum_of("static-exponential", nodes).zeta, 1 - 2 / (hops + 1) - 1e-4) << nodes;
  }
}

// The iterative and the dense solution of the same matrix.
TEST(Spectrum, IterativeAgreesWithDense) {
  for (const auto& [name, nodes] :
       {std::pair{"random-regular", 400u}, {"static-exponential", 357u}, {"torus", 360u}}) {
    SCOPED_TRACE(name);
    const auto graph = make_graph(name, nodes, 11);
    const auto mixing = make_mixing(default_mixing(*graph), graph);
    const Spectrum found = spectrum(*mixing);
    const auto all = eigenvalues(*mixing);
    ASSERT_EQ(all.size(), nodes);
    EXPECT_NEAR(std::abs(all[0]), 1, 1e-7);
    EXPECT_NEAR(found.zeta, std::abs(all[1]), 1e-7);
    EXPECT_NEAR(found.lambda_min,
                std::ranges::min(all, {}, [](auto value) { return value.real(); }).real(), 1e-7);
    EXPECT_NEAR(found.spectral_gap, 1 - found.zeta, 1e-12);
  }
}

// Friedman 2008: |lambda_2| of the adjacency matrix is at most 2 sqrt(d - 1) + o(1); Alon-Boppana:
// no smaller in the limit.
TEST(Spectrum, RandomRegularIsNearlyRamanujan) {
  for (const int64_t degree : {3, 6, 14}) {
    const double bound = (1 + 2 * std::sqrt(degree - 1.0)) / static_cast<double>(degree + 1);
    const double zeta = spectrum_of("random-regular", 2000, "", {{"degree", degree}}, 4).zeta;
    EXPECT_NEAR(zeta, bound, 0.02) << degree;
  }
}

// a = 2 / (lambda_2 + lambda_N) makes the two ends equal: zeta = -lambda_min
// = (lambda_N - lambda_2) / (lambda_N + lambda_2).
TEST(Spectrum, BestConstantBalancesTheEndsAndBeatsMetropolis) {
  for (const auto& [name, nodes] :
       {std::pair{"ring", 16u}, {"star", 9u}, {"torus", 36u}, {"random-regular", 500u}}) {
    SCOPED_TRACE(name);
    const Spectrum best = spectrum_of(name, nodes, "best-constant");
    EXPECT_NEAR(best.zeta, -best.lambda_min, 1e-6);
    EXPECT_LT(best.zeta, spectrum_of(name, nodes, "metropolis").zeta);
  }
}

// On eight nodes of two K4 joined by a bridge: lambda_2 = .35425, zeta^2 = .77778 (MATCHA).
TEST(Spectrum, BarbellOfMatcha) {
  const double zeta = spectrum_of("barbell", 8, "best-constant").zeta;
  EXPECT_NEAR(zeta * zeta, 0.77778, 0.5e-5 + 1e-6);
}

// The slowest mode has opposite signs on the halves of m nodes each.
TEST(Spectrum, BarbellClosedForm) {
  for (const uint32_t m : {2u, 3u, 4u, 10u, 100u, 200u}) {
    const double second = (m + std::sqrt(m * m + 4.0 * m - 4)) / (2 * (m + 1.0));
    EXPECT_NEAR(spectrum_of("barbell", 2 * m).zeta, second, 1e-6) << m;
  }
}

// (1 + 2 cos(pi k / N)) / 3.
TEST(Spectrum, PathClosedForm) {
  for (const uint32_t nodes : {3u, 4u, 9u, 64u, 299u, 300u, 1000u}) {
    SCOPED_TRACE(nodes);
    const Spectrum found = spectrum_of("path", nodes);
    EXPECT_NEAR(found.spectral_gap, 4.0 / 3 * std::pow(std::sin(pi / (2.0 * nodes)), 2), 1e-7);
    EXPECT_NEAR(found.lambda_min, (1 - 2 * std::cos(pi / nodes)) / 3, 1e-7);
  }
}

// (1 + exp(-2 pi i k / N)) / 2: zeta = cos(pi / N).
TEST(Spectrum, DirectedRingClosedForm) {
  for (const uint32_t nodes : {2u, 3u, 8u, 9u, 100u, 299u}) {
    EXPECT_NEAR(spectrum_of("directed-ring", nodes).zeta, std::cos(pi / nodes), 1e-7) << nodes;
  }
}

// The Laplacian's ends under best-constant: lambda_2 = 2 - 2 cos(pi / the longer side), lambda_N
// from the last mode of both.
TEST(Spectrum, GridClosedForm) {
  for (const auto& [rows, columns] : {std::pair{3, 5}, {8, 8}, {20, 30}, {1, 12}}) {
    const auto value = [&](int a, int b) {
      return 4 - 2 * std::cos(pi * a / rows) - 2 * std::cos(pi * b / columns);
    };
    const double second = value(0, 1);
    const double largest = value(rows - 1, columns - 1);
    const Spectrum found = spectrum_of("grid", static_cast<uint32_t>(rows * columns),
                                       "best-constant", {{"rows", int64_t{rows}}});
    EXPECT_NEAR(found.zeta, (largest - second) / (largest + second), 1e-6) << rows;
  }
}

// pi^2 / (5 N) on a large square: a quarter of the torus.
TEST(Spectrum, GapOfALargeGrid) {
  const double grid = spectrum_of("grid", 2500).spectral_gap;
  EXPECT_NEAR(grid * 5 * 2500 / (pi * pi), 1, 0.05);
  EXPECT_NEAR(spectrum_of("torus", 2500).spectral_gap / grid, 4, 0.2);
}

TEST(Spectrum, TorusInThreeDimensions) {
  for (const auto& [layers, rows, columns] : {std::tuple{3, 4, 5}, {6, 6, 6}, {8, 8, 8}}) {
    const auto value = [&](int a, int b, int c) {
      return (1 + 2 * std::cos(2 * pi * a / layers) + 2 * std::cos(2 * pi * b / rows) +
              2 * std::cos(2 * pi * c / columns)) /
             7;
    };
    const Spectrum found = spectrum_of("torus", static_cast<uint32_t>(layers * rows * columns), "",
                                       {{"layers", int64_t{layers}}, {"rows", int64_t{rows}}});
    const double smallest = value(layers / 2, rows / 2, columns / 2);
    EXPECT_NEAR(found.zeta, std::max(value(0, 0, 1), -smallest), 1e-7);
    EXPECT_NEAR(found.lambda_min, smallest, 1e-7);
  }
}

// 1 - 2k / (d + 1).
TEST(Spectrum, HypercubeClosedForm) {
  for (const int dimension : {1, 2, 3, 5, 8, 9, 11}) {
    const Spectrum found = spectrum_of("hypercube", 1u << dimension);
    EXPECT_NEAR(found.zeta, (dimension - 1.0) / (dimension + 1), 1e-6) << dimension;
    EXPECT_NEAR(found.lambda_min, -(dimension - 1.0) / (dimension + 1), 1e-6) << dimension;
  }
  const auto all = eigenvalues(*make_mixing("uniform", make_graph("hypercube", 32)));
  constexpr int kBinomial[] = {1, 5, 10, 10, 5, 1};
  for (int k = 0; k <= 5; ++k) {
    EXPECT_EQ(std::ranges::count_if(
                  all, [&](auto value) { return std::abs(value - (1 - k / 3.0)) < 1e-6; }),
              kBinomial[k])
        << k;
  }
}

// Spielman: 1 / ((N - 1) log2 N) <= lambda_2 <= 2 / (N - 1) with weights 1. Under Metropolis the
// root's edges weigh 1/4 and no edge less.
TEST(Spectrum, BinaryTreeIsBetweenTheBounds) {
  for (const int levels : {3, 4, 6, 8, 10}) {
    const double nodes = std::exp2(levels) - 1;
    const double gap = spectrum_of("binary-tree", static_cast<uint32_t>(nodes)).spectral_gap;
    EXPECT_LE(gap, 0.5 / (nodes - 1) + 1e-9) << levels;
    EXPECT_GE(gap, 0.25 / ((nodes - 1) * std::log2(nodes))) << levels;
  }
}

// Hoory, Linial, Wigderson 2006, theorem 8.2: all eigenvalues of A but 8 are within 5 sqrt 2.
TEST(Spectrum, MargulisIsAnExpanderAtEverySize) {
  for (const uint32_t side : {2u, 3u, 4u, 5u, 8u, 13u, 16u, 17u, 18u, 31u, 50u}) {
    const Spectrum found = spectrum_of("margulis", side * side);
    EXPECT_LE(9 * found.zeta - 1, 5 * std::sqrt(2.0) + 1e-5) << side;
    EXPECT_GE(9 * found.lambda_min - 1, -5 * std::sqrt(2.0) - 1e-5) << side;
  }
}

// Circulant: (1 + sum_{o=1..d/2} 2 cos(2 pi k o / N)) / (d + 1).
TEST(Spectrum, SmallWorldWithoutRewiringIsCirculant) {
  for (const uint32_t nodes : {9u, 50u, 301u}) {
    double expected = 0;
    for (uint32_t k = 1; k < nodes; ++k) {
      const double angle = 2 * pi * k / nodes;
      expected =
          std::max(expected, std::abs(1 + 2 * std::cos(angle) + 2 * std::cos(2 * angle)) / 5);
    }
    EXPECT_NEAR(spectrum_of("small-world", nodes, "", {{"rewire", 0.0}}).zeta, expected, 1e-6);
  }
}

// Two blocks of N / 2: the mean adjacency matrix has N (p_in + p_out) / 2 and N (p_in - p_out) / 2,
// so that under weights in proportion to it zeta is their quotient. Degrees are about 105: weights
// by the larger degree and the fluctuation of lambda_2 move it by some hundredths.
TEST(Spectrum, BlocksMixAtTheRateBetweenThem) {
  const double zeta =
      spectrum_of("stochastic-block", 1000, "", {{"p_in", 0.2}, {"p_out", 0.01}}, 3).zeta;
  EXPECT_NEAR(zeta, 0.19 / 0.21, 0.04);
}

// A matrix of its own is taken as it stands: this one is circulant, with
// eigenvalues 3/8 + 3/8 w + 1/4 w^2, w^N = 1.
TEST(Spectrum, WeightedListIsItsOwnMatrix) {
  const TextFile file(weighted_arcs(20));
  const double zeta =
      spectrum_of("edge-list", 20, "", {{"file", file.path()}, {"directed", true}}).zeta;
  double expected = 0;
  for (int k = 1; k < 20; ++k) {
    const std::complex<double> w = std::polar(1.0, 2 * pi * k / 20);
    expected = std::max(expected, std::abs(0.375 + 0.375 * w + 0.25 * w * w));
  }
  EXPECT_NEAR(zeta, expected, 1e-7);
}

TEST(Spectrum, OneAndTwoNodes) {
  for (const GraphInfo* info : all_graphs()) {
    if (std::string(info->name) == "edge-list") continue;
    EXPECT_EQ(spectrum_of(info->name, 1).zeta, 0) << info->name;
    EXPECT_EQ(spectrum_of(info->name, 1).spectral_gap, 1) << info->name;
  }
  EXPECT_NEAR(spectrum_of("ring", 2).zeta, 0, 1e-7);
}

TEST(Eigenvalues, OfTheRingAllOfThem) {
  const auto all = eigenvalues(*make_mixing("uniform", make_graph("ring", 8)));
  std::vector<double> expected;
  for (int k = 0; k < 8; ++k) expected.push_back((1 + 2 * std::cos(2 * pi * k / 8)) / 3);
  std::ranges::sort(expected, [](double a, double b) { return std::abs(a) > std::abs(b); });
  ASSERT_EQ(all.size(), 8u);
  for (size_t k = 0; k < 8; ++k) {
    EXPECT_NEAR(std::abs(all[k]), std::abs(expected[k]), 1e-7);
    EXPECT_EQ(all[k].imag(), 0);
  }
}

}  // namespace
}  // namespace kith
