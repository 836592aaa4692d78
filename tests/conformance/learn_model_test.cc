// What every registered model must do, new ones too: derivatives that match finite differences,
// tensors that cover the parameters, the same start everywhere, no dependence on scratch.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "daemon/learn/model.h"
#include "protocol/optimizer.h"
#include "topology/error.h"

namespace kith {
namespace {

constexpr DataShape kShape = {13, 5};
constexpr size_t kRows = 9;

class ModelConformance : public testing::TestWithParam<const ModelInfo*> {
 protected:
  ModelConformance() : info_(*GetParam()), options_("model", info_.options, given()) {
    model_ = info_.make(kShape, 4, options_);
    Rng rng(1, NodeId{0}, Purpose::kTest);
    features_.resize(kRows * kShape.features);
    rng.fill_normal(features_);
    for (size_t r = 0; r < kRows; ++r) {
      labels_.push_back(static_cast<int32_t>(rng.below(kShape.classes)));
    }
    if (model_->needs_data()) {
      batch_.features = features_;
      batch_.labels = labels_;
      batch_.rows = kRows;
    }
    batch_.node = NodeId{2};
    x_.resize(model_->parameters());
    rng.fill_normal(x_);  // not the start: zeros hide mistakes
    for (float& x : x_) x *= 0.3f;
  }

  // The smallest values that a kind accepts keep the parameters few.
  static std::map<std::string, OptionValue> given() {
    std::map<std::string, OptionValue> values;
    for (const OptionSpec& spec : GetParam()->options) {
      if (spec.key == std::string("hidden")) values["hidden"] = std::vector<double>{7, 6};
      if (spec.key == std::string("replicas")) values["replicas"] = int64_t{11};
      // Smooth: no kink may lie within a finite difference.
      if (spec.key == std::string("activation")) values["activation"] = std::string("tanh");
    }
    return values;
  }

  double loss(const std::vector<float>& x) {
    const Model::Score score = model_->score(x, batch_, workspace_);
    return score.loss / static_cast<double>(std::max<size_t>(batch_.rows, 1));
  }

