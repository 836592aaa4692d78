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

}  // namespace
}  // namespace kith
