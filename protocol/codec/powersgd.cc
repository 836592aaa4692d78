// Every matrix of the model as a product of two thin ones (PowerSGD: Vogels, Karimireddy, Jaggi
// 2019), by one step of power iteration that goes on where the last message of the stream ended:
//
//   P = orth(M Q)    Q+ = M^T P    decoded: P Q+^T = P P^T M
// M is n x m (first dimension x the others), P n x r with orthonormal columns, Q+ m x r. A stream
// whose M stays the same converges to the best approximation of rank r. Vectors (tensors of one
// dimension) travel as they are. Where no layout is known, or for a vector of another length (a
// part of a model), the values are one matrix of about as many rows as columns, the last row filled
// up with zeros.
//
// Here each node codes its own matrix, on any graph; PowerSGD as published averages P and Q of all
// nodes over two exchanges.
//
// Wire, little-endian: u32 number of values; for every matrix r' n floats of P, column by column,
// and r' m of Q+, with r' = min(r, n, m); for every other tensor its floats. In the order of the
// layout.
//
// Biased: ||C(x) - x||^2 = sum ||M||^2 - ||P^T M||^2 <= ||x||^2; use it with error feedback.
//
// Cost: 2 r' products of a row with a vector for each row to encode, r' to decode; a row stays in
// the first cache. No block but the wire's and one of Q's size.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <vector>

#include "protocol/codec.h"
#include "protocol/kernels.h"
#include "topology/assert.h"

namespace kith {

namespace {

constexpr size_t kLargestRank = 1024;
constexpr size_t kHeaderBytes = sizeof(uint32_t);

// A tensor as a matrix of row-major rows; its last row may be short. rank 0: not coded.
struct Matrix {
  size_t first = 0;  // index of its first value
  size_t values = 0;
  size_t columns = 0;
  size_t rank = 0;

  size_t rows() const { return (values + columns - 1) / columns; }
  size_t floats() const { return rank == 0 ? values : rank * (rows() + columns); }
  size_t row_values(size_t row) const { return std::min(columns, values - row * columns); }
};

class Shape {
 public:
  Shape(const Layout& layout, size_t rank) {
    for (const TensorSpec& tensor : layout) {
      const size_t rows = tensor.shape.empty() ? 1 : tensor.shape[0];
      add(tensor.values(), rows == 0 ? 0 : tensor.values() / rows,
          tensor.shape.size() < 2 ? 0 : rank);
    }
  }
  Shape(size_t values, size_t rank) {
    add(values, static_cast<size_t>(std::ceil(std::sqrt(static_cast<double>(values)))), rank);
  }

  std::span<const Matrix> matrices() const { return matrices_; }
  size_t values() const { return values_; }
  size_t floats() const { return floats_; }
  size_t columns() const { return columns_; }  // of Q, of all matrices together

 private:
  void add(size_t values, size_t columns, size_t rank) {
    if (values == 0) return;
    Matrix matrix{values_, values, columns, 0};
    matrix.rank = std::min({rank, matrix.rows(), columns});
    values_ += values;
    floats_ += matrix.floats();
    columns_ += matrix.rank * columns;
    matrices_.push_back(matrix);
  }

  std::vector<Matrix> matrices_;
  size_t values_ = 0;
  size_t floats_ = 0;
  size_t columns_ = 0;
};

// Columns of equal length, one after the other.
class Columns {
 public:
  Columns(float* data, size_t length) : data_(data), length_(length) {}
  std::span<float> operator[](size_t k) const { return {data_ + k * length_, length_}; }
  float* end(size_t rank) const { return data_ + rank * length_; }

