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

}  // namespace
}  // namespace kith
