#include "daemon/learn/gemm.h"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/vector_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "daemon/learn/gemm.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include "daemon/learn/vector.inc"

HWY_BEFORE_NAMESPACE();
namespace kith::HWY_NAMESPACE {

// A tile of the result stays in registers: 32 of them with AVX-512 and on arm64, 16 before.
constexpr bool kManyRegisters = HWY_TARGET <= HWY_AVX3 || HWY_TARGET == HWY_NEON;
constexpr size_t kDotRows = kManyRegisters ? 4 : 3;
constexpr size_t kDotColumns = 4;
constexpr size_t kOuterRows = kManyRegisters ? 5 : 4;
constexpr size_t kOuterVectors = kManyRegisters ? 5 : 3;
// Floats of k at a time: the rows of one tile of A and of B then fill the L1 cache, no more.
constexpr size_t kDotBlock = 1024;
// Rows of B at a time: each may lie on a page of its own, and the first level of the TLB holds 64.
constexpr size_t kOuterBlock = 128;

// Where part `i` begins of `total` cut into `parts` as equal as can be.
HWY_INLINE size_t part_begin(size_t total, size_t parts, size_t i) { return i * total / parts; }

// --- A B^T: the rows of both run along k, so a tile is a set of dot products. ---

struct DotTile {
  const float* a;
  size_t a_stride;
  const float* b;
  size_t b_stride;
  size_t k;
  float* c;
  size_t c_stride;
  bool add;  // to what C holds of the blocks before
};

// The sums of four vectors: a transpose within blocks of 128 bits, then across them.
#if HWY_TARGET == HWY_SCALAR
HWY_INLINE void four_sums(V a, V b, V c, V d, float* sums) {
  sums[0] = hn::GetLane(a);
  sums[1] = hn::GetLane(b);
  sums[2] = hn::GetLane(c);
  sums[3] = hn::GetLane(d);
}
#else
template <class Tag>
HWY_INLINE void store_block_sum(Tag tag, hn::Vec<Tag> blocks, float* sums) {
  if constexpr (hn::MaxLanes(tag) == 4) {
    hn::StoreU(blocks, tag, sums);
  } else {
    const hn::Half<Tag> half;
    store_block_sum(half, hn::Add(hn::LowerHalf(half, blocks), hn::UpperHalf(half, blocks)), sums);
  }
}

HWY_INLINE void four_sums(V a, V b, V c, V d, float* sums) {
  const hn::Repartition<uint64_t, D> pairs;
  const V ab = hn::Add(hn::InterleaveLower(kTag, a, b), hn::InterleaveUpper(kTag, a, b));
  const V cd = hn::Add(hn::InterleaveLower(kTag, c, d), hn::InterleaveUpper(kTag, c, d));
  const auto ab2 = hn::BitCast(pairs, ab);
  const auto cd2 = hn::BitCast(pairs, cd);
  store_block_sum(kTag,
                  hn::Add(hn::BitCast(kTag, hn::InterleaveLower(pairs, ab2, cd2)),
                          hn::BitCast(kTag, hn::InterleaveUpper(pairs, ab2, cd2))),
                  sums);
}
#endif

template <size_t kRows, size_t kColumns>
void dot_tile(const DotTile& t) {
  V sums[kRows][4];
  for (size_t i = 0; i < kRows; ++i) {
    for (size_t j = 0; j < 4; ++j) sums[i][j] = hn::Zero(kTag);
  }
  size_t p = 0;
  for (; p + kLanes <= t.k; p += kLanes) {
    V a[kRows];
    for (size_t i = 0; i < kRows; ++i) a[i] = hn::LoadU(kTag, t.a + i * t.a_stride + p);
    for (size_t j = 0; j < kColumns; ++j) {
      const V b = hn::LoadU(kTag, t.b + j * t.b_stride + p);
      for (size_t i = 0; i < kRows; ++i) sums[i][j] = hn::MulAdd(a[i], b, sums[i][j]);
    }
  }
  if (p < t.k) {
    const size_t rest = t.k - p;
    V a[kRows];
    for (size_t i = 0; i < kRows; ++i) a[i] = load_first(t.a + i * t.a_stride + p, rest);
    for (size_t j = 0; j < kColumns; ++j) {
      const V b = load_first(t.b + j * t.b_stride + p, rest);
      for (size_t i = 0; i < kRows; ++i) sums[i][j] = hn::MulAdd(a[i], b, sums[i][j]);
    }
  }
  for (size_t i = 0; i < kRows; ++i) {
    alignas(16) float row[4];
    four_sums(sums[i][0], sums[i][1], sums[i][2], sums[i][3], row);
    float* c = t.c + i * t.c_stride;
    for (size_t j = 0; j < kColumns; ++j) c[j] = t.add ? c[j] + row[j] : row[j];
  }
}

using DotFunction = void (*)(const DotTile&);

template <size_t... kTiles>
constexpr auto dot_table(std::index_sequence<kTiles...>) {
  return std::array<DotFunction, sizeof...(kTiles)>{
      &dot_tile<kTiles / kDotColumns + 1, kTiles % kDotColumns + 1>...};
}

void GemmNt(size_t m, size_t n, size_t k, MatrixView a, MatrixView b, float* c, size_t stride) {
  static constexpr auto kTable = dot_table(std::make_index_sequence<kDotRows * kDotColumns>());
  const size_t row_parts = hwy::DivCeil(m, kDotRows);
  for (size_t p = 0; p < k; p += kDotBlock) {
    for (size_t j = 0; j < n; j += kDotColumns) {
      const size_t columns = std::min(kDotColumns, n - j);
      for (size_t part = 0; part < row_parts; ++part) {
        const size_t i = part_begin(m, row_parts, part);
        const size_t rows = part_begin(m, row_parts, part + 1) - i;
        kTable[(rows - 1) * kDotColumns + columns - 1](
            {a.data + i * a.stride + p, a.stride, b.data + j * b.stride + p, b.stride,
             std::min(kDotBlock, k - p), c + i * stride + j, stride, p > 0});
      }
    }
  }
}

// --- A^T B and A B: rows of B and C run along n, entries of A are broadcast. ---

struct OuterTile {
  const float* a;
  size_t a_row;  // floats between entries of A of neighbouring rows of C
  size_t a_k;    // floats between entries of A of neighbouring k
  const float* b;
  size_t b_stride;
  size_t k;
  float* c;
  size_t c_stride;
  size_t last;     // lanes in use of the last vector
  bool add;        // to what C holds of the blocks before
  const float* x;  // C's place in X when C = x - rate * product; else null
  float rate;
};

template <size_t kRows, size_t kVectors, bool kWhole>
HWY_INLINE void outer_tile(const OuterTile& t) {
  V sums[kRows][kVectors];
  const auto load = [&](const float* row, size_t v) HWY_ATTR {
    const float* from = row + v * kLanes;
    return kWhole || v + 1 < kVectors ? hn::LoadU(kTag, from) : load_first(from, t.last);
  };
  for (size_t i = 0; i < kRows; ++i) {
    for (size_t v = 0; v < kVectors; ++v) {
      // C may be far away: its lines come while the tile is computed.
      if (kLanes >= 8) __builtin_prefetch(t.c + i * t.c_stride + v * kLanes, 1);
      sums[i][v] = t.add ? load(t.c + i * t.c_stride, v) : hn::Zero(kTag);
    }
  }
  const float* a = t.a;
  const float* b = t.b;
  for (size_t p = 0; p < t.k; ++p, a += t.a_k, b += t.b_stride) {
    V row[kVectors];
    for (size_t v = 0; v < kVectors; ++v) row[v] = load(b, v);
    for (size_t i = 0; i < kRows; ++i) {
      const V entry = hn::Set(kTag, a[i * t.a_row]);
      for (size_t v = 0; v < kVectors; ++v) sums[i][v] = hn::MulAdd(entry, row[v], sums[i][v]);
    }
  }
  if (t.x != nullptr) {
    const V rate = hn::Set(kTag, t.rate);
    for (size_t i = 0; i < kRows; ++i) {
      for (size_t v = 0; v < kVectors; ++v) {
        // Rounded apart, as Optimizer::step does.
        sums[i][v] = hn::Sub(load(t.x + i * t.c_stride, v), hn::Mul(rate, sums[i][v]));
      }
    }
  }
  for (size_t i = 0; i < kRows; ++i) {
    float* c = t.c + i * t.c_stride;
    for (size_t v = 0; v < kVectors; ++v) {
      if (kWhole || v + 1 < kVectors) {
        hn::StoreU(sums[i][v], kTag, c + v * kLanes);
      } else {
        store_first(sums[i][v], c + v * kLanes, t.last);
      }
    }
  }
}

template <size_t kRows, size_t kVectors>
void outer_tile_any(const OuterTile& t) {
  if (t.last == kLanes) {
    outer_tile<kRows, kVectors, true>(t);
  } else {
    outer_tile<kRows, kVectors, false>(t);
  }
}

using OuterFunction = void (*)(const OuterTile&);

template <size_t... kTiles>
constexpr auto outer_table(std::index_sequence<kTiles...>) {
  return std::array<OuterFunction, sizeof...(kTiles)>{
      &outer_tile_any<kTiles / kOuterVectors + 1, kTiles % kOuterVectors + 1>...};
}

struct OuterShape {
  size_t m, n, k, a_row, a_k;
  size_t block;              // rows of B at a time
  const float* x = nullptr;  // see OuterTile; then `block` is k
  float rate = 0;
};

// Tiles along the rows of C, so that it is written in order: C is what does not fit the cache.
void GemmOuter(const OuterShape& s, const float* a, MatrixView b, float* c, size_t stride) {
  static constexpr auto kTable =
      outer_table(std::make_index_sequence<kOuterRows * kOuterVectors>());
  const size_t vectors = hwy::DivCeil(s.n, kLanes);
  const size_t column_parts = hwy::DivCeil(vectors, kOuterVectors);
  const size_t row_parts = hwy::DivCeil(s.m, kOuterRows);
  for (size_t p = 0; p < s.k; p += s.block) {
    const size_t k = std::min(s.block, s.k - p);
    for (size_t row_part = 0; row_part < row_parts; ++row_part) {
      const size_t i = part_begin(s.m, row_parts, row_part);
      const size_t rows = part_begin(s.m, row_parts, row_part + 1) - i;
      for (size_t part = 0; part < column_parts; ++part) {
        const size_t begin = part_begin(vectors, column_parts, part);
        const size_t end = part_begin(vectors, column_parts, part + 1);
        const size_t j = begin * kLanes;
        const float* x = s.x == nullptr ? nullptr : s.x + i * stride + j;
        kTable[(rows - 1) * kOuterVectors + end - begin - 1](
            {a + i * s.a_row + p * s.a_k, s.a_row, s.a_k, b.data + p * b.stride + j, b.stride, k,
             c + i * stride + j, stride, std::min(kLanes, s.n - (end - 1) * kLanes), p > 0, x,
             s.rate});
      }
    }
  }
}

void GemmTn(size_t m, size_t n, size_t k, MatrixView a, MatrixView b, float* c, size_t stride) {
  GemmOuter({m, n, k, 1, a.stride, kOuterBlock}, a.data, b, c, stride);
}

void GemmNn(size_t m, size_t n, size_t k, MatrixView a, MatrixView b, float* c, size_t stride) {
  GemmOuter({m, n, k, a.stride, 1, kOuterBlock}, a.data, b, c, stride);
}

// In one block: between blocks Y would have to hold partial sums, and it may be X.
void GemmTnStep(size_t m, size_t n, size_t k, MatrixView a, MatrixView b, float rate,
                const float* x, float* y) {
  GemmOuter({m, n, k, 1, a.stride, k, x, rate}, a.data, b, y, n);
}

}  // namespace kith::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith {

HWY_EXPORT(GemmNt);
HWY_EXPORT(GemmTn);
HWY_EXPORT(GemmNn);
HWY_EXPORT(GemmTnStep);

void gemm_nt(size_t m, size_t n, size_t k, MatrixView a, MatrixView b, float* c, size_t stride) {
  HWY_DYNAMIC_DISPATCH(GemmNt)(m, n, k, a, b, c, stride);
}

void gemm_tn(size_t m, size_t n, size_t k, MatrixView a, MatrixView b, float* c, size_t stride) {
  HWY_DYNAMIC_DISPATCH(GemmTn)(m, n, k, a, b, c, stride);
}

void gemm_nn(size_t m, size_t n, size_t k, MatrixView a, MatrixView b, float* c, size_t stride) {
  HWY_DYNAMIC_DISPATCH(GemmNn)(m, n, k, a, b, c, stride);
}

void gemm_tn_step(size_t m, size_t n, size_t k, MatrixView a, MatrixView b, float rate,
                  const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(GemmTnStep)(m, n, k, a, b, rate, x, y);
}

}  // namespace kith
#endif  // HWY_ONCE
