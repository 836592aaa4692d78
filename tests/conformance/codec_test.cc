// What protocol/codec.h promises, checked for every codec of codecs.def with its own example, and
// for every chain of two: a new codec is tested by being registered.
#include "protocol/codec.h"

#include <gtest/gtest.h>

#include <utility>

#include "tests/codec_specs.h"
#include "tests/instruction_sets.h"
#include "tests/vectors.h"

namespace kith {
namespace {

class CodecConformance : public ::testing::TestWithParam<std::string> {
 protected:
  CodecConformance() : codec_(make_codec(GetParam())) {}

  SharedBuffer encode(std::span<const float> x, uint64_t seed = 1) {
    Rng rng = test::test_rng(seed);
    SharedBuffer wire;
    EXPECT_TRUE(codec_->encode(copy_of(x, pool_), rng, pool_, wire).ok());
    return wire;
  }

  std::vector<float> decode(std::span<const std::byte> wire, size_t n) {
    std::vector<float> y(n);
    EXPECT_TRUE(codec_->check(wire, n).ok());
    EXPECT_TRUE(codec_->decode_add(wire, 1.0f, y).ok());
    return y;
  }

  // Calls `check(x)` with every shape and size.
  template <class Check>
  void for_each_vector(Check check) {
    for (const test::Shape shape : test::kShapes) {
      for (const size_t n : test::kSizes) {
        SCOPED_TRACE(name_of(shape) + " n " + std::to_string(n));
        check(test::drawn_vector(shape, n, 7 * n + 1));
      }
    }
  }

