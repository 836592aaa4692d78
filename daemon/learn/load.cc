// From files to data sets: which rows are whose, and the scale of the features.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <numeric>

#include "daemon/job.h"
#include "daemon/learn/dataset.h"
#include "daemon/learn/dataset_builder.h"
#include "daemon/learn/table.h"
#include "protocol/kernels.h"
#include "topology/assert.h"
#include "topology/error.h"

namespace kith {

namespace {

// Where Debian's package puts it.
constexpr const char* kFashionFolder = "/usr/share/datasets/fashion-mnist/";

struct Files {
  TableFiles train;
  TableFiles test;  // features empty: split off
};

Files files_of(const DataSpec& spec) {
  if (spec.source.empty() || spec.source == "none") {
    throw OperatorError("data.source is \"" + spec.source +
                        "\", but this model needs data: \"fashion-mnist\" or the path of a .csv, "
                        ".npy or IDX file");
  }
  if (spec.source != "fashion-mnist") {
    return {{spec.source, spec.labels, spec.label_column},
            {spec.test, spec.test_labels, spec.label_column}};
  }
  const std::string folder = kFashionFolder;
  if (!std::filesystem::exists(folder)) {
    throw OperatorError("data.source is \"fashion-mnist\", but " + folder +
                        " does not exist: install the package dataset-fashion-mnist");
  }
  return {{folder + "train-images-idx3-ubyte.gz", folder + "train-labels-idx1-ubyte.gz", ""},
          {folder + "t10k-images-idx3-ubyte.gz", folder + "t10k-labels-idx1-ubyte.gz", ""}};
}

size_t count_classes(std::span<const int32_t> labels) {
  return static_cast<size_t>(*std::ranges::max_element(labels)) + 1;
}

// Of the file `path`, as the job says or the labels show.
size_t classes_of(const DataSpec& spec, const std::string& path, std::span<const int32_t> labels) {
  const size_t seen = count_classes(labels);
  if (spec.classes == 0 || seen <= spec.classes) return std::max(seen, spec.classes);
  throw OperatorError(path + " has label " + std::to_string(seen - 1) + ", but data.classes is " +
                      std::to_string(spec.classes) + ": labels must be below it");
}

// Which rows of the file are the test set: a seeded sample of `fraction` of them.
std::vector<bool> split(size_t rows, double fraction, uint64_t seed) {
  if (!(fraction >= 0 && fraction < 1)) {
    throw OperatorError("data.test_fraction is " + std::to_string(fraction) +
                        ", but must be at least 0 and below 1");
  }
  std::vector<uint32_t> order(rows);
  std::iota(order.begin(), order.end(), 0u);
  const auto count = static_cast<size_t>(std::llround(fraction * static_cast<double>(rows)));
  Rng rng(seed, NodeId{0}, Purpose::kSplit);
  std::vector<bool> test(rows);
  for (size_t i = 0; i < count; ++i) {
    std::swap(order[i], order[i + rng.below(rows - i)]);
    test[order[i]] = true;
  }
  return test;
}

// Mean and variance of each feature, one row after the other. Moments about the first row, so that
// a large common offset costs no digits.
class Moments {
 public:
  explicit Moments(size_t width) : origin_(width), sum_(width), squares_(width) {}

  void add(const RowView& row) {
    for (size_t j = 0; j < origin_.size(); ++j) {
      const double value = row.bytes.empty() ? row.floats[j] : row.bytes[j];
      if (rows_ == 0) origin_[j] = value;
      const double x = value - origin_[j];
      sum_[j] += x;
      squares_[j] += x * x;
    }
    ++rows_;
  }

  // To mean 0 and variance 1; a feature that never changes becomes 0.
  void scaling(std::vector<float>& scale, std::vector<float>& shift) const {
    scale.resize(origin_.size());
    shift.resize(origin_.size());
    for (size_t j = 0; j < origin_.size(); ++j) {
      const double mean = sum_[j] / static_cast<double>(rows_);
      const double variance = squares_[j] / static_cast<double>(rows_) - mean * mean;
      const double factor =
          variance > 1e-12 * (mean * mean) && variance > 0 ? 1 / std::sqrt(variance) : 1;
      scale[j] = static_cast<float>(factor);
      shift[j] = static_cast<float>(-(origin_[j] + mean) * factor);
    }
  }

 private:
  std::vector<double> origin_;
  std::vector<double> sum_;
  std::vector<double> squares_;
  size_t rows_ = 0;
};

struct Scaling {
  std::vector<float> scale = {1};
  std::vector<float> shift = {0};
};

// Row `index` of the file `path`.
void check_finite(const std::string& path, size_t index, const RowView& row) {
  if (kernels::all_finite(row.floats)) return;
  throw OperatorError(path + " has NaN or infinity in row " + std::to_string(index) +
                      ": clean or drop such rows");
}

void add(DatasetBuilder& to, const RowView& row, int32_t label) {
  if (row.bytes.empty()) {
    to.add(row.floats, label);
  } else {
    to.add(row.bytes, label);
  }
}

void check_scale(const std::string& scale) {
  if (scale == "unit" || scale == "standard" || scale == "none" || scale.empty()) return;
  throw OperatorError("data.scale is \"" + scale +
                      "\", but must be one of \"unit\" \"standard\" \"none\"");
}

// Rows wanted of the training set, by their number within it: ascending.
using Pick = std::function<Shard(std::span<const int32_t> labels, size_t classes)>;

struct Loader {
  const DataSpec& spec;
  uint64_t seed;
  bool with_test;

