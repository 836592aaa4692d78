// Rows of features with a class label, kept as they are stored: one byte a pixel stays one byte.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "daemon/learn/model.h"

namespace kith {

struct DataSpec;

class Dataset {
 public:
  size_t rows() const { return labels_.size(); }
  size_t width() const { return width_; }  // features of a row
  size_t classes() const { return classes_; }
  DataShape shape() const { return {width_, classes_}; }
  std::span<const int32_t> labels() const { return labels_; }
  size_t resident_bytes() const;

  // Converts row `row` to floats, scaled and normalised, into width() floats.
  void copy_row(size_t row, std::span<float> out) const;

  // Hints that `row` is copied soon: rows of a batch lie far apart, each a miss of all caches.
  void prefetch_row(size_t row) const;

 private:
  friend class DatasetBuilder;
  size_t width_ = 0;
  size_t classes_ = 0;
  std::vector<uint8_t> bytes_;  // rows x width where stored as bytes
  std::vector<float> floats_;   // or here
  std::vector<float> scale_;    // one, or one per feature: x * scale + shift
  std::vector<float> shift_;
  std::vector<int32_t> labels_;
};

struct DataSets {
  std::shared_ptr<const Dataset> train;
  std::shared_ptr<const Dataset> test;
};

// Rows of one node, in ascending order.
using Shard = std::vector<uint32_t>;

// The whole training set and the test set of a job. Throws OperatorError naming the file.
DataSets load_data(const DataSpec& spec, uint64_t seed);

// Only what one node needs: its own shard (as a Dataset of its own; rows ascending) and, if asked,
// the test set. Reads the file as a stream: never holds the rows of others.
struct LocalData {
  std::shared_ptr<const Dataset> shard;
  std::shared_ptr<const Dataset> test;   // null when not asked for
  size_t total_rows = 0;                 // of all nodes together
  std::vector<size_t> rows_by_node;      // of each node's shard
  std::vector<std::string> class_names;  // of labels that are text, sorted; else empty
};
LocalData load_local_data(const DataSpec& spec, uint64_t seed, NodeId node, uint32_t nodes,
                          bool with_test);

// Splits rows over nodes by "iid", "dirichlet:ALPHA" (one draw of proportions per class; every node
// gets at least one row) or "shards:K" (about K classes a node); a function of its arguments alone.
std::vector<Shard> partition(std::span<const int32_t> labels, size_t classes,
                             const std::string& rule, uint32_t nodes, uint64_t seed);

}  // namespace kith