 private:
  float* data_;
  size_t length_;
};

// To length 1, or to 0 where nothing of weight is left of what had `before`.
void normalise(std::span<float> column, double before) {
  constexpr double kRounding = 1e-6;
  const double norm = std::sqrt(kernels::squared_norm(column));
  if (!(norm > kRounding * before) || norm == 0) {
    std::ranges::fill(column, 0.0f);
    return;
  }
  // In steps, so that no factor leaves the range of floats.
  int exponent;
  const double fraction = std::frexp(norm, &exponent);
  kernels::scale(static_cast<float>(std::ldexp(1.0, -exponent / 2)), column, column);
  kernels::scale(static_cast<float>(std::ldexp(1.0, exponent / 2 - exponent)), column, column);
  kernels::scale(static_cast<float>(1 / fraction), column, column);
}

// Gram-Schmidt, each column twice, which is enough (Giraud, Langou, Rozloznik 2005). What depends
// on the columns before it becomes zero.
void orthonormalise(Columns columns, size_t rank) {
  for (size_t k = 0; k < rank; ++k) {
    const std::span<float> column = columns[k];
    double before = std::sqrt(kernels::squared_norm(column));
    for (int pass = 0; pass < 2; ++pass) {
      for (size_t j = 0; j < k; ++j) {
        kernels::axpy(-static_cast<float>(kernels::dot(columns[j], column)), columns[j], column);
      }
      normalise(column, before);
      before = 1;
    }
  }
}

// One matrix of x: P and Q+ from Q, whose columns may be zero.
class Iteration {
 public:
  Iteration(const Matrix& matrix, std::span<const float> x)
      : matrix_(matrix), x_(x.subspan(matrix.first, matrix.values)) {}

  // False where a sum of values that floats hold is beyond them.
  bool left(Columns q, Columns p) const {
    for (size_t i = 0; i < matrix_.rows(); ++i) {
      const std::span<const float> row = this->row(i);
      for (size_t k = 0; k < matrix_.rank; ++k) {
        p[k][i] = static_cast<float>(kernels::dot(row, q[k].first(row.size())));
      }
    }
    const bool finite = kernels::all_finite({p[0].data(), p.end(matrix_.rank)});
    orthonormalise(p, matrix_.rank);
    return finite;
  }

  void right(Columns p, Columns q) const {
    for (size_t k = 0; k < matrix_.rank; ++k) std::ranges::fill(q[k], 0.0f);
    for (size_t i = 0; i < matrix_.rows(); ++i) {
      const std::span<const float> row = this->row(i);
      for (size_t k = 0; k < matrix_.rank; ++k) {
        kernels::axpy(p[k][i], row, q[k].first(row.size()));
      }
    }
  }

 private:
  std::span<const float> row(size_t i) const {
    return x_.subspan(i * matrix_.columns, matrix_.row_values(i));
  }

  const Matrix& matrix_;
  std::span<const float> x_;
};

class PowerSgd final : public Codec {
 public:
  PowerSgd(size_t rank, const Layout& layout) : rank_(rank), shape_(layout, rank) {}

  Status encode(const SharedBuffer& x, Rng& rng, Pool& pool, SharedBuffer& wire) const override {
    return encode_after({}, x, rng, pool, wire);
  }

  bool warm_starts() const override { return true; }

  Status encode_after(std::span<const std::byte> previous, const SharedBuffer& x, Rng& rng,
                      Pool& pool, SharedBuffer& wire) const override {
    wire.reset();
    const std::span<const float> values = x.floats();
    if (!kernels::all_finite(values)) return Reason::kNotFinite;
    const Shape shape = shape_of(values.size());
    Buffer start = pool.acquire_floats(shape.columns());
    search_from(shape, previous, rng, start.floats());
    Buffer out = pool.acquire(kHeaderBytes + shape.floats() * sizeof(float));
    const auto count = static_cast<uint32_t>(values.size());
    std::memcpy(out.data(), &count, sizeof count);
    const std::span<float> body = out.floats().subspan(1);
    float* q = start.floats().data();
    float* to = body.data();
    for (const Matrix& matrix : shape.matrices()) {
      if (matrix.rank == 0) {
        std::ranges::copy(values.subspan(matrix.first, matrix.values), to);
      } else {
        const Columns p(to, matrix.rows());
        const Iteration iteration(matrix, values);
        if (!iteration.left(Columns(q, matrix.columns), p)) return Reason::kNotFinite;
        iteration.right(p, Columns(p.end(matrix.rank), matrix.columns));
      }
      q += matrix.rank * matrix.columns;
      to += matrix.floats();
    }
    if (!kernels::all_finite(body)) return Reason::kNotFinite;
    wire = std::move(out).freeze();
    return {};
  }

