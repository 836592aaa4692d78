// Positions read from a wire, for tests.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "protocol/codec/position_sink.h"

namespace kith::test {

struct Collected final : PositionSink {
  void take(std::span<const uint32_t> some) override {
    EXPECT_TRUE(!some.empty() && some.size() <= kMost);
    indices.insert(indices.end(), some.begin(), some.end());
  }
  std::vector<uint32_t> indices;
};

}  // namespace kith::test
