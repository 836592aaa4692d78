// zstd (RFC 8878) around other codecs: the same decoded bits, fewer bytes where bytes repeat, and
// no memory for a frame that promises much.
#include <gtest/gtest.h>

#include "protocol/codec.h"
#include "tests/codec_specs.h"
#include "tests/vectors.h"

namespace kith {
namespace {

SharedBuffer encode(const std::string& spec, std::span<const float> x, Pool& pool) {
  Rng rng = test::test_rng(1);
  SharedBuffer wire;
  EXPECT_TRUE(make_codec(spec)->encode(copy_of(x, pool), rng, pool, wire).ok());
  return wire;
}

std::vector<float> decode(const std::string& spec, const SharedBuffer& wire, size_t n) {
  std::vector<float> y(n);
  const auto codec = make_codec(spec);
  EXPECT_TRUE(codec->check(wire.bytes(), n).ok());
  EXPECT_TRUE(codec->decode_add(wire.bytes(), 0.5f, y).ok());
  return y;
}

TEST(Zstd, DecodesToWhatTheInnerCodecDoes) {
  Pool pool;
  for (const std::string& spec : test::every_codec()) {
    if (spec.find("zstd") != spec.npos) continue;
    for (const test::Shape shape : test::kShapes) {
      for (const size_t n : test::kSizes) {
        SCOPED_TRACE(spec + " " + name_of(shape) + " n " + std::to_string(n));
        const std::vector<float> x = test::make_vector(shape, n, n);
        const std::string packed = spec + " | zstd:3";
        const SharedBuffer wire = encode(packed, x, pool);
        ASSERT_EQ(decode(spec, encode(spec, x, pool), n), decode(packed, wire, n));
        // A block of 128 KiB that does not shrink takes 3 bytes more; the frame 18 at most.
        const size_t whole = encode(spec, x, pool).size();
        EXPECT_LE(wire.size(), 8 + whole + 18 + 3 * (whole / 131072 + 1));
      }
    }
  }
}

TEST(Zstd, ShrinksWhatRepeats) {
  Pool pool;
  const std::vector<float> zeros(100000, 0.0f);
  EXPECT_LT(encode("zstd", zeros, pool).size(), 200u);
  const std::vector<float> sparse = test::make_vector(test::Shape::kSparse, 100000, 1);
  EXPECT_LT(encode("zstd", sparse, pool).size(), 4u * 100000 / 10);
  const std::vector<float> random = test::make_vector(test::Shape::kRandom, 100000, 1);
  EXPECT_LT(encode("bf16 | zstd", random, pool).size(), 2u * 100000 * 9 / 10);
}

TEST(Zstd, LevelsAreNumbersFromOneToNineteen) {
  EXPECT_EQ("zstd:1", make_codec("zstd")->describe());
  EXPECT_EQ("bf16 | zstd:19", make_codec("bf16|zstd:19")->describe());
  EXPECT_TRUE(make_codec("zstd")->lossless());
  EXPECT_FALSE(make_codec("bf16 | zstd")->lossless());
  EXPECT_DOUBLE_EQ(make_codec("qsgd:1")->variance_bound(99),
                   make_codec("qsgd:1 | zstd")->variance_bound(99));
  for (const char* spec : {"zstd:0", "zstd:20", "zstd:x", "zstd:1x", "zstd:-1"}) {
    EXPECT_THROW(make_codec(spec), OperatorError) << spec;
  }
}

// RFC 8878, 3.1.1: magic number, a descriptor for a single segment with a content size of 8 bytes.
std::vector<std::byte> frame_that_promises(uint64_t content) {
  std::vector<uint8_t> bytes = {16, 0, 0, 0, 0, 0, 0, 0, 0x28, 0xb5, 0x2f, 0xfd, 0xe0};
  for (int shift = 0; shift < 64; shift += 8) {
    bytes.push_back(static_cast<uint8_t>(content >> shift));
  }
  bytes.insert(bytes.end(), {1, 0, 0});  // an empty last block
  const auto view = std::as_bytes(std::span(bytes));
  return {view.begin(), view.end()};
}

TEST(Zstd, APromiseCostsNothing) {
  const auto codec = make_codec("zstd");
  std::vector<float> y(100);
  const std::pair<uint64_t, Reason> cases[] = {{400, Reason::kMalformed},  // the block holds none
                                               {2 * 400 + 4096 + 1, Reason::kOversized},
                                               {uint64_t{1} << 40, Reason::kOversized},
                                               {uint64_t{1} << 62, Reason::kOversized}};
  for (const auto& [content, reason] : cases) {
    const std::vector<std::byte> wire = frame_that_promises(content);
    EXPECT_EQ(reason, codec->check(wire, y.size()).reason()) << content;
    EXPECT_EQ(reason, codec->decode_add(wire, 1, y).reason()) << content;
  }
}

}  // namespace
}  // namespace kith