  Status decode_add(std::span<const std::byte> wire, float scale,
                    std::span<float> y) const override {
    const Shape shape = shape_of(y.size());
    if (const Status status = check(wire, shape); !status.ok()) return status;
    wire = wire.subspan(kHeaderBytes);
    for (const Matrix& matrix : shape.matrices()) {
      const auto coded = wire.first(matrix.floats() * sizeof(float));
      wire = wire.subspan(coded.size());
      const std::span<float> to = y.subspan(matrix.first, matrix.values);
      if (matrix.rank == 0) {
        kernels::axpy_bytes(scale, coded, to);
      } else {
        add_product(matrix, coded, scale, to);
      }
    }
    return {};
  }

  Status check(std::span<const std::byte> wire, size_t count) const override {
    return check(wire, shape_of(count));
  }

  std::string describe() const override { return "powersgd:" + std::to_string(rank_); }

 private:
  Shape shape_of(size_t values) const {
    return values == shape_.values() ? shape_ : Shape(values, rank_);
  }

  static Status check(std::span<const std::byte> wire, const Shape& shape) {
    const size_t bytes = kHeaderBytes + shape.floats() * sizeof(float);
    if (wire.size() < bytes) return Reason::kTruncated;
    if (wire.size() > bytes) return Reason::kOversized;
    uint32_t count;
    std::memcpy(&count, wire.data(), sizeof count);
    if (count != shape.values()) return Reason::kMalformed;
    return kernels::all_finite_bytes(wire.subspan(kHeaderBytes)) ? Status() : Reason::kNotFinite;
  }

  // The Q of every matrix: that of the stream's last message, its columns of length 1; random where
  // there is none, or where a column is zero and would stay so.
  static void search_from(const Shape& shape, std::span<const std::byte> previous, Rng& rng,
                          std::span<float> q) {
    const bool known = previous.size() > 0 && check(previous, shape).ok();
    if (known) previous = previous.subspan(kHeaderBytes);
    for (const Matrix& matrix : shape.matrices()) {
      const size_t before = matrix.rank * matrix.rows() * sizeof(float);
      for (size_t k = 0; k < matrix.rank; ++k) {
        const std::span<float> column = q.first(matrix.columns);
        q = q.subspan(matrix.columns);
        if (known) {
          std::memcpy(column.data(), previous.data() + before + k * column.size_bytes(),
                      column.size_bytes());
          normalise(column, 0);
        }
        if (known && kernels::squared_norm(column) > 0) continue;
        rng.fill_normal(column);
        normalise(column, 0);
      }
      if (known) previous = previous.subspan(matrix.floats() * sizeof(float));
    }
  }

  static float float_at(std::span<const std::byte> bytes, size_t index) {
    float value;
    std::memcpy(&value, bytes.data() + index * sizeof value, sizeof value);
    return value;
  }

  // Row by row, so that a row of y is touched once.
  static void add_product(const Matrix& matrix, std::span<const std::byte> coded, float scale,
                          std::span<float> y) {
    const size_t rows = matrix.rows();
    const auto right = coded.subspan(matrix.rank * rows * sizeof(float));
    for (size_t i = 0; i < rows; ++i) {
      const std::span<float> row = y.subspan(i * matrix.columns, matrix.row_values(i));
      for (size_t k = 0; k < matrix.rank; ++k) {
        const auto column = right.subspan(k * matrix.columns * sizeof(float), row.size_bytes());
        kernels::axpy_bytes(scale * float_at(coded, k * rows + i), column, row);
      }
    }
  }

  size_t rank_;
  Shape shape_;  // of whole vectors
};

std::unique_ptr<Codec> make_powersgd(const std::string& argument, const Layout& layout) {
  size_t rank = 0;
  const char* const end = argument.data() + argument.size();
  const auto [stop, error] = std::from_chars(argument.data(), end, rank);
  if (error != std::errc() || stop != end || rank < 1 || rank > kLargestRank) {
    throw OperatorError("codec \"powersgd:" + argument + "\": wants a rank in 1.." +
                        std::to_string(kLargestRank) + ", as in \"powersgd:2\"");
  }
  return std::make_unique<PowerSgd>(rank, layout);
}

}  // namespace

extern const CodecInfo powersgd_codec;
const CodecInfo powersgd_codec = {
    .name = "powersgd",
    .argument = "rank in 1..1024",
    .help = "every matrix as a product of two thin ones; biased, wants error feedback",
    .example = "powersgd:2",
    .shaped = make_powersgd,
};

}  // namespace kith
