// Claim of protocol/kernels.h: the same bits on every instruction set, at every size and alignment.
// The reference is plain scalar code.
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstring>
#include <vector>

#include "protocol/kernels.h"
#include "tests/instruction_sets.h"
#include "tests/vectors.h"

namespace kith {
namespace {

constexpr size_t kKernelSizes[] = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 1000, 1024, 4097};
constexpr float kA = 0.7f;
constexpr float kB = -1.3f;

template <class T>
bool same_bits(std::span<const T> a, std::span<const T> b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

// One element off a vector's alignment.
struct Case {
  explicit Case(size_t n, size_t offset) : x_storage(n + 3), z_storage(n + 3), y_storage(n + 3) {
    Rng rng = test::test_rng(n);
    rng.fill_normal(x_storage);
    rng.fill_normal(z_storage);
    rng.fill_normal(y_storage);
    x = std::span(x_storage).subspan(offset, n);
    z = std::span(z_storage).subspan(2 - offset, n);
    y = std::span(y_storage).subspan(offset == 0 ? 3 : 0, n);
  }
  std::vector<float> x_storage, z_storage, y_storage;
  std::span<float> x, z, y;
};

// Runs `kernel(case)` and compares its y with `value(x, z, y)` element by element.
template <class Kernel, class Value>
void expect_elementwise(Kernel kernel, Value value) {
  test::for_each_instruction_set([&] {
    for (const size_t n : kKernelSizes) {
      for (const size_t offset : {0, 1, 2}) {
        SCOPED_TRACE("n " + std::to_string(n) + " offset " + std::to_string(offset));
        Case c(n, offset);
        std::vector<float> whole = c.y_storage;
        std::span<float> expected(whole.data() + (c.y.data() - c.y_storage.data()), n);
        for (size_t i = 0; i < n; ++i) expected[i] = value(c.x[i], c.z[i], expected[i]);
        kernel(c);
        EXPECT_TRUE(same_bits<float>(whole, c.y_storage));  // the margin too: no write outside
      }
    }
  });
}

TEST(Kernels, AxpyIsScalarBits) {
  expect_elementwise([](Case& c) { kernels::axpy(kA, c.x, c.y); },
                     [](float x, float, float y) { return kA * x + y; });
}

TEST(Kernels, ScaleIsScalarBits) {
  expect_elementwise([](Case& c) { kernels::scale(kA, c.x, c.y); },
                     [](float x, float, float) { return kA * x; });
}

TEST(Kernels, ScaleAddIsScalarBits) {
  expect_elementwise([](Case& c) { kernels::scale_add(kA, c.x, kB, c.y); },
                     [](float x, float, float y) { return kA * x + kB * y; });
}

TEST(Kernels, AddScaledIsScalarBits) {
  expect_elementwise([](Case& c) { kernels::add_scaled(c.x, kA, c.z, c.y); },
                     [](float x, float z, float) { return x + kA * z; });
}

TEST(Kernels, SubtractIsScalarBits) {
  expect_elementwise([](Case& c) { kernels::subtract(c.x, c.z, c.y); },
                     [](float x, float z, float) { return x - z; });
}

TEST(Kernels, AxpyBytesReadsAnyAlignment) {
  expect_elementwise(
      [](Case& c) {
        const test::Unaligned wire(std::as_bytes(c.x));
        kernels::axpy_bytes(kA, wire.bytes(), c.y);
      },
      [](float x, float, float y) { return kA * x + y; });
}

TEST(Kernels, AxpyAllAddsOneTermAfterTheOther) {
  for (const size_t terms : {0, 1, 2, 3, 21}) {
    expect_elementwise(
        [&](Case& c) {
          const test::Unaligned x(std::as_bytes(c.x));
          std::vector<kernels::Scaled> scaled;
          for (size_t i = 0; i < terms; ++i) {
            scaled.push_back(i % 2 == 0 ? kernels::Scaled{x.bytes(), kA}
                                        : kernels::Scaled{std::as_bytes(c.z), kB});
          }
          kernels::axpy_all(scaled, c.y);
        },
        [&](float x, float z, float y) {
          for (size_t i = 0; i < terms; ++i) y = (i % 2 == 0 ? kA * x : kB * z) + y;
          return y;
        });
  }
}

TEST(Kernels, BytesToFloatsIsScalarBits) {
  std::vector<uint8_t> pixels(4097 + 1);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 37);
  test::for_each_instruction_set([&] {
    for (const size_t n : kKernelSizes) {
      std::vector<float> y(n), expected(n);
      for (size_t i = 0; i < n; ++i) expected[i] = kA * static_cast<float>(pixels[i + 1]) + kB;
      kernels::bytes_to_floats(std::span(pixels).subspan(1, n), kA, kB, y);
      EXPECT_TRUE(same_bits<float>(expected, y)) << n;
    }
  });
}

// The order that kernels.h documents.
template <class Term>
double reference_sum(size_t n, Term term) {
  std::array<double, 16> lanes = {};
  for (size_t i = 0; i < n; ++i) lanes[i % 16] += term(i);
  for (size_t half = 8; half > 0; half /= 2) {
    for (size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

TEST(Kernels, ReductionsAreInTheDocumentedOrder) {
  test::for_each_instruction_set([&] {
    for (const size_t n : kKernelSizes) {
      for (const size_t offset : {0, 1, 2}) {
        SCOPED_TRACE("n " + std::to_string(n) + " offset " + std::to_string(offset));
        const Case c(n, offset);
        const auto x = [&](size_t i) { return static_cast<double>(c.x[i]); };
        const auto d = [&](size_t i) { return x(i) - static_cast<double>(c.z[i]); };
        const double sum = reference_sum(n, x);
        const double norm = reference_sum(n, [&](size_t i) { return x(i) * x(i); });
        const double distance = reference_sum(n, [&](size_t i) { return d(i) * d(i); });
        EXPECT_EQ(std::bit_cast<uint64_t>(sum), std::bit_cast<uint64_t>(kernels::sum(c.x)));
        EXPECT_EQ(norm, kernels::squared_norm(c.x));
        EXPECT_EQ(distance, kernels::squared_distance(c.x, c.z));
      }
    }
  });
}

TEST(Kernels, AllFiniteFindsOneBadValueAnywhere) {
  const float bad[] = {
      std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN(),
      std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()};
  test::for_each_instruction_set([&] {
    for (const size_t n : kKernelSizes) {
      std::vector<float> x(n, std::numeric_limits<float>::max());
      EXPECT_TRUE(kernels::all_finite(x));
      for (size_t i = 0; i < n; i += n < 100 ? 1 : 61) {
        x[i] = bad[i % 4];
        EXPECT_FALSE(kernels::all_finite(x)) << n << " at " << i;
        EXPECT_FALSE(
            kernels::all_finite_bytes(test::Unaligned(std::as_bytes(std::span(x))).bytes()));
        x[i] = -std::numeric_limits<float>::denorm_min();
      }
      EXPECT_TRUE(kernels::all_finite(x));
    }
  });
}

}  // namespace
}  // namespace kith
