#include "daemon/learn/layers.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "protocol/vector_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "daemon/learn/layers.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/contrib/math/math-inl.h>

#include "daemon/learn/vector.inc"

HWY_BEFORE_NAMESPACE();
namespace kith::HWY_NAMESPACE {

using layers::Activation;

// y[i] = function(vectors of the inputs at i), whole vectors and then the rest.
template <class Function>
HWY_INLINE void map(const float* x, const float* z, float* y, size_t n, const Function& function) {
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    hn::StoreU(function(hn::LoadU(kTag, x + i), hn::LoadU(kTag, z + i)), kTag, y + i);
  }
  if (i == n) return;
  store_first(function(load_first(x + i, n - i, 0), load_first(z + i, n - i, 0)), y + i, n - i);
}

void BiasActivation(Activation activation, const float* bias, size_t columns, float* z,
                    size_t rows) {
  for (size_t r = 0; r < rows; ++r, z += columns) {
    switch (activation) {
      case Activation::kNone:
        map(bias, z, z, columns, [](V b, V v) HWY_ATTR { return hn::Add(b, v); });
        break;
      case Activation::kRelu:
        map(bias, z, z, columns,
            [](V b, V v) HWY_ATTR { return hn::Max(hn::Add(b, v), hn::Zero(kTag)); });
        break;
      case Activation::kTanh:
        map(bias, z, z, columns, [](V b, V v) HWY_ATTR { return hn::Tanh(kTag, hn::Add(b, v)); });
        break;
    }
  }
}

void ActivationBackward(Activation activation, const float* output, float* gradient, size_t n) {
  if (activation == Activation::kRelu) {
    map(output, gradient, gradient, n,
        [](V h, V g) HWY_ATTR { return hn::IfThenElseZero(hn::Gt(h, hn::Zero(kTag)), g); });
  }
  if (activation == Activation::kTanh) {
    map(output, gradient, gradient, n,
        [](V h, V g) HWY_ATTR { return hn::Mul(g, hn::Sub(hn::Set(kTag, 1.0f), hn::Mul(h, h))); });
  }
}

void ColumnSums(const float* x, size_t rows, float* sums, size_t columns) {
  std::memcpy(sums, x, columns * sizeof(float));
  for (size_t r = 1; r < rows; ++r) {
    map(x + r * columns, sums, sums, columns, [](V v, V s) HWY_ATTR { return hn::Add(s, v); });
  }
}

// One row: z <- (softmax(z + bias) - onehot(label)) / rows; returns its loss.
HWY_INLINE float softmax_row(const float* bias, size_t columns, size_t label, float scale,
                             float* z) {
  map(bias, z, z, columns, [](V b, V v) HWY_ATTR { return hn::Add(b, v); });
  // Lanes beyond the row count as the lowest float: exp of it is 0.
  const float lowest = hwy::LowestValue<float>();
  const size_t whole = columns - columns % kLanes;
  V largest = load_first(z + whole, columns - whole, lowest);
  for (size_t i = 0; i < whole; i += kLanes) {
    largest = hn::Max(largest, hn::LoadU(kTag, z + i));
  }
  const V maximum = hn::MaxOfLanes(kTag, largest);
  const float at_label = z[label] - hn::GetLane(maximum);
  const V rest = hn::Exp(kTag, hn::Sub(load_first(z + whole, columns - whole, lowest), maximum));
  V total = rest;
  for (size_t i = 0; i < whole; i += kLanes) {
    const V e = hn::Exp(kTag, hn::Sub(hn::LoadU(kTag, z + i), maximum));
    hn::StoreU(e, kTag, z + i);
    total = hn::Add(total, e);
  }
  const float sum = hn::GetLane(hn::SumOfLanes(kTag, total));
  const V factor = hn::Set(kTag, scale / sum);
  for (size_t i = 0; i < whole; i += kLanes) {
    hn::StoreU(hn::Mul(factor, hn::LoadU(kTag, z + i)), kTag, z + i);
  }
  if (whole < columns) store_first(hn::Mul(factor, rest), z + whole, columns - whole);
  z[label] -= scale;
  return std::log(sum) - at_label;
}

double SoftmaxCrossEntropy(const float* bias, size_t columns, const int32_t* labels, size_t rows,
                           float* logits) {
  const float scale = 1.0f / static_cast<float>(rows);
  double loss = 0;
  for (size_t r = 0; r < rows; ++r) {
    loss += softmax_row(bias, columns, static_cast<size_t>(labels[r]), scale, logits + r * columns);
  }
  return loss;
}

void NormaliseBytes(const uint8_t* x, const float* scale, const float* shift, float* y, size_t n) {
  const hn::Rebind<uint8_t, D> bytes;
  const hn::Rebind<int32_t, D> integers;
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const V v = hn::ConvertTo(kTag, hn::PromoteTo(integers, hn::LoadU(bytes, x + i)));
    hn::StoreU(hn::Add(hn::Mul(v, hn::LoadU(kTag, scale + i)), hn::LoadU(kTag, shift + i)), kTag,
               y + i);
  }
  for (; i < n; ++i) y[i] = static_cast<float>(x[i]) * scale[i] + shift[i];
}

void NormaliseFloats(const float* x, const float* scale, const float* shift, float* y, size_t n) {
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const V v = hn::Mul(hn::LoadU(kTag, x + i), hn::LoadU(kTag, scale + i));
    hn::StoreU(hn::Add(v, hn::LoadU(kTag, shift + i)), kTag, y + i);
  }
  for (; i < n; ++i) y[i] = x[i] * scale[i] + shift[i];
}

}  // namespace kith::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kith {

HWY_EXPORT(BiasActivation);
HWY_EXPORT(ActivationBackward);
HWY_EXPORT(ColumnSums);
HWY_EXPORT(SoftmaxCrossEntropy);
HWY_EXPORT(NormaliseBytes);
HWY_EXPORT(NormaliseFloats);

namespace layers {

void bias_activation(Activation activation, std::span<const float> bias, std::span<float> z) {
  HWY_DYNAMIC_DISPATCH(BiasActivation)
  (activation, bias.data(), bias.size(), z.data(), z.size() / bias.size());
}

void activation_backward(Activation activation, std::span<const float> output,
                         std::span<float> gradient) {
  HWY_DYNAMIC_DISPATCH(ActivationBackward)
  (activation, output.data(), gradient.data(), gradient.size());
}

void column_sums(std::span<const float> x, std::span<float> sums) {
  HWY_DYNAMIC_DISPATCH(ColumnSums)(x.data(), x.size() / sums.size(), sums.data(), sums.size());
}

double softmax_cross_entropy(std::span<const float> bias, std::span<const int32_t> labels,
                             std::span<float> logits) {
  return HWY_DYNAMIC_DISPATCH(SoftmaxCrossEntropy)(bias.data(), bias.size(), labels.data(),
                                                   labels.size(), logits.data());
}

void normalise_bytes(std::span<const uint8_t> x, std::span<const float> scale,
                     std::span<const float> shift, std::span<float> y) {
  HWY_DYNAMIC_DISPATCH(NormaliseBytes)(x.data(), scale.data(), shift.data(), y.data(), y.size());
}

void normalise_floats(std::span<const float> x, std::span<const float> scale,
                      std::span<const float> shift, std::span<float> y) {
  HWY_DYNAMIC_DISPATCH(NormaliseFloats)(x.data(), scale.data(), shift.data(), y.data(), y.size());
}

}  // namespace layers
}  // namespace kith
#endif  // HWY_ONCE
