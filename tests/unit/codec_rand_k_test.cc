// rand-k (ALGORITHMS 2C): every subset of k positions equally likely, unbiased, with
// E||Q(x) - x||^2 = (n / k - 1) ||x||^2 exactly; with error feedback the unscaled rand-k, whose
// error is (1 - k / n) ||u||^2 and whose floor is E11.
//
// Means are compared within 4 standard errors (6e-5 false alarms each, if normal), standard errors
// from the exact variances of sampling without replacement: of a sum of a_i over k of n,
// k (n - k) / (n (n - 1)) sum (a_i - mean a)^2 (Cochran, Sampling Techniques, 2.4).
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <map>
#include <set>

#include "protocol/codec.h"
#include "protocol/compressor.h"
#include "tests/vectors.h"

namespace kith {
namespace {

std::vector<float> round_trip(const Codec& codec, const SharedBuffer& x, Rng& rng, Pool& pool) {
  SharedBuffer wire;
  EXPECT_TRUE(codec.encode(x, rng, pool, wire).ok());
  std::vector<float> y(x.floats().size());
  EXPECT_TRUE(codec.decode_add(wire.bytes(), 1.0f, y).ok());
  return y;
}

// Which positions the next draw sends.
std::vector<bool> draw_positions(const Codec& codec, size_t n, Rng& rng, Pool& pool) {
  const std::vector<float> y =
      round_trip(codec, copy_of(std::vector<float>(n, 1.0f), pool), rng, pool);
  std::vector<bool> sent(n);
  for (size_t i = 0; i < n; ++i) sent[i] = y[i] != 0;
  return sent;
}

std::unique_ptr<Codec> rand_k(size_t k) { return make_codec("rand-k:" + std::to_string(k)); }

struct Case {
  size_t n;
  size_t k;
};

// sum (a_i - mean a)^2 times k (n - k) / (n (n - 1)).
double variance_of_sample_sum(const std::vector<double>& a, size_t k) {
  const auto n = static_cast<double>(a.size());
  if (a.size() == k) return 0;
  double mean = 0;
  for (const double value : a) mean += value / n;
  double squares = 0;
  for (const double value : a) squares += (value - mean) * (value - mean);
  return squares * static_cast<double>(k) * (n - static_cast<double>(k)) / (n * (n - 1));
}

// Wilson and Hilferty (1931): chi squared stays below, but for 3e-5.
double chi_squared_limit(double freedom) {
  const double spread = 2 / (9 * freedom);
  return freedom * std::pow(1 - spread + 4 * std::sqrt(spread), 3);
}

TEST(RandK, EverySubsetIsEquallyLikely) {
  Pool pool;
  for (const size_t n : {5, 6, 7}) {
    size_t subsets = 1;
    for (size_t k = 1; k < n; ++k) {
      subsets = subsets * (n - k + 1) / k;
      const uint64_t seed = 10 * n + k;
      SCOPED_TRACE("n " + std::to_string(n) + " k " + std::to_string(k) + " seed " +
                   std::to_string(seed));
      Rng rng = test::test_rng(seed);
      const auto codec = rand_k(k);
      std::map<std::vector<bool>, size_t> seen;
      constexpr size_t kTrials = 20000;
      for (size_t t = 0; t < kTrials; ++t) ++seen[draw_positions(*codec, n, rng, pool)];
      ASSERT_EQ(subsets, seen.size());
      const double expected = static_cast<double>(kTrials) / static_cast<double>(subsets);
      double chi_squared = 0;
      for (const auto& [subset, times] : seen) {
        ASSERT_EQ(static_cast<int>(k), std::ranges::count(subset, true));
        chi_squared += std::pow(static_cast<double>(times) - expected, 2) / expected;
      }
      EXPECT_LT(chi_squared, chi_squared_limit(static_cast<double>(subsets) - 1));
    }
  }
}

// Each position as often as any other, and of each half as many as sampling without replacement
// gives: one position in each stratum would have the first, not the second.
TEST(RandK, MarginalsAndHalvesAreThoseOfASimpleSample) {
  Pool pool;
  constexpr size_t kTrials = 4000;
  // 9000: two blocks of positions and a part of one.
  for (const auto& [size, k] : {Case{1000, 1},
                                {1000, 10},
                                {1000, 499},
                                {1000, 500},
                                {1000, 501},
                                {1000, 900},
                                {1000, 999},
                                {9000, 90},
                                {9000, 4500}}) {
    const uint64_t seed = 500 + k;
    SCOPED_TRACE("n " + std::to_string(size) + " k " + std::to_string(k) + " seed " +
                 std::to_string(seed));
    Rng rng = test::test_rng(seed);
    const auto codec = rand_k(k);
    std::vector<double> times(size);
    std::vector<double> in_half(size, 0.0);
    std::fill_n(in_half.begin(), size / 2, 1.0);
    const double variance = variance_of_sample_sum(in_half, k);
    double squares = 0;
    double fourths = 0;
    for (size_t t = 0; t < kTrials; ++t) {
      const std::vector<bool> sent = draw_positions(*codec, size, rng, pool);
      for (size_t i = 0; i < size; ++i) times[i] += sent[i];
      const double first_half =
          static_cast<double>(std::count(sent.begin(), sent.begin() + size / 2, true));
      const double square = std::pow(first_half - static_cast<double>(k) / 2, 2);
      squares += square / kTrials;
      fourths += square * square / kTrials;
    }
    const double p = static_cast<double>(k) / static_cast<double>(size);
    double chi_squared = 0;
    for (const double each : times) {
      chi_squared += std::pow(each - kTrials * p, 2) / (kTrials * p * (1 - p));
    }
    EXPECT_LT(chi_squared * (static_cast<double>(size) - 1) / static_cast<double>(size),
              chi_squared_limit(static_cast<double>(size) - 1));
    const double standard_error = std::sqrt((fourths - squares * squares) / kTrials);
    EXPECT_NEAR(variance, squares, 4 * standard_error + 1e-9);
  }
}

const Case kCases[] = {{1, 1}, {2, 1}, {3, 2}, {7, 1}, {8, 4}, {9, 8}, {1000, 10}, {1000, 700}};

TEST(RandK, UnbiasedWithExactlyItsVariance) {
  Pool pool;
  uint64_t seed = 900;
  constexpr size_t kTrials = 4000;
  for (const test::Shape shape : test::kShapes) {
    for (const auto& [n, k] : kCases) {
      SCOPED_TRACE(name_of(shape) + " n " + std::to_string(n) + " k " + std::to_string(k) +
                   " seed " + std::to_string(++seed));
      const std::vector<float> x = test::make_vector(shape, n, seed);
      const SharedBuffer shared = copy_of(x, pool);
      Rng rng = test::test_rng(seed + 5000);
      const auto codec = rand_k(k);
      const double gain = static_cast<double>(n) / static_cast<double>(k);
      double bias = 0;
      double variance = 0;
      for (size_t t = 0; t < kTrials; ++t) {
        const std::vector<float> y = round_trip(*codec, shared, rng, pool);
        for (size_t i = 0; i < n; ++i) {
          const double error = static_cast<double>(y[i]) - x[i];
          bias += error / kTrials;
          variance += error * error / kTrials;
        }
      }
      const std::vector<double> values(x.begin(), x.end());
      std::vector<double> squares;
      for (const double value : values) squares.push_back(value * value);
      const double norm = test::squared_norm_of(x);
      const double rounding = 1e-6;  // of the gain and the products to floats; of subnormals more
      const double least = shape == test::Shape::kSubnormal ? 0x1p-149 * gain : 0;
      EXPECT_NEAR(0, bias,
                  4 * gain * std::sqrt(variance_of_sample_sum(values, k) / kTrials) +
                      rounding * std::sqrt(norm * n) + least * n);
      // ||Q - x||^2 = ||x||^2 + (g^2 - 2 g) times the sum of the squares that are sent.
      const double spread = std::fabs(gain * gain - 2 * gain) *
                            std::sqrt(variance_of_sample_sum(squares, k) / kTrials);
      EXPECT_DOUBLE_EQ(gain - 1, codec->variance_bound(n));
      EXPECT_NEAR((gain - 1) * norm, variance,
                  4 * spread + rounding * gain * norm + least * gain * std::sqrt(norm * n) * 2);
    }
  }
}

TEST(RandK, BitsAreAHeaderASeedAndTheValues) {
  Pool pool;
  Rng rng = test::test_rng(3);
  for (const size_t n : test::kSizes) {
    for (const char* share : {"0.01", "0.5", "1.0", "1", "8"}) {
      const auto codec = make_codec(std::string("rand-k:") + share);
      SharedBuffer wire;
      ASSERT_TRUE(codec->encode(copy_of(std::vector<float>(n, 1), pool), rng, pool, wire).ok());
      const double asked = std::string(share).find('.') == std::string::npos
                               ? std::stod(share)
                               : std::max(1.0, std::floor(std::stod(share) * n + 0.5));
      const size_t k = std::min(n, static_cast<size_t>(asked));
      EXPECT_EQ(8 + 8 + 4 * k, wire.size()) << n << " " << share;
    }
  }
}

// The values as they are, each once: the wire has the same ones as those that come out.
TEST(RandK, SendsTheValuesAsTheyAre) {
  Pool pool;
  Rng rng = test::test_rng(4);
  for (const size_t k : {size_t{10}, size_t{60000}}) {
    const std::vector<float> x = test::make_vector(test::Shape::kRandom, 65537, 4);
    SharedBuffer wire;
    const auto codec = rand_k(k);
    ASSERT_TRUE(codec->encode(copy_of(x, pool), rng, pool, wire).ok());
    std::vector<float> y(x.size());
    ASSERT_TRUE(codec->decode_add(wire.bytes(), static_cast<float>(k) / 65537.0f, y).ok());
    std::vector<float> sent(k);
    std::memcpy(sent.data(), wire.data() + 16, k * sizeof(float));
    std::vector<float> came;
    for (size_t i = 0; i < x.size(); ++i) {
      if (y[i] == 0) continue;
      ASSERT_NEAR(x[i], y[i], 1e-6 * std::fabs(x[i]));
      came.push_back(x[i]);
    }
    std::ranges::sort(sent);
    std::ranges::sort(came);
    EXPECT_EQ(came, sent);
  }
}

// The comment of rand_k.cc once more, slowly: the positions of a seed, in order of the wire.
class Reference {
 public:
  explicit Reference(uint64_t seed) {
    Rng rng(seed, NodeId{0}, Purpose::kCodec);
    for (uint64_t& word : s_) word = rng.next();
  }

