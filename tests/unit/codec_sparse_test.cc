// Chains: the values of a sparse vector through another codec (protocol/codec/sparse.h).
#include <gtest/gtest.h>

#include "protocol/codec.h"
#include "protocol/codec/elias_fano.h"
#include "tests/codec_specs.h"
#include "tests/unit/codec_positions.h"
#include "tests/vectors.h"

namespace kith {
namespace {

std::string refusal(const std::string& spec) {
  try {
    make_codec(spec);
  } catch (const OperatorError& error) {
    return error.what();
  }
  return "";
}

struct Coded {
  SharedBuffer wire;
  std::vector<float> decoded;
};

Coded round_trip(const Codec& codec, std::span<const float> x, Rng rng, Pool& pool) {
  Coded coded;
  EXPECT_TRUE(codec.encode(copy_of(x, pool), rng, pool, coded.wire).ok());
  coded.decoded.resize(x.size());
  EXPECT_TRUE(codec.decode_add(coded.wire.bytes(), 1.0f, coded.decoded).ok());
  return coded;
}

TEST(Chain, IsTheSecondCodecOnTheValuesOfTheFirst) {
  for (const CodecInfo* second : all_codecs()) {
    if (second->make == nullptr) continue;
    for (const test::Shape shape : test::kShapes) {
      for (const size_t n : test::kSizes) {
        SCOPED_TRACE(std::string(second->example) + " " + name_of(shape) + " n " +
                     std::to_string(n));
        Pool pool;
        const std::vector<float> x = test::make_vector(shape, n, n + 3);
        const std::vector<float> kept =
            round_trip(*make_codec("top-k:0.1"), x, test::test_rng(1), pool).decoded;
        const auto chain = make_codec(std::string("top-k:0.1 | ") + second->example);
        const Coded coded = round_trip(*chain, x, test::test_rng(9), pool);
        // The positions, from the wire: of zeros top-k sends the first.
        const size_t k = n == 0 ? 0 : std::max<size_t>(1, std::lround(0.1 * n));
        const size_t position_bytes = elias_fano::bytes(n, k);
        test::Collected positions;
        ASSERT_TRUE(
            elias_fano::decode(coded.wire.bytes().subspan(8, position_bytes), n, k, positions)
                .ok());
        const std::vector<uint32_t>& indices = positions.indices;
        std::vector<float> values;
        for (const uint32_t i : indices) values.push_back(x[i]);
        const Coded alone =
            round_trip(*make_codec(second->example), values, test::test_rng(9), pool);
        ASSERT_TRUE(
            std::ranges::equal(alone.wire.bytes(), coded.wire.bytes().subspan(8 + position_bytes)));
        std::vector<float> expected(n);
        for (size_t i = 0; i < k; ++i) expected[indices[i]] += alone.decoded[i];
        ASSERT_EQ(expected, coded.decoded);
        for (size_t i = 0; i < n; ++i) ASSERT_TRUE(kept[i] == 0 || kept[i] == x[i]);
      }
    }
  }
}

TEST(Chain, IsUnbiasedWhereAllOfItIs) {
  for (const char* spec : {"identity", "zstd", "qsgd:15", "rand-k:0.1", "rand-k:0.1 | terngrad",
                           "rand-k:1.0 | natural | zstd", "eden:2", "drive:unbiased"}) {
    EXPECT_TRUE(make_codec(spec)->unbiased()) << spec;
  }
  for (const char* spec :
       {"bf16", "sign", "top-k:0.1", "top-k:0.1 | terngrad", "threshold:1 | qsgd:3",
        "rand-k:0.1 | int8", "top-k:0.1 | qsgd:3 | zstd", "drive", "powersgd:2"}) {
    EXPECT_FALSE(make_codec(spec)->unbiased()) << spec;
  }
}

// The bits of the table in protocol/codec/README.md: top-k of ALGORITHMS 2C with 8.56 bits an index
// in place of ceil(log2 n), QSGD's with k in place of n.
TEST(Chain, BitsAreThoseOfThePositionsAndOfTheValues) {
  Pool pool;
  constexpr size_t n = 65537;
  const std::vector<float> x = test::make_vector(test::Shape::kRandom, n, 3);
  const size_t k = 655;
  const size_t positions = elias_fano::bytes(n, k);
  EXPECT_EQ((k + (n - 1) / 64 + 7) / 8 + (6 * k + 7) / 8, positions);
  const std::pair<const char*, size_t> cases[] = {
      {"top-k:0.01", 8 + positions + 4 * k},
      {"top-k:0.01 | bf16", 8 + positions + 2 * k},
      {"top-k:0.01 | qsgd:15", 8 + positions + 4 + 4 * 2 + (5 * k + 7) / 8},
      {"rand-k:0.01", 8 + 8 + 4 * k},
      {"rand-k:0.01 | qsgd:15", 8 + 8 + 4 + 4 * 2 + (5 * k + 7) / 8},
  };
  for (const auto& [spec, bytes] : cases) {
    EXPECT_EQ(bytes, round_trip(*make_codec(spec), x, test::test_rng(2), pool).wire.size()) << spec;
  }
}

TEST(Chain, IdentityIsWhatASparseVectorHasAnyway) {
  EXPECT_EQ("top-k:0.01", make_codec("top-k:0.01 | identity")->describe());
  EXPECT_EQ("top-k:0.01 | qsgd:15:512", make_codec("top-k:0.01|qsgd:15")->describe());
  EXPECT_EQ("rand-k:7 | bf16", make_codec("rand-k:7  |  bf16")->describe());
}

// With w of each, (1 + w1)(1 + w2) - 1 of both (independent draws).
TEST(Chain, VarianceBoundIsThatOfBoth) {
  const double qsgd = make_codec("qsgd:1:64")->variance_bound(64);
  EXPECT_DOUBLE_EQ(8, qsgd);
  EXPECT_DOUBLE_EQ(10 * (1 + qsgd) - 1, make_codec("rand-k:0.1 | qsgd:1:64")->variance_bound(1000));
  EXPECT_DOUBLE_EQ(9, make_codec("rand-k:0.1 | bf16")->variance_bound(1000));
  EXPECT_DOUBLE_EQ(qsgd, make_codec("top-k:0.1 | qsgd:1:64")->variance_bound(1000));
  EXPECT_DOUBLE_EQ(0, make_codec("top-k:0.1 | bf16")->variance_bound(1000));
  EXPECT_DOUBLE_EQ(qsgd, make_codec("threshold:1 | qsgd:1:64")->variance_bound(1000));
}

// E||Q(x) - x||^2 given the positions: (n / k)^2 times QSGD's own on the values that are sent, and
// what rand-k leaves out. The same draws give plain rand-k the same positions. 4 standard errors,
// as they are measured over 3000 trials.
TEST(Chain, OfUnbiasedCodecsIsUnbiasedWithTheVarianceOfBoth) {
  Pool pool;
  constexpr size_t n = 500;
  constexpr double kGain = 10;
  constexpr int kTrials = 3000;
  const auto chain = make_codec("rand-k:0.1 | qsgd:4");
  const auto plain = make_codec("rand-k:0.1");
  for (const test::Shape shape : {test::Shape::kRandom, test::Shape::kHeavyTailed}) {
    const std::vector<float> x = test::make_vector(shape, n, 77);
    double difference = 0, difference_squares = 0, bias = 0, bias_squares = 0;
    for (int t = 0; t < kTrials; ++t) {
      const Rng rng = test::test_rng(40000 + t);
      const std::vector<float> sent = round_trip(*plain, x, rng, pool).decoded;
      const std::vector<float> y = round_trip(*chain, x, rng, pool).decoded;
      double norm = 0;
      for (const float s : sent) norm += s / kGain * s / kGain;
      const double unit = std::sqrt(norm) / 4;
      double expected = 0, error = 0, signed_error = 0;
      for (size_t i = 0; i < n; ++i) {
        expected += std::pow(static_cast<double>(sent[i]) - x[i], 2);
        const double v = std::fabs(sent[i]) / kGain / unit;
        const double q = v - std::floor(v);
        expected += kGain * kGain * unit * unit * q * (1 - q);
        error += std::pow(static_cast<double>(y[i]) - x[i], 2);
        signed_error += (y[i] - x[i]) * (x[i] < 0 ? -1 : 1);
      }
      difference += (error - expected) / kTrials;
      difference_squares += std::pow(error - expected, 2) / kTrials;
      bias += signed_error / kTrials;
      bias_squares += signed_error * signed_error / kTrials;
    }
    EXPECT_NEAR(0, difference, 4 * std::sqrt(difference_squares / kTrials)) << "seeds 40000..";
    EXPECT_NEAR(0, bias, 4 * std::sqrt(bias_squares / kTrials)) << "seeds 40000..";
  }
}

TEST(Chain, RefusesWhatIsNone) {
  const std::pair<const char*, const char*> cases[] = {
      {"qsgd:15 | top-k:1", "qsgd"},      {"identity | identity", "identity"},
      {"top-k:1 | rand-k:1", "rand-k"},   {"top-k:1 |", "not known"},
      {"| qsgd:15", "not known"},         {"top-k:1 | gzip", "gzip"},
      {"top-k | qsgd:15", "fraction"},    {"top-k:0.1 | qsgd:0", "levels"},
      {"top-k:0.1 | fp16:2", "argument"}, {"zstd | qsgd:15", "zstd"},
      {"top-k:1 | zstd | bf16", "zstd"},  {"top-k:1 | bf16 | qsgd:1", "qsgd"},
      {"zstd | zstd | bf16", "zstd"},
  };
  for (const auto& [spec, word] : cases) {
    EXPECT_NE(std::string::npos, refusal(spec).find(word)) << spec << ": " << refusal(spec);
  }
}

// A count beyond the vector, or beyond what the wire holds, costs nothing and is refused.
TEST(Chain, ACountOfTheWireIsNoPromise) {
  Pool pool;
  const auto codec = make_codec("threshold:1 | qsgd:15");
  const std::vector<float> x = test::make_vector(test::Shape::kRandom, 1000, 4);
  const SharedBuffer wire = round_trip(*codec, x, test::test_rng(1), pool).wire;
  for (const uint32_t k : {0u, 1u, 999u, 1000u, 1001u, 1u << 31, ~0u}) {
    std::vector<std::byte> bytes(wire.bytes().begin(), wire.bytes().end());
    std::memcpy(bytes.data() + 4, &k, sizeof k);
    std::vector<float> y(1000);
    EXPECT_FALSE(codec->check(bytes, 1000).ok()) << k;
    EXPECT_FALSE(codec->decode_add(bytes, 1, y).ok()) << k;
  }
}

}  // namespace
}  // namespace kith
