// load_data and load_local_data: splits, scales, and that a node which reads its own rows only
// trains on the same bits as one that picks them from the whole.
#include <algorithm>
#include <cmath>
#include <set>

#include "daemon/job.h"
#include "daemon/learn/trainer.h"
#include "tests/unit/learn_files.h"

namespace kith {
namespace {

// Row r holds r, r * r and a constant, so that a row is known by its features.
std::string csv(size_t rows) {
  std::string text = "n,square,same,label\n";
  for (size_t r = 0; r < rows; ++r) {
    text += std::to_string(r) + "," + std::to_string(r * r) + ",5," + std::to_string(r % 3) + "\n";
  }
  return text;
}

std::string byte_images(size_t rows, size_t width) {
  std::string values;
  for (size_t i = 0; i < rows * width; ++i) values.push_back(static_cast<char>(i * 37 % 251));
  return idx(8, {static_cast<uint32_t>(rows), static_cast<uint32_t>(width)}, values);
}

std::string byte_labels(size_t rows) {
  std::string values;
  for (size_t i = 0; i < rows; ++i) values.push_back(static_cast<char>(i * 7 % 4));
  return idx(8, {static_cast<uint32_t>(rows)}, values);
}

std::vector<float> row_of(const Dataset& data, size_t row) {
  std::vector<float> x(data.width());
  data.copy_row(row, x);
  return x;
}

DataSpec csv_spec(const TestFolder& folder, size_t rows) {
  DataSpec spec;
  spec.source = folder.write("data.csv", csv(rows));
  spec.test_fraction = 0.25;
  spec.scale = "none";
  spec.partition = "iid";
  return spec;
}

TEST(Load, SplitIsASeededPartOfTheRows) {
  TestFolder folder;
  const DataSpec spec = csv_spec(folder, 100);
  const DataSets one = load_data(spec, 1);
  EXPECT_EQ(one.train->rows(), 75u);
  EXPECT_EQ(one.test->rows(), 25u);
  EXPECT_EQ(one.train->classes(), 3u);
  std::set<float> seen;
  for (const auto& data : {one.train, one.test}) {
    for (size_t r = 0; r < data->rows(); ++r) {
      const std::vector<float> x = row_of(*data, r);
      seen.insert(x[0]);
      EXPECT_EQ(data->labels()[r], static_cast<int32_t>(x[0]) % 3);
    }
  }
  EXPECT_EQ(seen.size(), 100u);
  const auto first = [](const DataSets& d) { return row_of(*d.test, 0); };
  EXPECT_EQ(first(one), first(load_data(spec, 1)));
  std::set<std::vector<float>> firsts;
  for (uint64_t seed = 1; seed <= 8; ++seed) firsts.insert(first(load_data(spec, seed)));
  EXPECT_GT(firsts.size(), 1u);
}

TEST(Load, StandardScaleGivesMeanZeroAndVarianceOneOnTheTrainingRows) {
  TestFolder folder;
  DataSpec spec = csv_spec(folder, 200);
  spec.scale = "standard";
  const DataSets data = load_data(spec, 1);
  for (size_t j = 0; j < 3; ++j) {
    double sum = 0;
    double squares = 0;
    for (size_t r = 0; r < data.train->rows(); ++r) {
      const double x = row_of(*data.train, r)[j];
      sum += x;
      squares += x * x;
    }
    const auto rows = static_cast<double>(data.train->rows());
    EXPECT_NEAR(sum / rows, 0, 1e-5);
    EXPECT_NEAR(squares / rows, j == 2 ? 0 : 1, 1e-4);  // the third never changes
  }
}

TEST(Load, UnitDividesBytesBy255AndLeavesFloats) {
  TestFolder folder;
  DataSpec spec;
  spec.source = folder.write("f", byte_images(8, 3));
  spec.labels = folder.write("l", byte_labels(8));
  spec.test_fraction = 0;
  spec.scale = "unit";
  const DataSets bytes = load_data(spec, 1);
  EXPECT_FLOAT_EQ(row_of(*bytes.train, 0)[1], 37.0f / 255);
  EXPECT_EQ(bytes.test->rows(), 0u);
  EXPECT_LT(bytes.train->resident_bytes(), 8 * 3 + 8 * 4 + 64u);  // a byte stays a byte
  DataSpec floats = csv_spec(folder, 10);
  floats.scale = "unit";
  floats.test_fraction = 0;
  EXPECT_EQ(row_of(*load_data(floats, 1).train, 7), (std::vector<float>{7, 49, 5}));
}

TEST(Load, ShardOfOneNodeGivesTheBatchesOfTheWhole) {
  TestFolder folder;
  DataSpec spec;
  spec.source = folder.write("f", byte_images(300, 20));
  spec.labels = folder.write("l", byte_labels(300));
  const ModelInfo& info = model_info("softmax");
  const Options options("model", info.options, {});
  for (const char* scale : {"unit", "standard", "none"}) {
    for (const char* rule : {"iid", "dirichlet:0.3", "shards:2"}) {
      SCOPED_TRACE(std::string(scale) + " " + rule);
      spec.scale = scale;
      spec.partition = rule;
      const DataSets whole = load_data(spec, 5);
      const auto rows = partition(whole.train->labels(), whole.train->classes(), rule, 4, 5);
      for (uint32_t node = 0; node < 4; ++node) {
        const LocalData local = load_local_data(spec, 5, NodeId{node}, 4, node == 0);
        ASSERT_EQ(local.shard->rows(), rows[node].size());
        EXPECT_EQ(local.total_rows, whole.train->rows());
        EXPECT_EQ(local.test != nullptr, node == 0);
        if (local.test) {
          ASSERT_EQ(local.test->rows(), whole.test->rows());
          EXPECT_EQ(row_of(*local.test, 3), row_of(*whole.test, 3));
        }
        const auto model = info.make(local.shard->shape(), 4, options);
        TrainerSetup setup;
        setup.model = model.get();
        setup.batch.size = 16;
        setup.seed = 5;
        setup.node = NodeId{node};
        setup.data = local.shard;
        Trainer own(setup);
        setup.data = whole.train;
        setup.rows = rows[node];
        Trainer picked(setup);
        Pool pool;
        Workspace workspace;
        Compute work;
        work.at = copy_of(std::vector<float>(model->parameters(), 0.01f), pool);
        work.steps = 12;
        work.rule.kind = LocalRule::Kind::kLocalSteps;
        const Computed a = own.run(work, pool, workspace);
        const Computed b = picked.run(work, pool, workspace);
        EXPECT_EQ(a.loss, b.loss);
        EXPECT_TRUE(std::ranges::equal(a.result.floats(), b.result.floats()));
      }
    }
  }
}

TEST(Load, SeparateTestSetIsCheckedAgainstTheTrainingSet) {
  TestFolder folder;
  DataSpec spec;
  spec.source = folder.write("f", byte_images(20, 4));
  spec.labels = folder.write("l", byte_labels(20));
  spec.test = folder.write("tf", byte_images(6, 4));
  spec.test_labels = folder.write("tl", byte_labels(6));
  const DataSets data = load_data(spec, 1);
  EXPECT_EQ(data.train->rows(), 20u);
  EXPECT_EQ(data.test->rows(), 6u);
  spec.test = folder.write("narrow", byte_images(6, 3));
  expect_operator_error([&] { load_data(spec, 1); }, {spec.test, "3 features", "4"});
  spec.test = folder.write("tf", byte_images(2, 4));
  spec.test_labels = folder.write("tl", idx(8, {2}, std::string("\x00\x09", 2)));
  expect_operator_error([&] { load_data(spec, 1); }, {spec.test, "label 9", "end at 3"});
}

TEST(Load, ClassesAreThoseOfTheJobWhereItSaysSo) {
  TestFolder folder;
  DataSpec spec = csv_spec(folder, 12);  // labels 0, 1, 2
  spec.classes = 7;
  EXPECT_EQ(load_data(spec, 1).train->classes(), 7u);
  spec.classes = 3;
  EXPECT_EQ(load_data(spec, 1).train->classes(), 3u);
  spec.classes = 2;
  expect_operator_error([&] { load_data(spec, 1); },
                        {spec.source, "label 2", "data.classes is 2"});
}

TEST(Load, RefusesValuesThatAreNotFinite) {
  TestFolder folder;
  DataSpec spec;
  spec.source = folder.write("nan.csv", "1,0\n2,1\nnan,0\n");
  spec.test_fraction = 0;
  expect_operator_error([&] { load_data(spec, 1); }, {spec.source, "NaN", "row 2"});
}

TEST(Load, RefusesWithTheKey) {
  TestFolder folder;
  DataSpec spec = csv_spec(folder, 10);
  spec.scale = "fancy";
  expect_operator_error([&] { load_data(spec, 1); }, {"data.scale", "fancy", "standard"});
  spec = csv_spec(folder, 10);
  spec.test_fraction = 1;
  expect_operator_error([&] { load_data(spec, 1); }, {"data.test_fraction"});
  spec.source = "none";
  expect_operator_error([&] { load_data(spec, 1); }, {"data.source", "fashion-mnist"});
}

}  // namespace
}  // namespace kith