  std::vector<size_t> positions(size_t n, size_t k) {
    const double fill = -std::log1p(-static_cast<double>(k) / static_cast<double>(n));
    const auto balls =
        static_cast<size_t>(std::ceil(fill * static_cast<double>(n) +
                                      4 * fill * std::sqrt(2 * static_cast<double>(n)))) +
        4;
    const size_t blocks = (n + 4095) / 4096;
    std::vector<size_t> counts(blocks);
    const int bits = std::bit_width(blocks - 1);
    if (blocks == 1) counts[0] = balls;
    for (size_t fallen = 0; blocks > 1 && fallen < balls;) {
      uint64_t random = step();
      const size_t at_once = std::min<size_t>(64 / static_cast<size_t>(bits), balls - fallen);
      for (size_t i = 0; i < at_once; ++i, random >>= bits) {
        const size_t block = random % (size_t{1} << bits);
        if (block >= blocks) continue;
        if (n - block * 4096 < 4096 && (step() >> 52) >= n - block * 4096) continue;
        ++counts[block];
        ++fallen;
      }
    }
    std::vector<size_t> hit;
    for (size_t block = 0; block < blocks; ++block) fall(block, n, counts[block], hit);
    EXPECT_GE(hit.size(), k);
    std::set<size_t> left_out;
    while (left_out.size() < hit.size() - k) left_out.insert(below(hit.size()));
    std::vector<size_t> kept;
    for (size_t i = 0; i < hit.size(); ++i) {
      if (!left_out.contains(i)) kept.push_back(hit[i]);
    }
    return kept;
  }

