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
  const TextFile file("0 1\n0 2\n0 3\n1 2\n1 3\n2 3\n4 5\n4 6\n4 7\n5 6\n5 7\n6 7\n3 4\n");
  const double zeta = spectrum_of("edge-list", 8, "best-constant", {{"file", file.path()}}).zeta;
  EXPECT_NEAR(zeta * zeta, 0.77778, 0.5e-5 + 1e-6);
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
