#include "protocol/low_rank.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "protocol/kernels.h"
#include "protocol/limits.h"
#include "topology/assert.h"

namespace kith {

namespace {

// A column that is no longer than this beside what it was holds nothing but rounding errors.
constexpr double kDependent = 1e-6;

// Takes the next `count` values of a vector of factors.
template <class Value>
std::span<Value> take(std::span<Value>& rest, size_t count) {
  const std::span<Value> taken = rest.first(count);
  rest = rest.subspan(count);
  return taken;
}

void orthonormalise_columns(std::span<float> columns, size_t rows) {
  for (size_t c = 0; c * rows < columns.size(); ++c) {
    const std::span<float> column = columns.subspan(c * rows, rows);
    const double before = std::sqrt(kernels::squared_norm(column));
    for (int pass = 0; pass < 2; ++pass) {
      for (size_t d = 0; d < c; ++d) {
        const std::span<const float> earlier = columns.subspan(d * rows, rows);
        kernels::axpy(static_cast<float>(-kernels::dot(earlier, column)), earlier, column);
      }
    }
    const double norm = std::sqrt(kernels::squared_norm(column));
    const double factor = norm > kDependent * before ? 1 / norm : 0;
    // In doubles, for 1 / norm of subnormal columns is none of a float's.
    for (float& value : column) value = static_cast<float>(factor * static_cast<double>(value));
  }
}

}  // namespace

template <class Value>
std::span<Value> LowRank::Tensor::row(std::span<Value> vector, size_t i) const {
  const size_t begin = i * columns;
  return vector.subspan(first + begin, std::min(columns, size - begin));
}

LowRank::LowRank(const Layout& layout, size_t n, size_t rank) {
  if (n == 0) return;
  if (values_of(layout) != n) {
    const auto side = static_cast<size_t>(std::ceil(std::sqrt(static_cast<double>(n))));
    add({.first = 0, .size = n, .rows = (n + side - 1) / side, .columns = side}, rank);
    return;
  }
  size_t first = 0;
  for (const TensorSpec& tensor : layout) {
    const size_t size = tensor.values();
    if (size == 0) continue;
    const size_t rows = tensor.shape.empty() ? 1 : tensor.shape[0];
    add({.first = first, .size = size, .rows = rows, .columns = size / rows}, rank);
    first += size;
  }
}

void LowRank::add(Tensor tensor, size_t rank) {
  KITH_ASSERT(rank <= limits::kRank);
  rank = std::min({rank, tensor.rows, tensor.columns});
  if (rank * (tensor.rows + tensor.columns) < tensor.size) {
    tensor.rank = rank;
    p_values_ += rank * tensor.rows;
    q_values_ += rank * tensor.columns;
    row_values_ = std::max(row_values_, tensor.columns);
  } else {
    plain_values_ += tensor.size;
  }
  tensors_.push_back(tensor);
}

void LowRank::draw_missing(std::span<float> q, Rng& rng) const {
  KITH_ASSERT(q.size() == q_values_);
  for (const Tensor& tensor : tensors_) {
    for (size_t k = 0; k < tensor.rank; ++k) {
      const std::span<float> column = take(q, tensor.columns);
      if (kernels::squared_norm(column) == 0) rng.fill_normal(column);
    }
  }
}

void LowRank::project(std::span<const float> x, std::span<const float> q,
                      std::span<float> p) const {
  KITH_ASSERT(q.size() == q_values_ && p.size() == p_values_);
  for (const Tensor& tensor : tensors_) {
    if (tensor.rank == 0) continue;
    const std::span<const float> columns = take(q, tensor.rank * tensor.columns);
    const std::span<float> out = take(p, tensor.rank * tensor.rows);
    std::array<double, limits::kRank> factors;
    for (size_t k = 0; k < tensor.rank; ++k) {
      const double norm =
          std::sqrt(kernels::squared_norm(columns.subspan(k * tensor.columns, tensor.columns)));
      factors[k] = norm > 0 ? 1 / norm : 0;
    }
    // A row at a time, which stays in the cache for all columns.
    for (size_t i = 0; i < tensor.rows; ++i) {
      const std::span<const float> row = tensor.row(x, i);
      for (size_t k = 0; k < tensor.rank; ++k) {
        const std::span<const float> column = columns.subspan(k * tensor.columns, row.size());
        out[k * tensor.rows + i] = static_cast<float>(factors[k] * kernels::dot(row, column));
      }
    }
  }
}

void LowRank::orthonormalise(std::span<float> p) const {
  KITH_ASSERT(p.size() == p_values_);
  for (const Tensor& tensor : tensors_) {
    orthonormalise_columns(take(p, tensor.rank * tensor.rows), tensor.rows);
  }
}

void LowRank::project_transposed(std::span<const float> x, std::span<const float> p,
                                 std::span<float> q) const {
  KITH_ASSERT(q.size() == q_values_ && p.size() == p_values_);
  std::ranges::fill(q, 0.0f);
  for (const Tensor& tensor : tensors_) {
    if (tensor.rank == 0) continue;
    const std::span<const float> columns = take(p, tensor.rank * tensor.rows);
    const std::span<float> out = take(q, tensor.rank * tensor.columns);
    for (size_t i = 0; i < tensor.rows; ++i) {
      const std::span<const float> row = tensor.row(x, i);
      for (size_t k = 0; k < tensor.rank; ++k) {
        kernels::axpy(columns[k * tensor.rows + i], row,
                      out.subspan(k * tensor.columns, row.size()));
      }
    }
  }
}

void LowRank::take_plain(std::span<const float> x, std::span<float> plain) const {
  KITH_ASSERT(plain.size() == plain_values_);
  for (const Tensor& tensor : tensors_) {
    if (tensor.rank > 0) continue;
    std::ranges::copy(x.subspan(tensor.first, tensor.size), take(plain, tensor.size).begin());
  }
}

void LowRank::clear_plain(std::span<float> y) const {
  for (const Tensor& tensor : tensors_) {
    if (tensor.rank == 0) std::ranges::fill(y.subspan(tensor.first, tensor.size), 0.0f);
  }
}

// A row at a time, which stays in the cache: it is summed up first, and then added.
void LowRank::add_product(std::span<const float> p, std::span<const float> q, float scale,
                          std::span<float> y, std::span<float> row) const {
  KITH_ASSERT(q.size() == q_values_ && p.size() == p_values_ && row.size() == row_values_);
  for (const Tensor& tensor : tensors_) {
    if (tensor.rank == 0) continue;
    const std::span<const float> left = take(p, tensor.rank * tensor.rows);
    const std::span<const float> right = take(q, tensor.rank * tensor.columns);
    for (size_t i = 0; i < tensor.rows; ++i) {
      const std::span<float> to = tensor.row(y, i);
      const std::span<float> sum = row.first(to.size());
      kernels::scale(left[i], right.first(to.size()), sum);
      for (size_t k = 1; k < tensor.rank; ++k) {
        kernels::axpy(left[k * tensor.rows + i], right.subspan(k * tensor.columns, to.size()), sum);
      }
      kernels::axpy(scale, sum, to);
    }
  }
}

void LowRank::add_plain(std::span<const std::byte> plain, float scale, std::span<float> y) const {
  KITH_ASSERT(plain.size() == plain_values_ * sizeof(float));
  for (const Tensor& tensor : tensors_) {
    if (tensor.rank > 0) continue;
    kernels::axpy_bytes(scale, take(plain, tensor.size * sizeof(float)),
                        y.subspan(tensor.first, tensor.size));
  }
}

}  // namespace kith
