#include "protocol/kernels.h"

#include <bit>
#include <cstring>
#include <utility>

#include "protocol/vector_targets.h"
#include "topology/assert.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "protocol/kernels.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace kith::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using BitsTag = hn::RebindToUnsigned<FloatTag>;
constexpr FloatTag kFloats;
constexpr BitsTag kBits;
constexpr size_t kWidth = hn::MaxLanes(kFloats);

HWY_INLINE float load_float(const std::byte* from) {
  float value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// Floats of any alignment: loaded as bytes, so that no misaligned float* is ever formed.
HWY_INLINE hn::Vec<FloatTag> load_floats(const std::byte* from) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(kFloats, load_float(from));
#else
  const hn::Repartition<uint8_t, FloatTag> bytes;
  return hn::BitCast(kFloats, hn::LoadU(bytes, reinterpret_cast<const uint8_t*>(from)));
#endif
}

void axpy(float a, const float* x, float* y, size_t n) {
  const auto va = hn::Set(kFloats, a);
  size_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    const auto product = hn::Mul(va, hn::LoadU(kFloats, x + i));
    hn::StoreU(hn::Add(product, hn::LoadU(kFloats, y + i)), kFloats, y + i);
  }
  for (; i < n; ++i) y[i] = a * x[i] + y[i];
}

void axpy_bytes(float a, const std::byte* x, float* y, size_t n) {
  const auto va = hn::Set(kFloats, a);
  size_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    const auto product = hn::Mul(va, load_floats(x + i * sizeof(float)));
    hn::StoreU(hn::Add(product, hn::LoadU(kFloats, y + i)), kFloats, y + i);
  }
  for (; i < n; ++i) y[i] = a * load_float(x + i * sizeof(float)) + y[i];
}

// Several vectors in one pass: a processor reads ahead in each of them by itself but begins anew at
// every page of 4 KiB, and hides in one vector what it waits for in another.
void axpy_all(std::span<const Scaled> terms, float* y, size_t n) {
  constexpr size_t kTile = 4;
  constexpr size_t kVectorBytes = kWidth * sizeof(float);
  size_t i = 0;
  for (; i + kTile * kWidth <= n; i += kTile * kWidth) {
    hn::Vec<FloatTag> sums[kTile];
    for (size_t j = 0; j < kTile; ++j) sums[j] = hn::LoadU(kFloats, y + i + j * kWidth);
    for (const Scaled& term : terms) {
      const auto va = hn::Set(kFloats, term.scale);
      const std::byte* x = term.bytes.data() + i * sizeof(float);
      for (size_t j = 0; j < kTile; ++j) {
        sums[j] = hn::Add(hn::Mul(va, load_floats(x + j * kVectorBytes)), sums[j]);
      }
    }
    for (size_t j = 0; j < kTile; ++j) hn::StoreU(sums[j], kFloats, y + i + j * kWidth);
  }
  for (const Scaled& term : terms) {
    axpy_bytes(term.scale, term.bytes.data() + i * sizeof(float), y + i, n - i);
  }
}

void scale(float a, const float* x, float* y, size_t n) {
  const auto va = hn::Set(kFloats, a);
  size_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    hn::StoreU(hn::Mul(va, hn::LoadU(kFloats, x + i)), kFloats, y + i);
  }
  for (; i < n; ++i) y[i] = a * x[i];
}

void scale_add(float a, const float* x, float b, float* y, size_t n) {
  const auto va = hn::Set(kFloats, a);
  const auto vb = hn::Set(kFloats, b);
  size_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    const auto ax = hn::Mul(va, hn::LoadU(kFloats, x + i));
    const auto by = hn::Mul(vb, hn::LoadU(kFloats, y + i));
    hn::StoreU(hn::Add(ax, by), kFloats, y + i);
  }
  for (; i < n; ++i) y[i] = a * x[i] + b * y[i];
}

void add_scaled(const float* x, float a, const float* z, float* y, size_t n) {
  const auto va = hn::Set(kFloats, a);
  size_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    const auto az = hn::Mul(va, hn::LoadU(kFloats, z + i));
    hn::StoreU(hn::Add(hn::LoadU(kFloats, x + i), az), kFloats, y + i);
  }
  for (; i < n; ++i) y[i] = x[i] + a * z[i];
}

void subtract(const float* x, const float* z, float* y, size_t n) {
  size_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    hn::StoreU(hn::Sub(hn::LoadU(kFloats, x + i), hn::LoadU(kFloats, z + i)), kFloats, y + i);
  }
  for (; i < n; ++i) y[i] = x[i] - z[i];
}