 private:
  // xoshiro256**
  uint64_t step() {
    const uint64_t result = std::rotl(s_[1] * 5, 7) * 9;
    const uint64_t t = s_[1] << 17;
    s_[2] ^= s_[0], s_[3] ^= s_[1], s_[1] ^= s_[2], s_[0] ^= s_[3];
    s_[2] ^= t, s_[3] = std::rotl(s_[3], 45);
    return result;
  }

  void fall(size_t block, size_t n, size_t balls, std::vector<size_t>& hit) {
    const size_t size = std::min<size_t>(4096, n - block * 4096);
    const int bits = n > 4096 ? 12 : std::max(1, static_cast<int>(std::bit_width(n - 1)));
    std::set<size_t> taken;
    while (balls > 0) {
      uint64_t random = step();
      const size_t at_once = std::min<size_t>(60 / static_cast<size_t>(bits), balls);
      for (size_t i = 0; i < at_once; ++i, random >>= bits) {
        const size_t offset = random % (size_t{1} << bits);
        if (offset >= size) continue;
        --balls;
        if (taken.insert(offset).second) hit.push_back(block * 4096 + offset);
      }
    }
  }

  size_t below(uint64_t bound) {
    for (;;) {
      const uint64_t product = (step() >> 32) * bound;
      if ((product & 0xffffffff) >= (uint64_t{1} << 32) % bound) return product >> 32;
    }
  }