  std::unique_ptr<Table> train;
  size_t classes = 0;
  Scaling scaling;

  LocalData load(const Pick& pick);

 private:
  // Reads the training table once: the picked rows into `shard`, the split-off test rows, if any
  // are wanted, into `test`, all training rows into the moments where the scale needs them.
  void read_train(const std::string& path, const Shard& picked, const std::vector<bool>& in_test,
                  DatasetBuilder& shard, DatasetBuilder& test);
  std::shared_ptr<const Dataset> read_test(const TableFiles& files);
};

void Loader::read_train(const std::string& path, const Shard& picked,
                        const std::vector<bool>& in_test, DatasetBuilder& shard,
                        DatasetBuilder& test) {
  const bool standard = spec.scale == "standard";
  Moments moments(standard ? train->width() : 0);
  size_t next = 0;         // in `picked`
  uint32_t train_row = 0;  // number of the row within the training set
  bool is_picked = false;
  const auto wants = [&](size_t row) {
    if (in_test[row]) return with_test;
    is_picked = next < picked.size() && picked[next] == train_row;
    ++train_row;
    return is_picked || standard;
  };
  train->read(wants, [&](size_t row, const RowView& features) {
    check_finite(path, row, features);
    if (in_test[row]) {
      add(test, features, train->labels()[row]);
      return;
    }
    if (standard) moments.add(features);
    if (!is_picked) return;
    add(shard, features, train->labels()[row]);
    ++next;
  });
  KITH_ASSERT(next == picked.size());
  if (standard) {
    moments.scaling(scaling.scale, scaling.shift);
  } else if (train->bytes() && spec.scale != "none") {
    scaling.scale = {1.0f / 255.0f};
  }
}

std::shared_ptr<const Dataset> Loader::read_test(const TableFiles& files) {
  const std::unique_ptr<Table> table = open_table(files, train.get());
  if (table->width() != train->width() || table->bytes() != train->bytes()) {
    throw OperatorError(files.features + " has " + std::to_string(table->width()) + " features (" +
                        (table->bytes() ? "bytes" : "floats") + "), but the training set has " +
                        std::to_string(train->width()) + " (" +
                        (train->bytes() ? "bytes" : "floats") + ")");
  }
  if (count_classes(table->labels()) > classes) {
    throw OperatorError(
        files.features + " has label " + std::to_string(count_classes(table->labels()) - 1) +
        ", but the labels of the training set end at " + std::to_string(classes - 1));
  }
  DatasetBuilder test(table->width(), classes, table->bytes(), table->rows());
  const auto all = [](size_t) { return true; };
  table->read(all, [&](size_t row, const RowView& features) {
    check_finite(files.features, row, features);
    add(test, features, table->labels()[row]);
  });
  test.set_scale(scaling.scale, scaling.shift);
  return std::move(test).finish();
}

LocalData Loader::load(const Pick& pick) {
  check_scale(spec.scale);
  const Files files = files_of(spec);
  train = open_table(files.train);
  classes = classes_of(spec, files.train.features, train->labels());
  const bool own_test = !files.test.features.empty();
  const std::vector<bool> in_test = split(train->rows(), own_test ? 0.0 : spec.test_fraction, seed);
  std::vector<int32_t> labels;
  for (size_t row = 0; row < train->rows(); ++row) {
    if (!in_test[row]) labels.push_back(train->labels()[row]);
  }
  if (labels.empty()) {
    throw OperatorError(files.train.features + " leaves no training row: lower data.test_fraction");
  }
  const Shard picked = pick(labels, classes);
  const size_t test_rows = with_test ? train->rows() - labels.size() : 0;
  DatasetBuilder shard(train->width(), classes, train->bytes(), picked.size());
  DatasetBuilder test(train->width(), classes, train->bytes(), test_rows);
  read_train(files.train.features, picked, in_test, shard, test);
  shard.set_scale(scaling.scale, scaling.shift);
  LocalData local;
  local.total_rows = labels.size();
  local.shard = std::move(shard).finish();
  local.class_names = train->class_names();
  if (with_test && own_test) local.test = read_test(files.test);
  if (with_test && !own_test) {
    test.set_scale(scaling.scale, scaling.shift);
    local.test = std::move(test).finish();
  }
  return local;
}

}  // namespace

DataSets load_data(const DataSpec& spec, uint64_t seed) {
  LocalData all =
      Loader{spec, seed, true, {}, 0, {}}.load([](std::span<const int32_t> labels, size_t) {
        Shard rows(labels.size());
        std::iota(rows.begin(), rows.end(), 0u);
        return rows;
      });
  return {std::move(all.shard), std::move(all.test)};
}

LocalData load_local_data(const DataSpec& spec, uint64_t seed, NodeId node, uint32_t nodes,
                          bool with_test) {
  KITH_ASSERT(index_of(node) < nodes);
  std::vector<size_t> rows;
  LocalData local = Loader{spec, seed, with_test, {}, 0, {}}.load(
      [&](std::span<const int32_t> labels, size_t classes) {
        const std::string rule = spec.partition.empty() ? "iid" : spec.partition;
        std::vector<Shard> shards = partition(labels, classes, rule, nodes, seed);
        for (const Shard& shard : shards) rows.push_back(shard.size());
        return std::move(shards[index_of(node)]);
      });
  local.rows_by_node = std::move(rows);
  return local;
}

}  // namespace kith
