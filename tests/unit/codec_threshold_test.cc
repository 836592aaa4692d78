// threshold (ALGORITHMS 2C, Strom 2015): every value of at least T, and no other.
#include <gtest/gtest.h>

#include <bit>

#include "protocol/codec.h"
#include "protocol/codec/elias_fano.h"
#include "protocol/compressor.h"
#include "tests/instruction_sets.h"
#include "tests/vectors.h"

namespace kith {
namespace {

SharedBuffer encode(const Codec& codec, std::span<const float> x, Pool& pool) {
  Rng rng = test::test_rng(1);
  SharedBuffer wire;
  EXPECT_TRUE(codec.encode(copy_of(x, pool), rng, pool, wire).ok());
  return wire;
}

std::vector<float> decode(const Codec& codec, const SharedBuffer& wire, size_t n) {
  std::vector<float> y(n);
  EXPECT_TRUE(codec.check(wire.bytes(), n).ok());
  EXPECT_TRUE(codec.decode_add(wire.bytes(), 1.0f, y).ok());
  return y;
}

TEST(Threshold, SendsExactlyWhatReachesIt) {
  Pool pool;
  std::vector<size_t> sizes(std::begin(test::kSizes), std::end(test::kSizes));
  sizes.push_back((size_t{1} << 20) + 3);
  for (const test::Shape shape : test::kShapes) {
    for (const size_t n : sizes) {
      for (const char* least : {"1e-45", "1e-40", "0.37", "1", "2.5", "1e5"}) {
        SCOPED_TRACE(name_of(shape) + " n " + std::to_string(n) + " T " + least);
        const std::vector<float> x = test::make_vector(shape, n, n + 1);
        const auto codec = make_codec(std::string("threshold:") + least);
        std::vector<float> expected(n);
        size_t k = 0;
        for (size_t i = 0; i < n; ++i) {
          if (std::fabs(x[i]) < std::strtof(least, nullptr)) continue;
          expected[i] = x[i];
          ++k;
        }
        const SharedBuffer wire = encode(*codec, x, pool);
        ASSERT_EQ(8 + elias_fano::bytes(n, k) + 4 * k, wire.size());
        ASSERT_EQ(expected, decode(*codec, wire, n));
      }
    }
  }
}

TEST(Threshold, AValueAtTheThresholdIsSent) {
  Pool pool;
  const float below = std::nextafter(0.1f, 0.0f);
  const std::vector<float> x = {0.1f, -0.1f, below, -below};
  const auto codec = make_codec("threshold:0.1");
  test::for_each_instruction_set([&] {
    EXPECT_EQ((std::vector<float>{0.1f, -0.1f, 0, 0}), decode(*codec, encode(*codec, x, pool), 4));
  });
}

// ||C(x) - x||^2 is what is below T, at most (n - k) T^2.
TEST(Threshold, ErrorIsWhatStays) {
  Pool pool;
  for (const test::Shape shape : test::kShapes) {
    const std::vector<float> x = test::make_vector(shape, 65537, 5);
    const auto codec = make_codec("threshold:0.5");
    const std::vector<float> y = decode(*codec, encode(*codec, x, pool), x.size());
    double error = 0;
    double below = 0;
    size_t stay = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      error += std::pow(static_cast<double>(x[i]) - y[i], 2);
      if (std::fabs(x[i]) >= 0.5f) continue;
      below += static_cast<double>(x[i]) * x[i];
      ++stay;
    }
    EXPECT_DOUBLE_EQ(below, error);
    EXPECT_LE(error, 0.25 * static_cast<double>(stay));
  }
}

TEST(Threshold, TheMemoryOfErrorFeedbackStaysBelowIt) {
  Pool pool;
  Rng rng = test::test_rng(6);
  const auto codec = make_codec("threshold:1");
  Compressor stream(*codec, kErrorFeedback);
  for (uint64_t step = 0; step < 100; ++step) {
    SharedBuffer wire;
    const SharedBuffer x = copy_of(test::make_vector(test::Shape::kHeavyTailed, 999, step), pool);
    ASSERT_TRUE(stream.encode(x, 1, rng, pool, wire).ok());
    for (const float e : stream.memory().floats()) ASSERT_LT(std::fabs(e), 1.0f);
  }
}

// Whatever the number that is sent, blocks come from few shelves (buffer.cc).
TEST(Threshold, ThePoolDoesNotGrowWithTheNumberOfSizes) {
  Pool pool;
  const auto codec = make_codec("threshold:0.5");
  std::vector<float> x(20000);
  for (size_t k = 1; k < x.size(); k += 7) {
    for (size_t i = k - 1; i + 1 > (k > 7 ? k - 7 : 0); --i) {
      x[i] = 1;
      if (i == 0) break;
    }
    encode(*codec, x, pool);
  }
  EXPECT_LE(pool.cached_bytes(), 40 * x.size() * sizeof(float));
}

TEST(Threshold, RefusesWhatIsNoNumberAboveNought) {
  for (const char* spec : {"threshold", "threshold:", "threshold:0", "threshold:-1",
                           "threshold:nan", "threshold:inf", "threshold:1x", "threshold:1e99"}) {
    EXPECT_THROW(make_codec(spec), OperatorError) << spec;
  }
  EXPECT_EQ("threshold:0.001", make_codec("threshold:1e-3")->describe());
}

}  // namespace
}  // namespace kith