  uint64_t s_[4];
};

// The positions that a seed stands for are part of the wire format: they may never change.
TEST(RandK, PositionsOfASeedAreFixed) {
  for (const auto& [n, k] :
       {Case{1, 1}, {100, 4}, {4096, 41}, {5000, 50}, {65536, 700}, {99999, 9}}) {
    Pool pool;
    SCOPED_TRACE("n " + std::to_string(n) + " k " + std::to_string(k));
    const uint64_t seed = 0x123456789abcdef;
    std::vector<float> wire(4 + k);
    const uint32_t header[] = {static_cast<uint32_t>(n), static_cast<uint32_t>(k)};
    std::memcpy(wire.data(), header, 8);
    std::memcpy(wire.data() + 2, &seed, 8);
    for (size_t i = 0; i < k; ++i) wire[4 + i] = static_cast<float>(i + 1);
    std::vector<float> y(n);
    const float gain = static_cast<float>(n) / static_cast<float>(k);
    ASSERT_TRUE(rand_k(k)->decode_add(std::as_bytes(std::span(wire)), 1, y).ok());
    const std::vector<size_t> expected =
        k <= n / 2 ? Reference(seed).positions(n, k) : std::vector<size_t>{0};
    ASSERT_EQ(k, expected.size());
    for (size_t i = 0; i < k; ++i) {
      ASSERT_NEAR(gain * static_cast<float>(i + 1), y[expected[i]], 1e-6 * gain * (i + 1)) << i;
    }
  }
}

TEST(RandK, WhatWouldOverflowAtTheReceiverIsRefused) {
  Pool pool;
  Rng rng = test::test_rng(6);
  const auto codec = make_codec("rand-k:1");
  const float large = std::numeric_limits<float>::max() / 4;
  SharedBuffer wire;
  EXPECT_TRUE(codec->encode(copy_of(std::vector<float>(4, large), pool), rng, pool, wire).ok());
  std::vector<float> y(4);
  ASSERT_TRUE(codec->decode_add(wire.bytes(), 1, y).ok());
  for (const float value : y) EXPECT_TRUE(std::isfinite(value));
  EXPECT_EQ(Reason::kNotFinite,
            codec->encode(copy_of(std::vector<float>(5, large), pool), rng, pool, wire).reason());
}

// C(u) = Q(u k / n): the values u_i themselves, delta = k / n (compressor.h).
TEST(RandK, ErrorFeedbackMakesItTheUnscaledOne) {
  Pool pool;
  constexpr size_t kTrials = 4000;
  for (const auto& [n, k] : kCases) {
    const std::vector<float> x = test::make_vector(test::Shape::kRandom, n, 31 + n + k);
    const SharedBuffer shared = copy_of(x, pool);
    const auto codec = rand_k(k);
    Rng rng = test::test_rng(n + k);
    SCOPED_TRACE("n " + std::to_string(n) + " k " + std::to_string(k) + " seed " +
                 std::to_string(n + k));
    double rest = 0;
    for (size_t t = 0; t < kTrials; ++t) {
      Compressor stream(*codec, kErrorFeedback);
      SharedBuffer wire;
      ASSERT_TRUE(stream.encode(shared, 1, rng, pool, wire).ok());
      const auto memory = stream.memory().floats();
      size_t kept = 0;
      for (size_t i = 0; i < n; ++i) {
        if (memory[i] != x[i]) {
          ++kept;
          ASSERT_NEAR(0, memory[i], 1e-6 * std::fabs(x[i]));
        }
      }
      ASSERT_EQ(k, kept);
      rest += test::squared_norm_of(memory) / kTrials;
    }
    std::vector<double> squares;
    for (const double value : x) squares.push_back(value * value);
    const double expected = (1 - static_cast<double>(k) / n) * test::squared_norm_of(x);
    EXPECT_NEAR(expected, rest,
                4 * std::sqrt(variance_of_sample_sum(squares, k) / kTrials) +
                    1e-6 * test::squared_norm_of(x));
  }
}

// E11 (ALGORITHMS 4.2): x+ = x - q on F = x^2 / 2 with noise of variance s2 = c^2 in c (x + noise).
// With error feedback E x^2 = s2 / (c (2 + c - 2 c / p)), without s2 / (c (2 p - c)), p = k / d;
// the memory is 2 c (1 - p) / p E x^2. The standard error is that of independent runs.
TEST(RandK, FloorOfGradientDescentIsThatOfTheory) {
  constexpr size_t kDimension = 500;
  constexpr size_t kRuns = 12;
  constexpr int kWarmUp = 600;
  constexpr int kSteps = 1500;
  constexpr double c = 0.05;
  constexpr double p = 0.1;
  const auto codec = make_codec("rand-k:0.1");
  for (const bool error_feedback : {true, false}) {
    std::vector<double> floors, memories;
    for (uint64_t run = 0; run < kRuns; ++run) {
      Pool pool;
      Rng rng = test::test_rng(7000 + run);
      Compressor stream(*codec, error_feedback ? kErrorFeedback : MemorySpec());
      std::vector<float> x(kDimension), noise(kDimension);
      double floor = 0;
      double memory = 0;
      for (int step = 0; step < kWarmUp + kSteps; ++step) {
        rng.fill_normal(noise);
        for (size_t i = 0; i < kDimension; ++i) {
          noise[i] = static_cast<float>(c) * (x[i] + noise[i]);
        }
        SharedBuffer wire;
        ASSERT_TRUE(stream.encode(copy_of(noise, pool), 1, rng, pool, wire).ok());
        ASSERT_TRUE(codec->decode_add(wire.bytes(), -1, x).ok());
        if (step < kWarmUp) continue;
        floor += test::squared_norm_of(x) / kDimension / kSteps;
        if (error_feedback) {
          memory += test::squared_norm_of(stream.memory().floats()) / kDimension / kSteps;
        }
      }
      floors.push_back(floor);
      memories.push_back(memory);
    }
    const auto expect = [&](double expected, const std::vector<double>& samples) {
      double mean = 0;
      double spread = 0;
      for (const double sample : samples) mean += sample / kRuns;
      for (const double sample : samples) spread += std::pow(sample - mean, 2) / (kRuns - 1);
      // 12 runs: a t distribution of 11, beyond 4 with 2e-3; 6 standard errors are 9e-5.
      EXPECT_NEAR(expected, mean, 6 * std::sqrt(spread / kRuns))
          << "seeds 7000.., ef " << error_feedback;
    };
    const double with = c * c / (c * (2 + c - 2 * c / p));
    expect(error_feedback ? with : c * c / (c * (2 * p - c)), floors);
    if (error_feedback) expect(2 * c * (1 - p) / p * with, memories);
  }
}

TEST(RandK, LargeVectorsSendAsManyAsAsked) {
  Pool pool;
  Rng rng = test::test_rng(8);
  const size_t n = (size_t{1} << 20) + 1;
  const std::vector<float> x = test::make_vector(test::Shape::kRandom, n, 8);
  for (const double fraction : {0.001, 0.01, 0.49, 0.51, 0.99}) {
    const auto k = static_cast<size_t>(std::lround(fraction * static_cast<double>(n)));
    const std::vector<float> y = round_trip(*rand_k(k), copy_of(x, pool), rng, pool);
    const size_t sent = n - static_cast<size_t>(std::ranges::count(y, 0.0f));
    EXPECT_EQ(k, sent) << fraction;
  }
}

}  // namespace
}  // namespace kith
