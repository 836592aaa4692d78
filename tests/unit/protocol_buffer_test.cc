// A shared block as a writer again (buffer.h): in place for its only holder, a copy for others.
#include <gtest/gtest.h>

#include <vector>

#include "protocol/buffer.h"

namespace kith {
namespace {

TEST(Writable, IsTheBlockItselfForItsOnlyHolder) {
  Pool pool;
  SharedBuffer shared = copy_of(std::vector<float>(16, 3), pool);  // 64 bytes: no rounding up
  const std::byte* place = shared.data();
  Buffer writer = writable(std::move(shared), pool);
  EXPECT_EQ(writer.data(), place);
  EXPECT_EQ(writer.floats()[2], 3);
  EXPECT_EQ(pool.live_bytes(), writer.size());
}

TEST(Writable, IsACopyWhereSomebodyElseHoldsTheBlock) {
  Pool pool;
  SharedBuffer shared = copy_of(std::vector<float>{1, 2, 3}, pool);
  const SharedBuffer other = shared;
  Buffer writer = writable(std::move(shared), pool);
  EXPECT_NE(writer.data(), other.data());
  writer.floats()[0] = 9;
  EXPECT_EQ(writer.floats()[1], 2);
  EXPECT_EQ(other.floats()[0], 1);
}

// Any number of sizes between two powers of two, from 512 bytes up, ends in eight kinds of blocks.
TEST(Pool, BlocksOfVaryingSizeServeEachOther) {
  Pool pool;
  for (size_t bytes = 65536; bytes < 131072; bytes += 997) {
    const Buffer block = pool.acquire(bytes);
    EXPECT_EQ(block.size(), bytes);
    EXPECT_GE(pool.live_bytes(), bytes);
    EXPECT_LE(pool.live_bytes(), bytes + bytes / 8);
  }
  EXPECT_LE(pool.cached_bytes(), 9u * 131072);
  for (const size_t bytes : {0, 1, 63, 64, 65, 511, 513}) {
    const size_t before = pool.live_bytes();
    const Buffer block = pool.acquire(bytes);
    EXPECT_LE(pool.live_bytes() - before, bytes + 64);
  }
}

}  // namespace
}  // namespace kith
