// What every codec writes for some vectors, as one number: equal on every instruction set and every
// machine. tests/end_to_end/instruction_sets.py runs this program once for each.
#include <gtest/gtest.h>

#include <cinttypes>

#include "protocol/codec.h"
#include "protocol/kernels.h"
#include "tests/codec_specs.h"
#include "tests/forced_instruction_set.h"
#include "tests/vectors.h"

namespace kith {
namespace {

// FNV-1a.
uint64_t mixed(uint64_t hash, std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes) {
    hash = (hash ^ std::to_integer<uint64_t>(byte)) * 0x100000001b3;
  }
  return hash;
}

TEST(CodecBytes, OfEveryCodec) {
  test::force_instruction_set();
  uint64_t hash = 0xcbf29ce484222325;
  size_t wires = 0;
  for (const std::string& spec : test::every_codec()) {
    const auto codec = make_codec(spec);
    for (const test::Shape shape : test::kShapes) {
      for (const size_t n : {size_t{1}, size_t{9}, size_t{1000}, size_t{70001}}) {
        Pool pool;
        Rng rng = test::test_rng(n);
        SharedBuffer wire;
        const SharedBuffer x = copy_of(test::make_vector(shape, n, n), pool);
        if (!codec->encode(x, rng, pool, wire).ok()) continue;
        std::vector<float> y(n, 0.25f);
        ASSERT_TRUE(codec->decode_add(wire.bytes(), 0.7f, y).ok());
        hash = mixed(mixed(hash, wire.bytes()), std::as_bytes(std::span(y)));
        ++wires;
      }
    }
  }
  EXPECT_GT(wires, 1000u);
  std::string names;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    names += std::string(" ") + hwy::TargetName(target);
  }
  std::printf("instruction sets:%s\nhash of %zu wires: %016" PRIx64 "\n", names.c_str(), wires,
              hash);
}

}  // namespace
}  // namespace kith