// By a mask and not by Min and Max, which may both return the same one of two zeros.
void sort_two(float* low, float* high, size_t n) {
  size_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    const auto a = hn::LoadU(kFloats, low + i);
    const auto b = hn::LoadU(kFloats, high + i);
    const auto swap = hn::Lt(b, a);
    hn::StoreU(hn::IfThenElse(swap, b, a), kFloats, low + i);
    hn::StoreU(hn::IfThenElse(swap, a, b), kFloats, high + i);
  }
  for (; i < n; ++i) {
    if (high[i] < low[i]) std::swap(low[i], high[i]);
  }
}

void bytes_to_floats(const uint8_t* x, float a, float b, float* y, size_t n) {
  const hn::Rebind<uint8_t, FloatTag> narrow;
  const hn::RebindToSigned<FloatTag> integers;
  const auto va = hn::Set(kFloats, a);
  const auto vb = hn::Set(kFloats, b);
  size_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    const auto wide = hn::PromoteTo(integers, hn::LoadU(narrow, x + i));
    hn::StoreU(hn::Add(hn::Mul(va, hn::ConvertTo(kFloats, wide)), vb), kFloats, y + i);
  }
  for (; i < n; ++i) y[i] = a * static_cast<float>(x[i]) + b;
}

// Sums term(i) over 16 lanes of doubles: value i belongs to lane i % 16, each lane adds in order of
// i, and lanes l and l + 8, then + 4, + 2, + 1 are joined. No step depends on the vector width.
constexpr size_t kLanes = 16;
using DoubleTag = hn::CappedTag<double, 8>;
constexpr DoubleTag kDoubles;
constexpr size_t kDoubleWidth = hn::MaxLanes(kDoubles);
constexpr size_t kSums = kLanes / kDoubleWidth;
using HalfTag = hn::Rebind<float, DoubleTag>;

HWY_INLINE hn::Vec<DoubleTag> load_doubles(const float* from) {
  return hn::PromoteTo(kDoubles, hn::LoadU(HalfTag(), from));
}