  const ModelInfo& info_;
  Options options_;
  std::unique_ptr<Model> model_;
  std::vector<float> features_;
  std::vector<int32_t> labels_;
  Batch batch_;
  std::vector<float> x_;
  Workspace workspace_;
};

TEST_P(ModelConformance, GradientMatchesCentralDifferencesOfTheLoss) {
  std::vector<float> g(x_.size());
  const double at_x = model_->gradient(x_, batch_, g, workspace_);
  EXPECT_NEAR(at_x, loss(x_), 1e-5 * std::max(1.0, at_x));
  // The replicas of the laboratory are runs of their own side by side: its loss is their mean, its
  // gradient that of each.
  const double copies = model_->needs_data() ? 1 : static_cast<double>(x_.size());
  constexpr float kStep = 1e-2f;
  for (size_t j = 0; j < x_.size(); ++j) {
    std::vector<float> up = x_, down = x_;
    up[j] += kStep;
    down[j] -= kStep;
    const double width = static_cast<double>(up[j]) - down[j];
    const double slope = copies * (loss(up) - loss(down)) / width;
    // Third derivatives leave about step^2; rounding of the loss about 1e-7 / step.
    ASSERT_NEAR(g[j], slope, 3e-4 + 1e-3 * std::abs(slope)) << "parameter " << j;
  }
}

// privacy.h: each row's gradient is clipped by itself, however the model comes by it.
TEST_P(ModelConformance, ClippedGradientIsTheMeanOfTheRowsClippedOneByOne) {
  if (!model_->needs_data()) return;
  std::vector<double> lengths;
  std::vector<float> g(x_.size());
  std::vector<float> expected(x_.size());
  for (size_t r = 0; r < kRows; ++r) {
    Batch one = batch_;
    one.rows = 1;
    one.features = batch_.features.subspan(r * kShape.features, kShape.features);
    one.labels = batch_.labels.subspan(r, 1);
    model_->gradient(x_, one, g, workspace_);
    lengths.push_back(std::sqrt(std::inner_product(g.begin(), g.end(), g.begin(), 0.0)));
  }
  std::vector<double> sorted = lengths;
  std::ranges::sort(sorted);
  for (const double clip : {sorted[0] / 2, sorted[kRows / 2], 1e9}) {
    std::vector<double> sum(x_.size());
    for (size_t r = 0; r < kRows; ++r) {
      Batch one = batch_;
      one.rows = 1;
      one.features = batch_.features.subspan(r * kShape.features, kShape.features);
      one.labels = batch_.labels.subspan(r, 1);
      model_->gradient(x_, one, g, workspace_);
      for (size_t j = 0; j < g.size(); ++j)
        sum[j] += std::min(1.0, clip / lengths[r]) * g[j] / kRows;
    }
    const double loss = model_->clipped_gradient(clip, x_, batch_, g, workspace_);
    const double plain = model_->Model::clipped_gradient(clip, x_, batch_, expected, workspace_);
    EXPECT_NEAR(loss, plain, 1e-6 * plain);
    for (size_t j = 0; j < g.size(); ++j) {
      ASSERT_NEAR(double{g[j]}, sum[j], 1e-6) << "parameter " << j << ", clip " << clip;
      ASSERT_NEAR(double{expected[j]}, sum[j], 1e-6) << "parameter " << j << ", clip " << clip;
    }
    if (clip == 1e9) {
      model_->gradient(x_, batch_, expected, workspace_);
      for (size_t j = 0; j < g.size(); ++j) ASSERT_NEAR(g[j], expected[j], 1e-6f);
    }
    EXPECT_LE(std::sqrt(std::inner_product(g.begin(), g.end(), g.begin(), 0.0)), clip * (1 + 1e-6));
  }
}

TEST_P(ModelConformance, TensorsCoverTheParametersUnderDistinctNames) {
  size_t total = 0;
  std::vector<std::string> names;
  for (const TensorSpec& tensor : model_->tensors()) {
    total += std::accumulate(tensor.shape.begin(), tensor.shape.end(), size_t{1},
                             std::multiplies<size_t>());
    names.push_back(tensor.name);
  }
  EXPECT_EQ(total, model_->parameters());
  std::ranges::sort(names);
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
}

TEST_P(ModelConformance, InitialiseWritesEveryParameterAndIsAFunctionOfTheStream) {
  std::vector<float> a(x_.size(), NAN), b(x_.size(), 1e9f);
  Rng one(7, NodeId{0}, Purpose::kInitialise);
  Rng two(7, NodeId{0}, Purpose::kInitialise);
  model_->initialise(one, a);
  model_->initialise(two, b);
  EXPECT_EQ(a, b);  // NaN would not compare equal
}

TEST_P(ModelConformance, GradientDependsOnNothingButItsArguments) {
  std::vector<float> first(x_.size(), NAN), again(x_.size(), 1e9f);
  const double loss = model_->gradient(x_, batch_, first, workspace_);
  Workspace dirty;
  for (size_t slot = 0; slot < 16; ++slot) std::ranges::fill(dirty.take(slot, 5000), NAN);
  EXPECT_EQ(model_->gradient(x_, batch_, again, dirty), loss);
  EXPECT_EQ(first, again);
}

TEST_P(ModelConformance, DescendIsTheGradientAndAPlainStepBitForBit) {
  constexpr float kRate = 0.37f;
  constexpr size_t kMostRows = 300;  // more than one block of the matrix product
  std::vector<float> features(kMostRows * kShape.features);
  std::vector<int32_t> labels(kMostRows);
  Rng rng(2, NodeId{0}, Purpose::kTest);
  rng.fill_normal(features);
  for (int32_t& label : labels) label = static_cast<int32_t>(rng.below(kShape.classes));
  for (const size_t rows : {size_t{1}, kRows, kMostRows}) {
    SCOPED_TRACE(rows);
    Batch batch = batch_;
    if (model_->needs_data()) {
      batch.features = features;
      batch.features = batch.features.first(rows * kShape.features);
      batch.labels = std::span<const int32_t>(labels).first(rows);
      batch.rows = rows;
    }
    std::vector<float> g(x_.size()), stepped(x_.size()), y(x_.size(), NAN), in_place = x_;
    const double loss = model_->gradient(x_, batch, g, workspace_);
    Optimizer({}).step(kRate, x_, g, stepped);
    EXPECT_EQ(model_->descend(kRate, x_, batch, y, workspace_), loss);
    EXPECT_EQ(y, stepped);
    EXPECT_EQ(model_->descend(kRate, in_place, batch, in_place, workspace_), loss);
    EXPECT_EQ(in_place, stepped);
  }
}

TEST_P(ModelConformance, InfoAgreesWithTheModel) {
  EXPECT_EQ(info_.needs_data, model_->needs_data());
  EXPECT_EQ(&model_info(info_.name), &info_);
  EXPECT_GT(std::string(info_.help).size(), 0u);
}

TEST_P(ModelConformance, CorrectRowsAreNoMoreThanRows) {
  EXPECT_LE(model_->score(x_, batch_, workspace_).correct, batch_.rows);
}

INSTANTIATE_TEST_SUITE_P(All, ModelConformance, testing::ValuesIn(all_models()),
                         [](const auto& info) { return std::string(info.param->name); });

TEST(Models, UnknownNameIsRefusedWithTheKnownOnes) {
  try {
    model_info("transformer");
    FAIL();
  } catch (const OperatorError& error) {
    const std::string text = error.what();
    for (const char* part : {"model.kind", "transformer", "mlp", "quadratic", "softmax"}) {
      EXPECT_NE(text.find(part), std::string::npos) << part;
    }
  }
}

}  // namespace
}  // namespace kith
