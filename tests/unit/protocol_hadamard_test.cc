// The rotations of protocol/hadamard.h against their definition.
#include <gtest/gtest.h>

#include "protocol/hadamard.h"
#include "tests/instruction_sets.h"
#include "tests/unit/codec_rotated_reference.h"

namespace kith {
namespace {

const size_t kLengths[] = {128, 256, 512, 1024, 2048, 4096};

double product(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

TEST(Hadamard, BlocksAreTheLargestPowersOfTwoThatFit) {
  for (size_t n = 0; n < 20000; n = n < 600 ? n + 1 : n + 37) {
    size_t left = n;
    size_t count = 0;
    size_t padded = 0;
    for (const test::RotatedBlock& block : test::rotated_blocks(n)) {
      ASSERT_EQ(block.length, hadamard::block_length(left)) << n;
      left -= std::min(left, block.length);
      padded += block.length;
      ++count;
    }
    ASSERT_EQ(count, hadamard::block_count(n)) << n;
    ASSERT_EQ(padded, hadamard::padded_length(n)) << n;
    ASSERT_EQ(padded, test::rotated_padded(n)) << n;
  }
}

// H_ij = (-1)^(number of ones in i & j) / sqrt(d), which the reference of the other tests is held
// against as well.
TEST(Hadamard, OneRoundIsTheMatrixOfTheDefinition) {
  for (const size_t d : {128, 512}) {
    const std::vector<float> x = test::make_vector(test::Shape::kRandom, d, d);
    std::vector<float> out(d);
    hadamard::rotate({77, 64, 1}, x, 1, out);
    const std::vector<double> slow = test::rotate_slowly(x, d, 77, 64, 1);
    for (size_t i = 0; i < d; ++i) {
      double sum = 0;
      for (size_t j = 0; j < d; ++j) {
        sum += (std::popcount(i & j) % 2 ? -1 : 1) * test::rotation_sign(77, 0, 64 + j) * x[j];
      }
      ASSERT_NEAR(sum, out[i], 1e-4);
      ASSERT_NEAR(sum, slow[i] * std::sqrt(static_cast<double>(d)), 1e-9);
    }
  }
}

// The published first outputs of SplitMix64 for the seed 1234567.
TEST(Hadamard, SignsAreSplitMix64) {
  const uint64_t outputs[] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                              4593380528125082431u, 16408922859458223821u};
  for (uint64_t i = 0; i < 5; ++i) ASSERT_EQ(outputs[i], test::splitmix64(1234567, i + 1));
  // Row 0 of H sums all values: with one value it is that value's sign.
  for (size_t i = 0; i < 128; ++i) {
    std::vector<float> x(128), out(128);
    x[i] = 1;
    hadamard::rotate({1234567, 0, 1}, x, 1, out);
    const uint64_t word = outputs[i < 64 ? 0 : 4];
    ASSERT_EQ((word >> i % 64 & 1) != 0 ? -1.0f : 1.0f, out[0]) << i;
  }
}

TEST(Hadamard, RotatesAsDefinedWithTheSameBitsOnEveryInstructionSet) {
  for (const size_t d : kLengths) {
    for (const size_t rounds : {1, 2, 3}) {
      for (const size_t n : {d, d - 1, d / 2 + 1, size_t{1}}) {
        SCOPED_TRACE("d " + std::to_string(d) + " rounds " + std::to_string(rounds) + " n " +
                     std::to_string(n));
        const std::vector<float> x = test::make_vector(test::Shape::kRandom, n, d + rounds);
        const std::vector<double> expected = test::rotate_slowly(x, d, 5, 4096, rounds);
        const double norm = std::sqrt(test::squared_norm_of(x));
        const double gain = 0.5 * std::pow(std::sqrt(static_cast<double>(d)), rounds);
        std::vector<float> first;
        test::for_each_instruction_set([&] {
          std::vector<float> out(d);
          hadamard::rotate({5, 4096, rounds}, x, 0.5f, out);
          if (first.empty()) first = out;
          ASSERT_EQ(0, std::memcmp(first.data(), out.data(), d * sizeof(float)));
        });
        for (size_t i = 0; i < d; ++i) ASSERT_NEAR(expected[i], first[i] / gain, 1e-6 * norm);
      }
    }
  }
}

TEST(Hadamard, RotatingBackIsTheInverseOnEveryInstructionSet) {
  for (const size_t d : kLengths) {
    for (const size_t rounds : {1, 2, 3}) {
      for (const size_t n : {d, d - 1, size_t{3}}) {
        const std::vector<float> x = test::make_vector(test::Shape::kHeavyTailed, n, d);
        const std::vector<float> before = test::make_vector(test::Shape::kRandom, n, d + 1);
        std::vector<float> first;
        test::for_each_instruction_set([&] {
          std::vector<float> r(d), y = before;
          hadamard::rotate({9, 128, rounds}, x, 1, r);
          const auto factor = static_cast<float>(std::pow(static_cast<double>(d), -1.0 * rounds));
          hadamard::rotate_back_add({9, 128, rounds}, r, factor, y);
          if (first.empty()) first = y;
          ASSERT_EQ(first, y);
        });
        const double norm = std::sqrt(test::squared_norm_of(x));
        for (size_t i = 0; i < n; ++i) {
          ASSERT_NEAR(before[i] + x[i], first[i], 1e-6 * (norm + std::fabs(before[i])));
        }
      }
    }
  }
}

TEST(Hadamard, KeepsLengthsAndAngles) {
  for (const size_t rounds : {1, 2, 3}) {
    const std::vector<float> x = test::make_vector(test::Shape::kRandom, 1024, 1);
    const std::vector<float> z = test::make_vector(test::Shape::kSparse, 1024, 2);
    const std::vector<double> rx = test::rotate_slowly(x, 1024, 3, 0, rounds);
    const std::vector<double> rz = test::rotate_slowly(z, 1024, 3, 0, rounds);
    double angle = 0;
    for (size_t i = 0; i < x.size(); ++i) angle += static_cast<double>(x[i]) * z[i];
    EXPECT_NEAR(test::squared_norm_of(x), product(rx, rx), 1e-9);
    EXPECT_NEAR(angle, product(rx, rz), 1e-9);
  }
}

}  // namespace
}  // namespace kith
