#include "daemon/learn/dataset.h"

#include <algorithm>

#include "daemon/learn/dataset_builder.h"
#include "daemon/learn/layers.h"
#include "protocol/kernels.h"
#include "topology/assert.h"
#include "topology/error.h"

namespace kith {

size_t Dataset::resident_bytes() const {
  return bytes_.capacity() + floats_.capacity() * sizeof(float) +
         labels_.capacity() * sizeof(int32_t) +
         (scale_.capacity() + shift_.capacity()) * sizeof(float);
}

void Dataset::copy_row(size_t row, std::span<float> out) const {
  KITH_ASSERT(row < rows() && out.size() == width_);
  const bool each = scale_.size() > 1;
  if (!bytes_.empty()) {
    const std::span<const uint8_t> x(bytes_.data() + row * width_, width_);
    if (each) {
      layers::normalise_bytes(x, scale_, shift_, out);
    } else {
      kernels::bytes_to_floats(x, scale_[0], shift_[0], out);
    }
    return;
  }
  const std::span<const float> x(floats_.data() + row * width_, width_);
  if (each) {
    layers::normalise_floats(x, scale_, shift_, out);
  } else if (scale_[0] == 1 && shift_[0] == 0) {
    std::ranges::copy(x, out.begin());
  } else {
    for (size_t j = 0; j < width_; ++j) out[j] = x[j] * scale_[0] + shift_[0];
  }
}

void Dataset::prefetch_row(size_t row) const {
  constexpr size_t kLine = 64;  // bytes
  const size_t size = width_ * (bytes_.empty() ? sizeof(float) : 1);
  const char* begin = bytes_.empty() ? reinterpret_cast<const char*>(floats_.data())
                                     : reinterpret_cast<const char*>(bytes_.data());
  begin += row * size;
  for (size_t at = 0; at < size; at += kLine) __builtin_prefetch(begin + at);
}

DatasetBuilder::DatasetBuilder(size_t width, size_t classes, bool bytes, size_t rows)
    : data_(std::make_shared<Dataset>()) {
  data_->width_ = width;
  data_->classes_ = classes;
  data_->scale_ = {1};
  data_->shift_ = {0};
  try {
    data_->labels_.reserve(rows);
    if (bytes) {
      data_->bytes_.reserve(rows * width);
    } else {
      data_->floats_.reserve(rows * width);
    }
  } catch (const std::exception&) {  // bad_alloc or length_error
    throw OperatorError("the data set has " + std::to_string(rows) + " rows of " +
                        std::to_string(width) +
                        " features, more than the memory holds: use more "
                        "nodes or less data");
  }
}

void DatasetBuilder::add(std::span<const uint8_t> row, int32_t label) {
  KITH_ASSERT(row.size() == data_->width_ && data_->floats_.empty());
  data_->bytes_.insert(data_->bytes_.end(), row.begin(), row.end());
  data_->labels_.push_back(label);
}

void DatasetBuilder::add(std::span<const float> row, int32_t label) {
  KITH_ASSERT(row.size() == data_->width_ && data_->bytes_.empty());
  data_->floats_.insert(data_->floats_.end(), row.begin(), row.end());
  data_->labels_.push_back(label);
}

void DatasetBuilder::set_scale(std::vector<float> scale, std::vector<float> shift) {
  KITH_ASSERT(scale.size() == shift.size());
  KITH_ASSERT(scale.size() == 1 || scale.size() == data_->width_);
  data_->scale_ = std::move(scale);
  data_->shift_ = std::move(shift);
}

}  // namespace kith
