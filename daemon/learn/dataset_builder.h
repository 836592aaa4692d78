// Fills a Dataset row by row; the only writer of one.
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "daemon/learn/dataset.h"

namespace kith {

class DatasetBuilder {
 public:
  // Reserves `rows` rows of bytes or floats.
  DatasetBuilder(size_t width, size_t classes, bool bytes, size_t rows);

  void add(std::span<const uint8_t> row, int32_t label);
  void add(std::span<const float> row, int32_t label);

  // x * scale + shift: one of each for all features, or one for each feature. Until then 1 and 0.
  void set_scale(std::vector<float> scale, std::vector<float> shift);

  std::shared_ptr<const Dataset> finish() && { return std::move(data_); }

 private:
  std::shared_ptr<Dataset> data_;
};

}  // namespace kith
