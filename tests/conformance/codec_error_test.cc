// ALGORITHMS 2C for every codec, on every shape and size of vector: the mean squared error is what
// Codec::expected_error says, unbiased codecs have the mean x, and wires are as long as
// protocol/codec/README.md has it. What the expected error itself is made of is checked in
// tests/unit, codec by codec, against sums of the tests' own.
//
// Means are within 4 standard errors, estimated from the sample itself: 6e-5 false alarms each, if
// normal. Some thousand means are compared, so that one in ten seeds would fail somewhere; seeds
// are fixed, hence what passes once passes always, and a change of a codec's draws that fails by
// chance shows on one vector alone. Single values are not compared one by one, since of 2^20 means
// many lie beyond 4 standard errors: for each vector two sums over all values are, and the sum of
// the squared means, whose spread is at most that of one value carrying it all.
#include <gtest/gtest.h>

#include <bit>
#include <map>

#include "protocol/codec.h"
#include "tests/codec_specs.h"
#include "tests/vectors.h"

namespace kith {
namespace {

constexpr double kStandardErrors = 4;

size_t encodings_for(size_t n) { return n < 10000 ? 1000 : 16; }

class Mean {
 public:
  void add(double value) {
    ++count_;
    const double off = value - mean_;
    mean_ += off / static_cast<double>(count_);
    squares_ += off * (value - mean_);
  }
  double mean() const { return mean_; }
  double standard_error() const {
    const auto count = static_cast<double>(count_);
    return std::sqrt(squares_ / (count - 1) / count);
  }

 private:
  size_t count_ = 0;
  double mean_ = 0;
  double squares_ = 0;
};

struct Sample {
  size_t encodings = 0;
  std::vector<double> mean;
  Mean error = {};     // |Q(x) - x|^2
  Mean sum = {};       // of Q(x) - x over all values
  Mean outward = {};   // of its part away from zero
  double largest = 0;  // |Q(x)_i - x_i| of any value, and |x_i|
};

class CodecError : public ::testing::TestWithParam<std::string> {
 protected:
  CodecError() : codec_(make_codec(GetParam())) {}

  // Calls `check(x, sample)` for every shape and size.
  template <class Check>
  void for_each_sample(Check check) {
    std::vector<size_t> sizes(std::begin(test::kSizes), std::end(test::kSizes));
    sizes.insert(sizes.end(), std::begin(test::kLargeSizes), std::end(test::kLargeSizes));
    for (const test::Shape shape : test::kShapes) {
      for (const size_t n : sizes) {
        const uint64_t seed = 11 * n + 5;
        SCOPED_TRACE(name_of(shape) + " n " + std::to_string(n) + " seed " + std::to_string(seed));
        const std::vector<float>& x = test::drawn_vector(shape, n, seed);
        check(x, sample_of(x, seed));
      }
    }
  }

  Sample sample_of(const std::vector<float>& x, uint64_t seed) {
    const SharedBuffer shared = copy_of(x, pool_);
    Rng rng = test::test_rng(seed);
    Sample sample{.encodings = encodings_for(x.size()), .mean = std::vector<double>(x.size())};
    std::vector<float> y(x.size());
    for (size_t t = 0; t < sample.encodings; ++t) {
      SharedBuffer wire;
      EXPECT_TRUE(codec_->encode(shared, rng, pool_, wire).ok());
      std::ranges::fill(y, 0.0f);
      EXPECT_TRUE(codec_->decode_add(wire.bytes(), 1.0f, y).ok());
      add(x, y, sample);
    }
    return sample;
  }

  static void add(const std::vector<float>& x, const std::vector<float>& y, Sample& sample) {
    double error = 0;
    double sum = 0;
    double outward = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double off = static_cast<double>(y[i]) - static_cast<double>(x[i]);
      error += off * off;
      sum += off;
      outward += x[i] < 0 ? -off : off;
      sample.mean[i] += off / static_cast<double>(sample.encodings);
      sample.largest = std::max({sample.largest, std::fabs(off), std::fabs(double{x[i]})});
    }
    sample.error.add(error);
    sample.sum.add(sum);
    sample.outward.add(outward);
  }

