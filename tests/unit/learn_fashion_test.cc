// Fashion-MNIST as Debian's dataset-fashion-mnist has it: shapes, golden first losses, accuracy.
#include <gtest/gtest.h>

#include <cmath>

#include "daemon/job.h"
#include "daemon/learn/trainer.h"

namespace kith {
namespace {

DataSpec fashion() {
  DataSpec spec;
  spec.source = "fashion-mnist";
  spec.scale = "unit";
  spec.partition = "iid";
  return spec;
}

class Fashion : public testing::Test {
 protected:
  static void SetUpTestSuite() { data_ = new DataSets(load_data(fashion(), 1)); }
  static void TearDownTestSuite() { delete data_; }

  struct Result {
    double first_loss;
    Evaluation test;
  };

  // Two passes by plain SGD, batch 32, rate 0.1.
  static Result train(const std::string& kind) {
    const ModelInfo& info = model_info(kind);
    const auto model = info.make(data_->train->shape(), 1, Options("model", info.options, {}));
    TrainerSetup setup;
    setup.model = model.get();
    setup.data = data_->train;
    setup.seed = 1;
    Trainer trainer(setup);
    Pool pool;
    Workspace workspace;
    Buffer start = pool.acquire_floats(model->parameters());
    Rng rng(1, NodeId{0}, Purpose::kInitialise);
    model->initialise(rng, start.floats());
    Compute work;
    work.at = std::move(start).freeze();
    const double first_loss = trainer.run(work, pool, workspace).loss;
    work.rule.kind = LocalRule::Kind::kLocalSteps;
    work.steps = 2 * 60000 / 32;
    const Computed x = trainer.run(work, pool, workspace);
    EXPECT_TRUE(x.finite);
    return {first_loss, evaluate(*model, *data_->test, x.result.floats(), workspace)};
  }

  static DataSets* data_;
};

DataSets* Fashion::data_ = nullptr;

TEST_F(Fashion, HasItsKnownShapeAndBalance) {
  EXPECT_EQ(data_->train->rows(), 60000u);
  EXPECT_EQ(data_->test->rows(), 10000u);
  EXPECT_EQ(data_->train->width(), 784u);
  EXPECT_EQ(data_->train->classes(), 10u);
  std::vector<int> counts(10);
  for (const int32_t label : data_->train->labels()) ++counts[label];
  EXPECT_EQ(counts, std::vector<int>(10, 6000));
  EXPECT_LT(data_->train->resident_bytes(), 60000u * (784 + 4) + 100);
}

// From zero all classes are equally likely: ln 10. Then 82.3 % after ten passes by PyTorch.
TEST_F(Fashion, SoftmaxReaches80PercentInTwoPasses) {
  const Result result = train("softmax");
  EXPECT_NEAR(result.first_loss, std::log(10.0), 1e-6);
  EXPECT_GE(result.test.accuracy, 0.80);
  EXPECT_LT(result.test.loss, 0.55);
}

// 88.0 % after ten passes by PyTorch.
TEST_F(Fashion, MlpReaches84PercentInTwoPasses) {
  const Result result = train("mlp");
  EXPECT_GE(result.test.accuracy, 0.84);
  EXPECT_LT(result.test.loss, 0.45);
}

// Goldens of this implementation: a change of the start, the batches or the scale shows here.
TEST_F(Fashion, FirstLossesAndFirstRowsStayTheSame) {
  const auto golden = [](const std::string& activation, const std::vector<double>& losses) {
    const ModelInfo& info = model_info("mlp");
    const auto model = info.make(data_->train->shape(), 1,
                                 Options("model", info.options, {{"activation", activation}}));
    TrainerSetup setup;
    setup.model = model.get();
    setup.data = data_->train;
    setup.seed = 1;
    Trainer trainer(setup);
    Pool pool;
    Workspace workspace;
    Buffer start = pool.acquire_floats(model->parameters());
    Rng rng(1, NodeId{0}, Purpose::kInitialise);
    model->initialise(rng, start.floats());
    Compute work;
    work.at = std::move(start).freeze();
    for (const double loss : losses) {
      EXPECT_NEAR(trainer.run(work, pool, workspace).loss, loss, 1e-5);
      ++work.first_batch;
    }
    std::vector<uint32_t> rows(8);
    Batches(data_->train, {}, {.size = 8}, 0, 1, NodeId{0}).rows(0, rows);
    EXPECT_EQ(rows,
              (std::vector<uint32_t>{56888, 11437, 25307, 52694, 39762, 33742, 23321, 33213}));
  };
  golden("relu", {2.475210, 2.569574, 2.500339});
  golden("tanh", {2.438843, 2.510622, 2.461771});
}

TEST_F(Fashion, ANodeHoldsItsShareOnly) {
  const LocalData local = load_local_data(fashion(), 1, NodeId{3}, 100, false);
  EXPECT_EQ(local.shard->rows(), 600u);
  EXPECT_LT(local.shard->resident_bytes(), 600u * (784 + 4) + 100);
  EXPECT_EQ(local.total_rows, 60000u);
  EXPECT_EQ(local.test, nullptr);
}

}  // namespace
}  // namespace kith
