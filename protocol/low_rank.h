// Low-rank factors of the tensors in a flat vector, M ~ P Q^T: what the codec "powersgd" and the
// algorithm "powersgd" share (Vogels, Karimireddy, Jaggi 2019, algorithm 1).
//
//   P = orth(M Q_before)    Q = M^T P
//
// which is one step of a power iteration: with Q_before of the step before, P Q^T = P P^T M tends
// to the best approximation of rank r of a matrix that stays the same.
//
// A tensor of two or more dimensions is the matrix (first dimension) x (all others); r is
// min(rank, rows, columns). Where the factors would have no fewer values than the tensor, as always
// with one dimension, it has none and is called plain.
//
// All P stand in one vector, all Q in a second, all plain tensors in a third, in the order of the
// layout; of one matrix column after column. Sums are of doubles in the fixed lanes of kernels.h,
// or run over the rows in order, so that every instruction set gives the same bits.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "protocol/layout.h"
#include "topology/rng.h"

namespace kith {

class LowRank {
 public:
  // Without a layout (it is empty, or has another number of values than n, as where an algorithm
  // cuts vectors into fragments) the n values are one matrix, as square as can be, filled up with
  // zeros.
  LowRank(const Layout& layout, size_t n, size_t rank);

  size_t p_values() const { return p_values_; }
  size_t q_values() const { return q_values_; }
  size_t plain_values() const { return plain_values_; }

  // Draws the columns that are zero, for nothing would ever come of them: all at the start, and
  // those of a matrix that had a lower rank.
  void draw_missing(std::span<float> q, Rng& rng) const;

  // P = M Q, the columns of Q taken with length 1, so that P has the size of M. 4 r flops a value.
  void project(std::span<const float> x, std::span<const float> q, std::span<float> p) const;

  // Gram-Schmidt, twice for each column ("twice is enough": Giraud, Langou, Rozloznik 2005). What
  // depends on the columns before it, to the precision of floats, becomes zero.
  void orthonormalise(std::span<float> p) const;

  // Q = M^T P.
  void project_transposed(std::span<const float> x, std::span<const float> p,
                          std::span<float> q) const;

  // Gathers what has no factors.
  void take_plain(std::span<const float> x, std::span<float> plain) const;

  // Sets to 0 what has no factors.
  void clear_plain(std::span<float> y) const;

  // y += scale * (P Q^T, or the tensor itself). `row` is scratch of row_values() floats.
  void add_product(std::span<const float> p, std::span<const float> q, float scale,
                   std::span<float> y, std::span<float> row) const;
  size_t row_values() const { return row_values_; }
  void add_plain(std::span<const std::byte> plain, float scale, std::span<float> y) const;

 private:
  struct Tensor {
    size_t first = 0;  // in the vector
    size_t size = 0;
    size_t rows = 0;
    size_t columns = 0;  // the last row may be shorter
    size_t rank = 0;     // 0 = plain

    template <class Value>
    std::span<Value> row(std::span<Value> vector, size_t i) const;
  };

  void add(Tensor tensor, size_t rank);

  std::vector<Tensor> tensors_;
  size_t p_values_ = 0;
  size_t q_values_ = 0;
  size_t plain_values_ = 0;
  size_t row_values_ = 0;
};

}  // namespace kith
