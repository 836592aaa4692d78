// The wire of protocol/codec/elias_fano.h: read bit by bit as it is documented, and one to one.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "protocol/codec/elias_fano.h"
#include "protocol/status.h"
#include "tests/unit/codec_positions.h"
#include "tests/vectors.h"

namespace kith {
namespace {

std::vector<uint32_t> random_subset(size_t n, size_t k, Rng& rng) {
  std::set<uint32_t> chosen;
  while (chosen.size() < k) chosen.insert(static_cast<uint32_t>(rng.below(n)));
  return {chosen.begin(), chosen.end()};
}

// The position of each 1 among the highs, with its low.
std::vector<uint32_t> decode_slowly(std::span<const std::byte> coded, size_t n, size_t k) {
  const auto l = static_cast<size_t>(std::floor(std::log2(static_cast<double>(n / k))));
  const auto bit = [&](size_t at) {
    return std::to_integer<uint32_t>(coded[at / 8] >> at % 8) & 1;
  };
  const size_t high_bits = k + ((n - 1) >> l);
  const size_t lows = (high_bits + 7) / 8 * 8;
  std::vector<uint32_t> indices;
  for (size_t at = 0; at < high_bits; ++at) {
    if (!bit(at)) continue;
    const size_t i = indices.size();
    uint32_t index = static_cast<uint32_t>(at - i) << l;
    for (size_t b = 0; b < l; ++b) index |= bit(lows + i * l + b) << b;
    indices.push_back(index);
  }
  return indices;
}

TEST(EliasFano, WireIsAsDocumented) {
  Rng rng = test::test_rng(1);
  for (const size_t n : {1, 2, 3, 7, 8, 9, 63, 64, 65, 1000, 65537}) {
    for (const size_t k :
         {size_t{1}, size_t{2}, size_t{3}, n / 100, n / 10, n / 3, n / 2, n - 1, n}) {
      if (k == 0 || k > n) continue;
      SCOPED_TRACE("n " + std::to_string(n) + " k " + std::to_string(k));
      const std::vector<uint32_t> indices = random_subset(n, k, rng);
      std::vector<std::byte> coded(elias_fano::bytes(n, k));
      elias_fano::encode(indices, n, coded);
      EXPECT_EQ(indices, decode_slowly(coded, n, k));
      const test::Unaligned moved(coded);
      test::Collected decoded;
      ASSERT_TRUE(elias_fano::check(moved.bytes(), n, k).ok());
      ASSERT_TRUE(elias_fano::decode(moved.bytes(), n, k, decoded).ok());
      EXPECT_EQ(indices, decoded.indices);
    }
  }
}

TEST(EliasFano, NothingTakesNothing) {
  for (const size_t n : {size_t{0}, size_t{1000}}) {
    EXPECT_EQ(0u, elias_fano::bytes(n, 0));
    elias_fano::encode({}, n, {});
    EXPECT_TRUE(elias_fano::check({}, n, 0).ok());
    test::Collected decoded;
    EXPECT_TRUE(elias_fano::decode({}, n, 0, decoded).ok());
    EXPECT_TRUE(decoded.indices.empty());
  }
}

// At most a bit a position above log2 of the number of subsets, which no code beats on average, and
// of which Stirling's formula leaves out some log2(n) / 2 (Elias 1974).
TEST(EliasFano, TakesLittleMoreThanAnyCodeMust) {
  for (const double fraction : {0.5, 0.1, 0.01, 0.001, 1e-4}) {
    const double n = 25e6;
    const double k = fraction * n;
    const double least =
        (std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1)) / std::log(2.0) / k;
    const double taken = 8.0 * static_cast<double>(elias_fano::bytes(25'000'000, k)) / k;
    RecordProperty("bits at " + std::to_string(fraction), std::to_string(taken));
    EXPECT_GE(taken, least) << fraction;
    EXPECT_LE(taken, least + 1 + std::log2(n) / k) << fraction;
  }
  EXPECT_EQ((250000 + 390624 + 7) / 8 + 250000 * 6 / 8, elias_fano::bytes(25'000'000, 250'000));
}

// Of all strings of the right size exactly the C(n, k) that encode writes are taken.
TEST(EliasFano, EverySubsetHasOneWireAndNothingElseDecodes) {
  for (size_t n = 1; n <= 9; ++n) {
    size_t binomial = 1;
    for (size_t k = 1; k <= n; ++k) {
      binomial = binomial * (n - k + 1) / k;
      const size_t size = elias_fano::bytes(n, k);
      if (size > 2) continue;
      SCOPED_TRACE("n " + std::to_string(n) + " k " + std::to_string(k));
      size_t accepted = 0;
      for (uint32_t bits = 0; bits < 1u << 8 * size; ++bits) {
        const std::span<const std::byte> coded = std::as_bytes(std::span(&bits, 1)).first(size);
        test::Collected decoded;
        const bool good = elias_fano::decode(coded, n, k, decoded).ok();
        ASSERT_EQ(good, elias_fano::check(coded, n, k).ok()) << bits;
        if (!good) continue;
        ++accepted;
        std::vector<std::byte> again(size);
        elias_fano::encode(decoded.indices, n, again);
        ASSERT_TRUE(std::ranges::equal(coded, again)) << bits;
      }
      EXPECT_EQ(binomial, accepted);
    }
  }
}

// The largest that limits.h allows: lows of 31 bits.
TEST(EliasFano, ReachesTheLastParameter) {
  constexpr size_t kMost = size_t{1} << 31;
  for (const std::vector<uint32_t>& indices :
       std::vector<std::vector<uint32_t>>{{0}, {kMost - 1}, {0, kMost - 1}, {5, 1u << 30}}) {
    std::vector<std::byte> coded(elias_fano::bytes(kMost, indices.size()));
    elias_fano::encode(indices, kMost, coded);
    test::Collected decoded;
    ASSERT_TRUE(elias_fano::decode(coded, kMost, indices.size(), decoded).ok());
    EXPECT_EQ(indices, decoded.indices);
  }
}

}  // namespace
}  // namespace kith
