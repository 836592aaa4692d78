// Matrix products of one thread, row-major, C overwritten: the three that a dense layer needs.
//
// Batches are small (tens of rows) and weights are used as they are stored: there is no packing, so
// skinny products run near the peak of one core. The instruction set is chosen at run time. Each
// entry of C is a fixed sequence of operations for its shape and instruction set, so the bits do
// not depend on the thread or on what ran before; they may differ between instruction sets (fused
// multiply-add where the processor has it).
#pragma once

#include <cstddef>

namespace kith {

struct MatrixView {
  const float* data;
  size_t stride;  // floats from row to row
};

// C (m x n) = A (m x k) B^T, B is n x k.  Forward: Z = H W^T.
void gemm_nt(size_t m, size_t n, size_t k, MatrixView a, MatrixView b, float* c, size_t stride);

// C (m x n) = A^T B, A is k x m and B is k x n.  Weight gradient: dW = dZ^T H.
void gemm_tn(size_t m, size_t n, size_t k, MatrixView a, MatrixView b, float* c, size_t stride);

// C (m x n) = A (m x k) B, B is k x n.  Input gradient: dH = dZ W.
void gemm_nn(size_t m, size_t n, size_t k, MatrixView a, MatrixView b, float* c, size_t stride);

// Y (m x n) = X - rate A^T B, rows of X and Y without gaps; Y may be X.  A plain SGD step of a
// layer while its gradient is in registers: the bits of gemm_tn and a subtraction after it.
void gemm_tn_step(size_t m, size_t n, size_t k, MatrixView a, MatrixView b, float rate,
                  const float* x, float* y);

}  // namespace kith