template <class VectorTerm, class ScalarTerm>
HWY_INLINE double lane_sum(size_t n, VectorTerm vector_term, ScalarTerm scalar_term) {
  hn::Vec<DoubleTag> sums[kSums];
  for (size_t j = 0; j < kSums; ++j) sums[j] = hn::Zero(kDoubles);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t j = 0; j < kSums; ++j) {
      sums[j] = hn::Add(sums[j], vector_term(i + j * kDoubleWidth));
    }
  }
  HWY_ALIGN double lanes[kLanes];
  for (size_t j = 0; j < kSums; ++j) hn::Store(sums[j], kDoubles, lanes + j * kDoubleWidth);
  for (size_t lane = 0; i < n; ++i, ++lane) lanes[lane] += scalar_term(i);
  for (size_t half = kLanes / 2; half > 0; half /= 2) {
    for (size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

double sum(const float* x, size_t n) {
  return lane_sum(
      n, [x](size_t i) HWY_ATTR { return load_doubles(x + i); },
      [x](size_t i) { return static_cast<double>(x[i]); });
}

double squared_norm(const float* x, size_t n) {
  return lane_sum(
      n,
      [x](size_t i) HWY_ATTR {
        const auto v = load_doubles(x + i);
        return hn::Mul(v, v);
      },
      [x](size_t i) {
        const double v = x[i];
        return v * v;
      });
}

double dot(const float* x, const float* z, size_t n) {
  return lane_sum(
      n, [x, z](size_t i) HWY_ATTR { return hn::Mul(load_doubles(x + i), load_doubles(z + i)); },
      [x, z](size_t i) { return static_cast<double>(x[i]) * static_cast<double>(z[i]); });
}

double squared_distance(const float* x, const float* z, size_t n) {
  return lane_sum(
      n,
      [x, z](size_t i) HWY_ATTR {
        const auto v = hn::Sub(load_doubles(x + i), load_doubles(z + i));
        return hn::Mul(v, v);
      },
      [x, z](size_t i) {
        const double v = static_cast<double>(x[i]) - static_cast<double>(z[i]);
        return v * v;
      });
}

// NaN and infinity are the bit patterns with all exponent bits set. Looks up once per block, so
// that a vector without any is read at memory speed.
bool all_finite(const std::byte* x, size_t n) {
  constexpr uint32_t kExponent = 0x7f800000;
  constexpr size_t kBlock = 1024;
  const auto exponent = hn::Set(kBits, kExponent);
  size_t i = 0;
  while (i + kBlock <= n) {
    auto found = hn::Zero(kBits);
    for (const size_t end = i + kBlock; i < end; i += kWidth) {
      const auto bits = hn::And(hn::BitCast(kBits, load_floats(x + i * sizeof(float))), exponent);
      found = hn::Or(found, hn::VecFromMask(kBits, hn::Eq(bits, exponent)));
    }
    if (!hn::AllFalse(kBits, hn::Ne(found, hn::Zero(kBits)))) return false;
  }
  for (; i < n; ++i) {
    const auto bits = std::bit_cast<uint32_t>(load_float(x + i * sizeof(float)));
    if ((bits & kExponent) == kExponent) return false;
  }
  return true;
}

}  // namespace kith::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith::kernels {

static_assert(std::endian::native == std::endian::little, "wire floats are read as they stand");

HWY_EXPORT(axpy);
HWY_EXPORT(axpy_bytes);
HWY_EXPORT(axpy_all);
HWY_EXPORT(scale);
HWY_EXPORT(scale_add);
HWY_EXPORT(add_scaled);
HWY_EXPORT(subtract);
HWY_EXPORT(sort_two);
HWY_EXPORT(bytes_to_floats);
HWY_EXPORT(sum);
HWY_EXPORT(squared_norm);
HWY_EXPORT(dot);
HWY_EXPORT(squared_distance);
HWY_EXPORT(all_finite);

void axpy(float a, std::span<const float> x, std::span<float> y) {
  KITH_ASSERT(x.size() == y.size());
  HWY_DYNAMIC_DISPATCH(axpy)(a, x.data(), y.data(), y.size());
}

void axpy_bytes(float a, std::span<const std::byte> x, std::span<float> y) {
  KITH_ASSERT(x.size() == y.size_bytes());
  HWY_DYNAMIC_DISPATCH(axpy_bytes)(a, x.data(), y.data(), y.size());
}

void axpy_all(std::span<const Scaled> terms, std::span<float> y) {
  for (const Scaled& term : terms) KITH_ASSERT(term.bytes.size() == y.size_bytes());
  if (terms.size() == 1) return axpy_bytes(terms.front().scale, terms.front().bytes, y);
  HWY_DYNAMIC_DISPATCH(axpy_all)(terms, y.data(), y.size());
}

void scale(float a, std::span<const float> x, std::span<float> y) {
  KITH_ASSERT(x.size() == y.size());
  HWY_DYNAMIC_DISPATCH(scale)(a, x.data(), y.data(), y.size());
}

void scale_add(float a, std::span<const float> x, float b, std::span<float> y) {
  KITH_ASSERT(x.size() == y.size());
  HWY_DYNAMIC_DISPATCH(scale_add)(a, x.data(), b, y.data(), y.size());
}

void add_scaled(std::span<const float> x, float a, std::span<const float> z, std::span<float> y) {
  KITH_ASSERT(x.size() == y.size() && z.size() == y.size());
  HWY_DYNAMIC_DISPATCH(add_scaled)(x.data(), a, z.data(), y.data(), y.size());
}

void subtract(std::span<const float> x, std::span<const float> z, std::span<float> y) {
  KITH_ASSERT(x.size() == y.size() && z.size() == y.size());
  HWY_DYNAMIC_DISPATCH(subtract)(x.data(), z.data(), y.data(), y.size());
}

void sort_two(std::span<float> low, std::span<float> high) {
  KITH_ASSERT(low.size() == high.size());
  HWY_DYNAMIC_DISPATCH(sort_two)(low.data(), high.data(), low.size());
}

void bytes_to_floats(std::span<const uint8_t> x, float a, float b, std::span<float> y) {
  KITH_ASSERT(x.size() == y.size());
  HWY_DYNAMIC_DISPATCH(bytes_to_floats)(x.data(), a, b, y.data(), y.size());
}

double sum(std::span<const float> x) { return HWY_DYNAMIC_DISPATCH(sum)(x.data(), x.size()); }

double squared_norm(std::span<const float> x) {
  return HWY_DYNAMIC_DISPATCH(squared_norm)(x.data(), x.size());
}

double dot(std::span<const float> x, std::span<const float> z) {
  KITH_ASSERT(x.size() == z.size());
  return HWY_DYNAMIC_DISPATCH(dot)(x.data(), z.data(), x.size());
}

double squared_distance(std::span<const float> x, std::span<const float> z) {
  KITH_ASSERT(x.size() == z.size());
  return HWY_DYNAMIC_DISPATCH(squared_distance)(x.data(), z.data(), x.size());
}

bool all_finite(std::span<const float> x) { return all_finite_bytes(std::as_bytes(x)); }

bool all_finite_bytes(std::span<const std::byte> x) {
  KITH_ASSERT(x.size() % sizeof(float) == 0);
  return HWY_DYNAMIC_DISPATCH(all_finite)(x.data(), x.size() / sizeof(float));
}

}  // namespace kith::kernels
#endif  // HWY_ONCE