  Pool pool_;
  std::unique_ptr<Codec> codec_;
};

TEST_P(CodecConformance, RoundTripIsFiniteAndNoFurtherThanTheCodecMayGo) {
  const auto check = [&](const std::vector<float>& x) {
    const std::vector<float> y = decode(encode(x).bytes(), x.size());
    double error = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_TRUE(std::isfinite(y[i]));
      error += std::pow(static_cast<double>(y[i]) - x[i], 2);
    }
    if (codec_->lossless()) {
      ASSERT_EQ(x, y);
    }
    // No codec here loses more than the vector itself, beyond half a step of fp16's least values;
    // one that sends a value in 1 + w, times that, errs by w times as much.
    const double factor = 1 + 2 * codec_->variance_bound(x.size());
    ASSERT_LE(std::sqrt(error),
              factor * (std::sqrt(test::squared_norm_of(x)) + 0x1p-25 * std::sqrt(x.size())));
  };
  for_each_vector(check);
  for (const test::Shape shape : test::kShapes) {
    for (const size_t n : test::kLargeSizes) check(test::drawn_vector(shape, n, 1));
  }
}

TEST_P(CodecConformance, SameSeedSameBytesOnEveryInstructionSet) {
  for_each_vector([&](const std::vector<float>& x) {
    const SharedBuffer first = encode(x);
    std::vector<float> decoded = decode(first.bytes(), x.size());
    test::for_each_instruction_set([&] {
      const SharedBuffer again = encode(x);
      ASSERT_TRUE(std::ranges::equal(first.bytes(), again.bytes()));
      ASSERT_EQ(decoded, decode(again.bytes(), x.size()));
    });
  });
}

TEST_P(CodecConformance, DecodesFromAnyAlignment) {
  for_each_vector([&](const std::vector<float>& x) {
    const SharedBuffer wire = encode(x);
    const test::Unaligned moved(wire.bytes());
    ASSERT_EQ(decode(wire.bytes(), x.size()), decode(moved.bytes(), x.size()));
  });
}

TEST_P(CodecConformance, DecodesTheSameInChunks) {
  for_each_vector([&](const std::vector<float>& x) {
    const SharedBuffer wire = encode(x);
    const std::vector<float> whole = decode(wire.bytes(), x.size());
    for (const size_t chunk : {size_t{64}, size_t{4096}, size_t{1} << 20}) {
      const Payload payload = test::in_chunks(wire.bytes(), chunk, pool_);
      std::vector<float> y(x.size());
      ASSERT_TRUE(check(*codec_, payload, x.size(), pool_).ok());
      ASSERT_TRUE(decode_add(*codec_, NodeId{1}, payload, 1.0f, y, pool_).ok());
      ASSERT_EQ(whole, y);
    }
  });
}

TEST_P(CodecConformance, DecodeAddsAndScales) {
  const std::vector<float> x = test::make_vector(test::Shape::kRandom, 1000, 3);
  const SharedBuffer wire = encode(x);
  const std::vector<float> once = decode(wire.bytes(), x.size());
  std::vector<float> y = test::make_vector(test::Shape::kRandom, 1000, 4);
  const std::vector<float> before = y;
  ASSERT_TRUE(codec_->decode_add(wire.bytes(), -0.25f, y).ok());
  for (size_t i = 0; i < x.size(); ++i) {
    const float expected = before[i] - 0.25f * once[i];
    ASSERT_NEAR(expected, y[i], 1e-6f * (std::fabs(before[i]) + std::fabs(once[i])));
  }
}

TEST_P(CodecConformance, RefusesNaNAndInfinity) {
  Rng rng = test::test_rng(1);
  for (const size_t n : {1, 2, 3, 7, 8, 9, 1000, 65537, 1 << 20, (1 << 20) + 3}) {
    std::vector<float> x = test::drawn_vector(test::Shape::kRandom, n, 1);
    for (const float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
      for (const size_t at : {size_t{0}, n / 2, n - 1}) {
        const float good = std::exchange(x[at], bad);
        SharedBuffer wire = copy_of(std::vector<float>{1}, pool_);
        EXPECT_EQ(Reason::kNotFinite, codec_->encode(copy_of(x, pool_), rng, pool_, wire).reason());
        EXPECT_FALSE(wire);
        x[at] = good;
      }
    }
  }
}

TEST_P(CodecConformance, RefusesTruncatedAndExtendedWires) {
  for (const size_t n : {size_t{1}, size_t{9}, size_t{1000}}) {
    const SharedBuffer wire = encode(test::make_vector(test::Shape::kRandom, n, 1));
    std::vector<float> y(n);
    for (size_t size = 0; size < wire.size(); ++size) {
      const auto cut = wire.bytes().first(size);
      ASSERT_EQ(Reason::kTruncated, codec_->check(cut, n).reason()) << size;
      ASSERT_FALSE(codec_->decode_add(cut, 1.0f, y).ok()) << size;
    }
    std::vector<std::byte> longer(wire.bytes().begin(), wire.bytes().end());
    for (int extra = 0; extra < 20; ++extra) {
      longer.push_back(std::byte{0});
      ASSERT_EQ(Reason::kOversized, codec_->check(longer, n).reason());
      ASSERT_FALSE(codec_->decode_add(longer, 1.0f, y).ok());
    }
  }
}

TEST_P(CodecConformance, RefusesAWireOfAnotherLength) {
  for (const size_t n : {size_t{1}, size_t{9}, size_t{1000}}) {
    const SharedBuffer wire = encode(test::make_vector(test::Shape::kRandom, n, 1));
    for (const size_t other : {n - 1, n + 1, 2 * n}) {
      std::vector<float> y(other);
      EXPECT_FALSE(codec_->check(wire.bytes(), other).ok()) << n << " as " << other;
      EXPECT_FALSE(codec_->decode_add(wire.bytes(), 1.0f, y).ok()) << n << " as " << other;
    }
  }
}

TEST_P(CodecConformance, WhatCheckAcceptsDecodes) {
  const size_t n = 100;
  const SharedBuffer wire = encode(test::make_vector(test::Shape::kRandom, n, 1));
  Rng rng = test::test_rng(12);
  std::vector<float> y(n);
  for (int trial = 0; trial < 20000; ++trial) {
    std::vector<std::byte> bytes(wire.bytes().begin(), wire.bytes().end());
    for (uint64_t flips = rng.below(4) + 1; flips > 0; --flips) {
      bytes[rng.below(bytes.size())] ^= static_cast<std::byte>(1u << rng.below(8));
    }
    const bool accepted = codec_->check(bytes, n).ok();
    ASSERT_EQ(accepted, codec_->decode_add(bytes, 1.0f, y).ok()) << "seed 12, trial " << trial;
  }
}

TEST_P(CodecConformance, BytesPerValueTellsTheSize) {
  const size_t width = codec_->bytes_per_value();
  if (width == 0) return;
  for (const size_t n : test::kSizes) {
    EXPECT_EQ(n * width, encode(test::make_vector(test::Shape::kRandom, n, 1)).size());
  }
}

TEST_P(CodecConformance, DescriptionMakesTheSameCodec) {
  const std::string text = codec_->describe();
  EXPECT_EQ(text, make_codec(text)->describe());
  EXPECT_EQ(0u, text.find(GetParam().substr(0, GetParam().find_first_of(": "))));
  const std::vector<float> x = test::make_vector(test::Shape::kRandom, 1000, 1);
  Rng rng = test::test_rng(1);
  SharedBuffer wire;
  ASSERT_TRUE(make_codec(text)->encode(copy_of(x, pool_), rng, pool_, wire).ok());
  EXPECT_TRUE(std::ranges::equal(encode(x).bytes(), wire.bytes()));
}

TEST_P(CodecConformance, EncodingKeepsNothingFromThePoolButTheWire) {
  const std::vector<float> x = test::make_vector(test::Shape::kRandom, 65537, 1);
  { const SharedBuffer wire = encode(x); }
  EXPECT_EQ(0u, pool_.live_bytes());
  const size_t cached = pool_.cached_bytes();
  { const SharedBuffer wire = encode(x); }
  EXPECT_EQ(cached, pool_.cached_bytes());  // the second call allocated nothing new
}

INSTANTIATE_TEST_SUITE_P(AllCodecs, CodecConformance, ::testing::ValuesIn(test::every_codec()),
                         [](const auto& info) { return test::identifier(info.param); });

}  // namespace
}  // namespace kith
