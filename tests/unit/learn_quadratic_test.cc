// The laboratory's noise has the moments that the closed forms assume.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "daemon/learn/model.h"
#include "topology/error.h"

namespace kith {
namespace {

std::unique_ptr<Model> make(std::map<std::string, OptionValue> given, uint32_t nodes = 4) {
  const ModelInfo& info = model_info("quadratic");
  return info.make({}, nodes, Options("model", info.options, given));
}

std::vector<float> gradient(const Model& model, float x, uint32_t node, uint64_t index) {
  Batch batch;
  batch.node = NodeId{node};
  batch.seed = 11;
  batch.index = index;
  Workspace workspace;
  std::vector<float> g(model.parameters());
  model.gradient(std::vector<float>(model.parameters(), x), batch, g, workspace);
  return g;
}

TEST(Quadratic, CurvatureAndOffsetOfEachNode) {
  const auto model = make({{"curvature", std::vector<double>{1, 2, 3, 4}},
                           {"offset", std::vector<double>{5, 6, 7, 8}}});
  EXPECT_EQ(gradient(*model, 10, 2, 0), std::vector<float>{9});  // 3 (10 - 7)
  const auto index = make({{"offsets", std::string("index")}, {"offset", 1.0}});
  EXPECT_EQ(gradient(*index, 10, 3, 0), std::vector<float>{6});  // 10 - (1 + 3)
  const auto start = make({{"start", 2.5}, {"replicas", int64_t{2}}});
  std::vector<float> x(2);
  Rng rng(1, NodeId{0}, Purpose::kInitialise);
  start->initialise(rng, x);
  EXPECT_EQ(x, (std::vector<float>{2.5, 2.5}));
}

TEST(Quadratic, ListsMustHaveOneNumberForEachNode) {
  try {
    make({{"curvature", std::vector<double>{1, 2, 3}}});
    FAIL();
  } catch (const OperatorError& error) {
    EXPECT_NE(std::string(error.what()).find("model.curvature has 3 numbers"), std::string::npos);
  }
}

// g = (h + xi1)(x - b) + xi2: mean h (x - b), variance v (x - b)^2 + sigma^2. 200,000 replicas,
// five standard errors: of the mean sqrt(var / n), of the variance var sqrt(2 / n) for normals.
TEST(Quadratic, NoiseHasItsMeanAndVariance) {
  constexpr size_t kReplicas = 200000;
  for (const auto& [sigma, v] : {std::pair{0.5, 0.0}, {0.0, 2.0}, {0.5, 2.0}}) {
    const auto model = make({{"replicas", int64_t{kReplicas}},
                             {"curvature", 1.5},
                             {"noise", sigma},
                             {"slope_noise", v},
                             {"offset", 1.0}});
    double sum = 0;
    double squares = 0;
    for (const float g : gradient(*model, 3, 1, 0)) {
      sum += g;
      squares += static_cast<double>(g) * g;
    }
    const double mean = sum / kReplicas;
    const double variance = squares / kReplicas - mean * mean;
    const double expected = v * 4 + sigma * sigma;
    EXPECT_NEAR(mean, 3, 5 * std::sqrt(expected / kReplicas));
    EXPECT_NEAR(variance, expected, 5 * expected * std::sqrt(2.0 / kReplicas));
  }
}

TEST(Quadratic, NoiseIsAFunctionOfSeedNodeAndBatch) {
  const auto model = make({{"noise", 1.0}, {"slope_noise", 1.0}, {"replicas", int64_t{5}}});
  EXPECT_EQ(gradient(*model, 1, 2, 3), gradient(*model, 1, 2, 3));
  EXPECT_NE(gradient(*model, 1, 2, 3), gradient(*model, 1, 3, 3));
  EXPECT_NE(gradient(*model, 1, 2, 3), gradient(*model, 1, 2, 4));
}

}  // namespace
}  // namespace kith
