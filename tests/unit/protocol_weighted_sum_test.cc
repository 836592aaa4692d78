// The blocked sum gives the bits of the sum term by term, for every codec, size and chunking.
#include <gtest/gtest.h>

#include "protocol/kernels.h"
#include "protocol/limits.h"
#include "protocol/weighted_sum.h"
#include "tests/vectors.h"

namespace kith {
namespace {

// The payload in pieces as they come off the wire; the last one may be short.
Payload in_chunks(const SharedBuffer& whole, size_t chunk_bytes, Pool& pool) {
  std::vector<SharedBuffer> chunks;
  for (size_t at = 0; at < whole.size(); at += chunk_bytes) {
    const size_t size = std::min(chunk_bytes, whole.size() - at);
    Buffer chunk = pool.acquire(size);
    std::memcpy(chunk.data(), whole.data() + at, size);
    chunks.push_back(std::move(chunk).freeze());
  }
  return Payload::from_chunks(std::move(chunks));
}

TEST(WeightedSum, EqualsTheSumTermByTerm) {
  for (const CodecInfo* info : all_codecs()) {
    if (make_codec(info->example)->decodes_jointly()) continue;
    for (const size_t n : {size_t{1}, size_t{4095}, size_t{4096}, size_t{4097}, size_t{1100001}}) {
      for (const size_t chunk_bytes : {size_t{64}, limits::kChunkBytes}) {
        if (chunk_bytes == 64 && n > 5000) continue;
        SCOPED_TRACE(std::string(info->example) + " n " + std::to_string(n));
        Pool pool;
        Rng rng = test::test_rng(n);
        const auto codec = make_codec(info->example);
        const std::vector<float> v = test::make_vector(test::Shape::kRandom, n, 1);
        SharedBuffer wire;
        const SharedBuffer x = copy_of(test::make_vector(test::Shape::kRandom, n, 2), pool);
        ASSERT_TRUE(codec->encode(x, rng, pool, wire).ok());
        const Payload whole = wire;
        const Payload pieces = in_chunks(wire, chunk_bytes, pool);
        const Term terms[] = {
            {0.5f, v, nullptr}, {0.3f, {}, &pieces}, {1.0f, v, nullptr}, {-0.7f, {}, &whole}};
        std::vector<float> sum(n), expected(n);
        weighted_sum(*codec, terms, sum, pool);
        kernels::scale(0.5f, v, expected);
        ASSERT_TRUE(codec->decode_add(wire.bytes(), 0.3f, expected).ok());
        kernels::axpy(1.0f, v, expected);
        ASSERT_TRUE(codec->decode_add(wire.bytes(), -0.7f, expected).ok());
        EXPECT_EQ(sum, expected);

        const Term payload_first[] = {{0.3f, {}, &pieces}, {2.0f, v, nullptr}};
        weighted_sum(*codec, payload_first, sum, pool);
        std::ranges::fill(expected, 0.0f);
        ASSERT_TRUE(codec->decode_add(wire.bytes(), 0.3f, expected).ok());
        kernels::axpy(2.0f, v, expected);
        EXPECT_EQ(sum, expected);
      }
    }
  }
}

// More summands than are added in one pass, in long runs of a kind, short ones and mixed.
TEST(WeightedSum, OfManyTermsEqualsTheSumTermByTerm) {
  for (const char* name : {"identity", "fp16", "zstd", "top-k:0.1"}) {
    for (const size_t n : {size_t{3}, size_t{4097}, size_t{9000}}) {
      SCOPED_TRACE(std::string(name) + " n " + std::to_string(n));
      Pool pool;
      Rng rng = test::test_rng(n);
      const auto codec = make_codec(name);
      std::vector<std::vector<float>> values;
      std::vector<Payload> payloads;
      for (uint64_t i = 0; i < 60; ++i) {
        values.push_back(test::make_vector(test::Shape::kRandom, n, 2 * i));
        SharedBuffer wire;
        const SharedBuffer x = copy_of(test::make_vector(test::Shape::kRandom, n, 2 * i + 1), pool);
        ASSERT_TRUE(codec->encode(x, rng, pool, wire).ok());
        payloads.push_back(i % 3 == 0 ? in_chunks(wire, 64, pool) : Payload(wire));
      }
      std::vector<Term> terms;
      std::vector<float> sum(n), expected(n);
      for (size_t i = 0; i < 60; ++i) {
        const float scale = 0.1f * static_cast<float>(i) - 2;
        const bool plain = i == 0 || (i >= 30 && i < 50) || i % 7 == 0;
        if (plain) {
          terms.push_back({scale, values[i], nullptr});
          kernels::axpy(scale, values[i], expected);
        } else {
          terms.push_back({scale, {}, &payloads[i]});
          ASSERT_TRUE(decode_add(*codec, {}, payloads[i], scale, expected, pool).ok());
        }
        weighted_sum(*codec, terms, sum, pool);
        ASSERT_EQ(sum, expected) << "of " << i + 1 << " terms";
      }
    }
  }
}

// The plain values first, then all payloads at once, in one piece each.
TEST(WeightedSum, OfACodecThatDecodesJointly) {
  Pool pool;
  Rng rng = test::test_rng(5);
  for (const char* spec : {"rand-k-spatial:0.3:avg", "rand-k-spatial:0.3:max | int8 | zstd"}) {
    const auto codec = make_codec(spec);
    ASSERT_TRUE(codec->decodes_jointly());
    const std::vector<float> v = test::make_vector(test::Shape::kRandom, 1000, 1);
    SharedBuffer wires[2];
    for (SharedBuffer& wire : wires) {
      const SharedBuffer x = copy_of(test::make_vector(test::Shape::kRandom, 1000, 2), pool);
      ASSERT_TRUE(codec->encode(x, rng, pool, wire).ok());
    }
    const Payload first = in_chunks(wires[0], 64, pool);
    const Payload second = wires[1];
    const Term terms[] = {
        {0.3f, {}, &first}, {0.5f, v, nullptr}, {-0.7f, {}, &second}, {1.0f, v, nullptr}};
    std::vector<float> sum(1000), expected(1000);
    weighted_sum(*codec, terms, sum, pool);
    kernels::axpy(0.5f, v, expected);
    kernels::axpy(1.0f, v, expected);
    const Codec::Coded coded[] = {{wires[0].bytes(), 0.3f}, {wires[1].bytes(), -0.7f}};
    ASSERT_TRUE(codec->decode_add_all(coded, expected).ok());
    EXPECT_EQ(sum, expected);
    const Term plain[] = {{2.0f, v, nullptr}};
    weighted_sum(*codec, plain, sum, pool);
    for (size_t i = 0; i < v.size(); ++i) ASSERT_EQ(2 * v[i], sum[i]);
    // Values that both sent do not weigh what they would one after the other.
    std::vector<float> apart(1000);
    for (const Codec::Coded& each : coded) {
      ASSERT_TRUE(codec->decode_add(each.bytes, each.scale, apart).ok());
    }
    std::ranges::fill(expected, 0.0f);
    ASSERT_TRUE(codec->decode_add_all(coded, expected).ok());
    EXPECT_NE(apart, expected);
  }
}

// y += sum of scale (payload - own): in blocks or not the same bits; what two nodes add of their
// difference cancels to the last bit; between equal ones it is 0.
TEST(Differences, CancelBetweenTwoNodesAndVanishBetweenEqualOnes) {
  for (const char* name : {"identity", "fp16", "zstd", "int8"}) {
    for (const size_t n : {size_t{1}, size_t{4096}, size_t{4097}, size_t{100001}}) {
      SCOPED_TRACE(std::string(name) + " n " + std::to_string(n));
      Pool pool;
      Rng rng = test::test_rng(n);
      const auto codec = make_codec(name);
      Payload wires[2];
      std::vector<float> told[2];  // as all nodes decode them
      for (size_t i = 0; i < 2; ++i) {
        SharedBuffer wire;
        const SharedBuffer x = copy_of(test::make_vector(test::Shape::kRandom, n, 5 + i), pool);
        ASSERT_TRUE(codec->encode(x, rng, pool, wire).ok());
        wires[i] = wire;
        told[i].assign(n, 0.0f);
        ASSERT_TRUE(decode_add(*codec, NodeId{0}, wires[i], 1.0f, told[i], pool).ok());
      }
      const float weight = 1.0f / 3;
      std::vector<float> sums[2];
      for (size_t i = 0; i < 2; ++i) {
        sums[i].assign(n, 0.0f);
        const Term other[] = {{weight, {}, &wires[1 - i], NodeId{1}}};
        add_differences(*codec, told[i], other, sums[i], pool);
        const Term pieces[] = {{0.7f, {}, &wires[i], NodeId{1}}};
        std::vector<float> none(n, 0.25f);
        add_differences(*codec, told[i], pieces, none, pool);
        for (const float value : none) ASSERT_EQ(value, 0.25f);
      }
      for (size_t j = 0; j < n; ++j) {
        ASSERT_EQ(sums[0][j], -sums[1][j]);
        ASSERT_EQ(sums[0][j], weight * (told[1][j] - told[0][j]));
      }
    }
  }
}

}  // namespace
}  // namespace kith
