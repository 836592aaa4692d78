// Matrix products and layer passes against double precision, on every instruction set of this
// machine, over shapes that leave every kind of rest: tolerance 1e-5 of the sum of the absolute
// terms.
#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <cmath>
#include <vector>

#include "daemon/learn/gemm.h"
#include "daemon/learn/layers.h"
#include "topology/rng.h"

namespace kith {
namespace {

std::vector<float> normals(size_t n, uint64_t index) {
  Rng rng(1, NodeId{0}, Purpose::kTest, index);
  std::vector<float> x(n);
  rng.fill_normal(x);
  return x;
}

class EveryTarget : public testing::TestWithParam<int64_t> {
 protected:
  EveryTarget() {
    hwy::SetSupportedTargetsForTest(GetParam());
    hwy::GetChosenTarget().DeInit();
  }
  ~EveryTarget() override {
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().DeInit();
  }
};
class Gemm : public EveryTarget {};
class Layers : public EveryTarget {};

struct Shape {
  size_t m, n, k;
};

std::vector<Shape> shapes() {
  std::vector<Shape> all = {{32, 128, 784}, {32, 10, 784}, {128, 784, 32}, {10, 784, 32},
                            {32, 128, 10},  {3, 5, 2500},  {256, 10, 128}};
  for (size_t i = 1; i <= 40; ++i) all.push_back({1 + i % 11, i, 1 + (i * 7) % 40});
  return all;
}

// C(i, j) must be sum over p of a(i, p) b(p, j); entries beyond C must be left alone.
template <class A, class B>
void check(const Shape& s, const std::vector<float>& c, size_t stride, const A& a, const B& b) {
  for (size_t i = 0; i < s.m; ++i) {
    for (size_t j = 0; j < stride; ++j) {
      double sum = 0;
      double size = 0;
      for (size_t p = 0; j < s.n && p < s.k; ++p) {
        sum += static_cast<double>(a(i, p)) * b(p, j);
        size += std::abs(static_cast<double>(a(i, p)) * b(p, j));
      }
      if (j >= s.n) sum = -7;
      ASSERT_NEAR(c[i * stride + j], sum, 1e-5 * size) << i << " " << j;
    }
  }
}

TEST_P(Gemm, AllThreeFormsAreTheSumOfProducts) {
  for (const Shape& s : shapes()) {
    SCOPED_TRACE(testing::Message() << s.m << " x " << s.n << " x " << s.k);
    const std::vector<float> a = normals(s.m * s.k, 1);
    const std::vector<float> b = normals(s.n * s.k, 2);
    const size_t stride = s.n + 3;
    std::vector<float> c(s.m * stride, -7.0f);
    const auto a_plain = [&](size_t i, size_t p) { return a[i * s.k + p]; };
    const auto a_turned = [&](size_t i, size_t p) { return a[p * s.m + i]; };
    const auto b_plain = [&](size_t p, size_t j) { return b[p * s.n + j]; };
    const auto b_turned = [&](size_t p, size_t j) { return b[j * s.k + p]; };
    gemm_nt(s.m, s.n, s.k, {a.data(), s.k}, {b.data(), s.k}, c.data(), stride);
    check(s, c, stride, a_plain, b_turned);
    gemm_nn(s.m, s.n, s.k, {a.data(), s.k}, {b.data(), s.n}, c.data(), stride);
    check(s, c, stride, a_plain, b_plain);
    gemm_tn(s.m, s.n, s.k, {a.data(), s.m}, {b.data(), s.n}, c.data(), stride);
    check(s, c, stride, a_turned, b_plain);
  }
}

TEST_P(Layers, BiasAndActivationsForEveryWidth) {
  using layers::Activation;
  for (size_t columns = 1; columns <= 40; ++columns) {
    const std::vector<float> bias = normals(columns, 3);
    const std::vector<float> z = normals(3 * columns, 4);
    std::vector<float> relu = z, tanh = z, none = z, sums(columns);
    layers::bias_activation(Activation::kRelu, bias, relu);
    layers::bias_activation(Activation::kTanh, bias, tanh);
    layers::bias_activation(Activation::kNone, bias, none);
    layers::column_sums(z, sums);
    std::vector<float> back_relu = z, back_tanh = z;
    layers::activation_backward(Activation::kRelu, relu, back_relu);
    layers::activation_backward(Activation::kTanh, tanh, back_tanh);
    for (size_t i = 0; i < z.size(); ++i) {
      const float v = z[i] + bias[i % columns];
      ASSERT_EQ(none[i], v);
      ASSERT_EQ(relu[i], std::max(v, 0.0f));
      ASSERT_NEAR(tanh[i], std::tanh(v), 2e-6);
      ASSERT_EQ(back_relu[i], v > 0 ? z[i] : 0.0f);
      ASSERT_NEAR(back_tanh[i], z[i] * (1 - tanh[i] * tanh[i]), 1e-6);
      if (i < columns) {
        ASSERT_EQ(sums[i], z[i] + z[i + columns] + z[i + 2 * columns]);
      }
    }
  }
}

TEST_P(Layers, SoftmaxCrossEntropyAndItsGradient) {
  for (const size_t classes : {1, 2, 3, 9, 10, 15, 16, 17, 31, 32, 33, 100}) {
    SCOPED_TRACE(classes);
    constexpr size_t kRows = 4;
    const std::vector<float> bias = normals(classes, 5);
    std::vector<float> z = normals(kRows * classes, 6);
    for (size_t j = 0; j < classes; ++j) z[j] *= 100;  // no overflow in the first row
    std::vector<int32_t> labels;
    for (size_t r = 0; r < kRows; ++r) labels.push_back(static_cast<int32_t>(r * 5 % classes));
    std::vector<float> gradient = z;
    const double loss = layers::softmax_cross_entropy(bias, labels, gradient);
    double expected = 0;
    for (size_t r = 0; r < kRows; ++r) {
      const auto logit = [&](size_t j) {
        return static_cast<double>(z[r * classes + j] + bias[j]);
      };
      double largest = logit(0);
      for (size_t j = 1; j < classes; ++j) largest = std::max(largest, logit(j));
      double sum = 0;
      for (size_t j = 0; j < classes; ++j) sum += std::exp(logit(j) - largest);
      const auto label = static_cast<size_t>(labels[r]);
      expected += std::log(sum) - (logit(label) - largest);
      for (size_t j = 0; j < classes; ++j) {
        const double p = std::exp(logit(j) - largest) / sum;
        ASSERT_NEAR(gradient[r * classes + j], (p - (j == label)) / kRows, 1e-6);
      }
    }
    EXPECT_NEAR(loss, expected, 1e-5 * std::max(1.0, expected));
  }
}

TEST_P(Layers, NormaliseIsScaleAndShiftOfEachFeature) {
  for (size_t n = 1; n <= 40; ++n) {
    const std::vector<float> x = normals(n, 7), scale = normals(n, 8), shift = normals(n, 9);
    std::vector<uint8_t> bytes(n);
    for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<uint8_t>(i * 91);
    std::vector<float> y(n), z(n);
    layers::normalise_floats(x, scale, shift, y);
    layers::normalise_bytes(bytes, scale, shift, z);
    for (size_t i = 0; i < n; ++i) {
      ASSERT_EQ(y[i], x[i] * scale[i] + shift[i]);
      ASSERT_EQ(z[i], static_cast<float>(bytes[i]) * scale[i] + shift[i]);
    }
  }
}

const auto kTargets = testing::ValuesIn(hwy::SupportedAndGeneratedTargets());
const auto kName = [](const auto& info) { return std::string(hwy::TargetName(info.param)); };
INSTANTIATE_TEST_SUITE_P(All, Gemm, kTargets, kName);
INSTANTIATE_TEST_SUITE_P(All, Layers, kTargets, kName);

}  // namespace
}  // namespace kith