  Pool pool_;
  std::unique_ptr<Codec> codec_;
};

// How far floats may move what is decoded: some units in the last place of each value, and of the
// least floats.
double rounding_of(const std::vector<float>& x, double error) {
  const double length = std::sqrt(test::squared_norm_of(x)) + std::sqrt(error);
  return 0x1p-22 * length + 0x1p-145 * std::sqrt(static_cast<double>(x.size()));
}

// A value that hardly ever goes the other way may not have done so in the sample: but for e^-10 no
// such event is rarer than 10 in the number of encodings, and it moves the value by no more than
// what has been seen, or its own size; that rand-k sends a value at all is such an event where
// encodings are few.
double unseen_jump(const std::string& spec, const Codec& codec, const std::vector<float>& x,
                   const Sample& sample) {
  const double gain = 1 + codec.variance_bound(x.size());
  const bool rare = spec.starts_with("rand-k") && static_cast<double>(sample.encodings) < 10 * gain;
  return rare ? gain * sample.largest : sample.largest;
}

double unseen(const Sample& sample, double jump) {
  return 10 * jump / static_cast<double>(sample.encodings);
}

// The squared norm carries the probabilities of the codecs, which have 24 bits.
void expect_error_of_law(const std::string& spec, const Codec& codec, const std::vector<float>& x,
                         const Sample& sample) {
  const std::optional<double> expected = codec.expected_error(x);
  ASSERT_TRUE(expected);
  const double rounding = rounding_of(x, *expected);
  const double rare = codec.variance_bound(x.size()) > 0
                          ? unseen(sample, std::pow(unseen_jump(spec, codec, x, sample), 2))
                          : 0;  // nothing is random
  EXPECT_NEAR(*expected, sample.error.mean(),
              kStandardErrors * sample.error.standard_error() + rare +
                  2 * rounding * std::sqrt(*expected) + rounding * rounding +
                  0x1p-22 * test::squared_norm_of(x));
}

void expect_mean_of(const std::string& spec, const Codec& codec, const std::vector<float>& x,
                    const Sample& sample) {
  const double rounding =
      rounding_of(x, sample.error.mean()) * std::sqrt(static_cast<double>(x.size()));
  for (const Mean& sum : {sample.sum, sample.outward}) {
    EXPECT_NEAR(0, sum.mean(),
                kStandardErrors * sum.standard_error() +
                    unseen(sample, unseen_jump(spec, codec, x, sample)) + rounding);
  }
  double squares = 0;
  for (const double mean : sample.mean) squares += mean * mean;
  const double variance = sample.error.mean() + kStandardErrors * sample.error.standard_error();
  EXPECT_LE(squares, variance / static_cast<double>(sample.encodings) *
                             (1 + kStandardErrors * std::sqrt(2.0)) +
                         rounding * rounding);
}

// Every stage of a chain is unbiased by itself. Of rotations by random signs the mean is not
// exactly x: codec_eden_test.cc.
bool exactly_unbiased(const std::string& spec) {
  for (size_t first = 0; first < spec.size();) {
    const size_t end = std::min(spec.find(" | ", first), spec.size());
    const std::string stage = spec.substr(first, end - first);
    const std::unique_ptr<Codec> codec = make_codec(stage);
    const bool rotated = stage.starts_with("eden") || stage.starts_with("drive");
    if (rotated || (codec->variance_bound(1000) == 0 && !codec->lossless())) return false;
    first = end + 3;
  }
  return true;
}

TEST_P(CodecError, MeanAndSquaredErrorAreThoseOfTheLaw) {
  const bool has_law = codec_->expected_error(std::vector<float>{1}).has_value();
  const bool unbiased = exactly_unbiased(GetParam());
  if (!has_law && !unbiased) return;
  for_each_sample([&](const std::vector<float>& x, const Sample& sample) {
    if (has_law) expect_error_of_law(GetParam(), *codec_, x, sample);
    if (unbiased) expect_mean_of(GetParam(), *codec_, x, sample);
  });
}

uint32_t word_at(std::span<const std::byte> wire, size_t at) {
  uint32_t word;
  std::memcpy(&word, wire.data() + at, sizeof word);
  return word;
}

constexpr size_t over(size_t a, size_t b) { return (a + b - 1) / b; }

size_t positions_bytes(size_t n, size_t k) {
  if (k == 0) return 0;
  const auto l = static_cast<size_t>(std::log2(n / k));
  return over(k + ((n - 1) >> l), 8) + over(k * l, 8);
}

// Of drive and eden: the numbers of the blocks, and b bits a value.
size_t rotated_bytes(size_t n, size_t b) {
  const size_t rest = n % 4096;
  const auto powers = static_cast<size_t>(std::popcount(rest / 128));
  const size_t blocks = n / 4096 + powers + (rest % 128 > 0 ? 1 : 0);
  return 12 + 4 * blocks + over(n, 128) * 16 * b;
}

size_t blocks_bytes(size_t n, size_t block, size_t numbers, size_t codes) {
  return 4 + 4 * numbers * over(n, block) + codes;
}

// Without a layout: one matrix of about as many rows as columns.
size_t powersgd_bytes(size_t n, size_t rank) {
  if (n == 0) return 4;
  const auto columns = static_cast<size_t>(std::ceil(std::sqrt(n)));
  const size_t rows = over(n, columns);
  return 4 + 4 * std::min({rank, rows, columns}) * (rows + columns);
}

// Of the codecs that code every value, by their examples; 0 = the table lacks it.
size_t dense_bytes(const std::string& spec, size_t n) {
  const std::map<std::string, size_t> bytes = {
      {"identity", 4 * n},
      {"fp16", 2 * n},
      {"bf16", 2 * n},
      {"qsgd:15", blocks_bytes(n, 512, 1, over(5 * n, 8))},
      {"drive", rotated_bytes(n, 1)},
      {"eden:2", rotated_bytes(n, 2)},
      {"sign", blocks_bytes(n, 4096, 1, over(n, 8))},
      {"int8", blocks_bytes(n, 2048, 1, n)},
      {"int8-stochastic", blocks_bytes(n, 2048, 1, n)},
      {"int8-minmax", blocks_bytes(n, 2048, 2, n)},
      {"terngrad", blocks_bytes(n, 640, 1, over(n, 5))},
      {"natural", blocks_bytes(n, 2048, 1, n)},
      {"fp8:e4m3", blocks_bytes(n, 2048, 1, n)},
      {"powersgd:2", powersgd_bytes(n, 2)},
  };
  EXPECT_TRUE(bytes.contains(spec)) << "no line of the README for " << spec;
  return bytes.contains(spec) ? bytes.at(spec) : 0;
}

// The table of protocol/codec/README.md, once more.
size_t documented_bytes(const std::string& spec, size_t n, std::span<const std::byte> wire) {
  const auto starts = [&](const char* name) { return spec.starts_with(name); };
  if (spec.ends_with("zstd")) return 8 + word_at(wire, 0);
  const size_t bar = spec.find(" | ");
  const std::string values = bar == spec.npos ? "identity" : spec.substr(bar + 3);
  const size_t share = n == 0 ? 0 : std::max<size_t>(1, std::lround(0.01 * n));
  if (starts("top-k:0.01")) return 8 + positions_bytes(n, share) + dense_bytes(values, share);
  if (starts("rand-k:0.01") || starts("rand-k-spatial:0.01"))
    return 16 + dense_bytes(values, share);
  if (starts("threshold:")) {
    const size_t k = word_at(wire, 4);
    return 8 + positions_bytes(n, k) + dense_bytes(values, k);
  }
  return dense_bytes(spec, n);
}

TEST_P(CodecError, WireIsAsLongAsDocumented) {
  std::vector<size_t> sizes(std::begin(test::kSizes), std::end(test::kSizes));
  sizes.insert(sizes.end(), std::begin(test::kLargeSizes), std::end(test::kLargeSizes));
  for (const test::Shape shape : test::kShapes) {
    for (const size_t n : sizes) {
      SCOPED_TRACE(name_of(shape) + " n " + std::to_string(n));
      const SharedBuffer x = copy_of(test::drawn_vector(shape, n, 11 * n + 5), pool_);
      Rng rng = test::test_rng(n);
      SharedBuffer wire;
      ASSERT_TRUE(codec_->encode(x, rng, pool_, wire).ok());
      EXPECT_EQ(documented_bytes(GetParam(), n, wire.bytes()), wire.size());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AllCodecs, CodecError, ::testing::ValuesIn(test::every_codec()),
                         [](const auto& info) { return test::identifier(info.param); });

}  // namespace
}  // namespace kith
