// A wire that promises more than it holds costs no memory: with 2^32 - 1, 2^60 or 2^64 - 1 in the
// place of any of its numbers, in every codec, every chain, and a codec by layers, check and
// decode_add ask the heap for no more than an honest wire may take.
#include <gtest/gtest.h>

#include <cstring>

#include "protocol/layered_codec.h"
#include "tests/allocations.h"
#include "tests/codec_specs.h"
#include "tests/unit/codec_round_trip.h"
#include "tests/vectors.h"

namespace kith {
namespace {

using Wire = std::vector<std::byte>;

constexpr size_t kValues = 300;
// A bit for each value, an index of each, twice the vector and 4 KiB for what is unpacked.
constexpr size_t kMostBytes = 16 << 10;
const std::string kPacked = " | zstd";

// As `zstd` writes it, around one raw block (RFC 8878, 3.1.1: magic number, a descriptor for a
// single segment and 8 bytes of content size, the header of a last block).
Wire packed(std::span<const std::byte> content, uint64_t promised) {
  Wire wire;
  const auto append = [&wire](uint64_t number, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) wire.push_back(static_cast<std::byte>(number >> 8 * i));
  };
  append(4 + 1 + 8 + 3 + content.size(), 8);
  append(0xfd2fb528, 4);
  append(0xe0, 1);
  append(promised, 8);
  append(1 | content.size() << 3, 3);
  wire.insert(wire.end(), content.begin(), content.end());
  return wire;
}

class Promises {
 public:
  // `honest` is taken first: what a codec makes once and keeps is there from then on.
  Promises(const Codec& codec, const Wire& honest) : codec_(codec) {
    EXPECT_TRUE(take(honest));
    most_ = 0;
  }

  // Returns whether the wire was decoded.
  bool take(const Wire& wire) {
    std::ranges::fill(y_, 0.0f);
    const size_t before = test::bytes_asked_for;
    const bool accepted = codec_.check(wire, y_.size()).ok();
    const bool decoded = codec_.decode_add(wire, 1, y_).ok();
    most_ = std::max(most_, test::bytes_asked_for - before);
    EXPECT_EQ(accepted, decoded);
    return decoded;
  }

  size_t most_bytes() const { return most_; }

 private:
  const Codec& codec_;
  std::vector<float> y_ = std::vector<float>(kValues);
  size_t most_ = 0;
};

// Calls take(altered, number) with every number in every place of `wire`.
template <class Take>
void for_each_promise(const Wire& wire, Take take) {
  for (const auto& [number, bytes] : {std::pair{uint64_t{0xffffffff}, size_t{4}},
                                      {uint64_t{1} << 60, size_t{8}},
                                      {~uint64_t{0}, size_t{8}}}) {
    for (size_t at = 0; at + bytes <= wire.size(); ++at) {
      Wire altered = wire;
      std::memcpy(altered.data() + at, &number, bytes);
      take(altered, number);
    }
  }
}

void expect_that_promises_cost_nothing(const Codec& codec) {
  const Wire honest = test::encoded(codec, test::make_vector(test::Shape::kRandom, kValues, 1));
  Promises promises(codec, honest);
  size_t refused = 0;
  for_each_promise(honest,
                   [&](const Wire& wire, uint64_t) { refused += promises.take(wire) ? 0 : 1; });
  EXPECT_LE(promises.most_bytes(), kMostBytes);
  // The number of values stands at the head, but where each is coded by itself.
  if (codec.bytes_per_value() == 0) {
    EXPECT_GT(refused, 0u);
  }
}

TEST(CodecPromises, OfEveryCodecAndChainCostNothing) {
  for (const std::string& spec : test::every_codec()) {
    SCOPED_TRACE(spec);
    expect_that_promises_cost_nothing(*make_codec(spec));
  }
}

TEST(CodecPromises, InsideAPackedWireCostNothing) {
  for (const std::string& spec : test::every_codec()) {
    if (!spec.ends_with(kPacked)) continue;
    SCOPED_TRACE(spec);
    const auto codec = make_codec(spec);
    const auto inner = make_codec(spec.substr(0, spec.size() - kPacked.size()));
    const Wire honest = test::encoded(*inner, test::make_vector(test::Shape::kRandom, kValues, 1));
    Promises promises(*codec, packed(honest, honest.size()));
    for_each_promise(honest, [&](const Wire& wire, uint64_t number) {
      EXPECT_EQ(inner->check(wire, kValues).ok(), promises.take(packed(wire, wire.size())));
      EXPECT_FALSE(promises.take(packed(wire, number)));
    });
    EXPECT_LE(promises.most_bytes(), kMostBytes);
  }
}

TEST(CodecPromises, OfLayersCostNothing) {
  const Layout layout = {{"weight", {20, 14}}, {"bias", {20}}};
  ASSERT_EQ(values_of(layout), kValues);
  for (const std::string& spec : test::every_codec()) {
    SCOPED_TRACE(spec);
    expect_that_promises_cost_nothing(*make_layered_codec(spec, {.each = true}, layout));
  }
}

// That the counter sees what it is there for.
TEST(CodecPromises, WhatIsAskedForIsCounted) {
  const size_t before = test::bytes_asked_for;
  Pool pool;
  { const Buffer block = pool.acquire(size_t{3} << 20); }
  if (test::kAlignedAreCounted) {
    EXPECT_GE(test::bytes_asked_for - before, size_t{3} << 20);
  }
  const size_t between = test::bytes_asked_for;
  const auto words = std::make_unique<uint64_t[]>(1 << 17);
  EXPECT_NE(words.get(), nullptr);
  EXPECT_GE(test::bytes_asked_for - between, size_t{1} << 20);
}

}  // namespace
}  // namespace kith
