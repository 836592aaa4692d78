// The identity codec, and what the registry and the payload functions promise for every codec.
#include <gtest/gtest.h>

#include "protocol/codec.h"
#include "tests/vectors.h"

namespace kith {
namespace {

TEST(Identity, SharesTheBlockThatItIsGiven) {
  Pool pool;
  Rng rng = test::test_rng(1);
  const auto codec = make_codec("identity");
  const SharedBuffer x = copy_of(test::make_vector(test::Shape::kRandom, 1000, 1), pool);
  SharedBuffer wire;
  ASSERT_TRUE(codec->encode(x, rng, pool, wire).ok());
  EXPECT_TRUE(wire.same_block(x));
  EXPECT_TRUE(codec->lossless());
}

TEST(Identity, RoundTripIsBitExact) {
  Pool pool;
  Rng rng = test::test_rng(2);
  const auto codec = make_codec("identity");
  for (const test::Shape shape : test::kShapes) {
    const std::vector<float> x = test::make_vector(shape, 1000, 3);
    SharedBuffer wire;
    ASSERT_TRUE(codec->encode(copy_of(x, pool), rng, pool, wire).ok());
    std::vector<float> y(x.size(), -0.0f);  // -0 + x == x for every x, -0 included
    ASSERT_TRUE(codec->decode_add(wire.bytes(), 1.0f, y).ok());
    EXPECT_EQ(0, std::memcmp(x.data(), y.data(), x.size() * sizeof(float))) << name_of(shape);
  }
}

TEST(Payloads, AValueThatStraddlesTwoChunksIsRefused) {
  Pool pool;
  const auto codec = make_codec("identity");
  const std::vector<std::byte> bytes(64);
  std::vector<float> y(16);
  const Payload straddling = test::in_chunks(bytes, 30, pool);
  EXPECT_EQ(Reason::kMalformed, check(*codec, straddling, 16, pool).reason());
  EXPECT_EQ(Reason::kMalformed, decode_add(*codec, NodeId{1}, straddling, 1.0f, y, pool).reason());
  EXPECT_TRUE(check(*codec, test::in_chunks(bytes, 32, pool), 16, pool).ok());
  EXPECT_EQ(Reason::kTruncated, check(*codec, test::in_chunks(bytes, 32, pool), 17, pool).reason());
  EXPECT_EQ(Reason::kOversized, check(*codec, test::in_chunks(bytes, 32, pool), 15, pool).reason());
}

std::string refusal(const std::string& spec) {
  try {
    make_codec(spec);
  } catch (const OperatorError& error) {
    return error.what();
  }
  return "";
}

TEST(Registry, RefusesWhatItDoesNotKnowAndSaysWhatItDoes) {
  const std::string message = refusal("gzip");
  EXPECT_NE(std::string::npos, message.find("gzip"));
  for (const CodecInfo* info : all_codecs()) {
    EXPECT_NE(std::string::npos, message.find(info->name)) << message;
  }
}

TEST(Registry, RefusesWrongArgumentsWithAnExample) {
  for (const char* spec : {"identity:",
                           "identity:1",
                           "fp16:2",
                           "bf16:x",
                           "top-k",
                           "top-k:",
                           "top-k:0",
                           "top-k:-1",
                           "top-k:1.5",
                           "top-k:nan",
                           "top-k:inf",
                           "top-k:0.1x",
                           "top-k:99999999999999999999",
                           "qsgd",
                           "qsgd:0",
                           "qsgd:32768",
                           "qsgd:-3",
                           "qsgd:15:",
                           "qsgd:15:0",
                           "qsgd:15:100",
                           "qsgd:15:512:1",
                           "qsgd:1.5",
                           "",
                           ":",
                           "top-k :1"}) {
    const std::string message = refusal(spec);
    EXPECT_NE(std::string::npos, message.find(spec)) << spec;
    EXPECT_NE(std::string::npos, message.find("\"", message.find(spec) + 1)) << message;
  }
}

}  // namespace
}  // namespace kith
