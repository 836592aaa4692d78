// A datagram of anybody on the network: only what beacon_text writes is one.
#include <gtest/gtest.h>

#include "daemon/real/beacon.h"

namespace kith {
namespace {

TEST(Beacon, RoundTrips) {
  const auto read = parse_beacon(beacon_text({"kith", "10.0.0.5:7400"}));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->swarm, "kith");
  EXPECT_EQ(read->address, "10.0.0.5:7400");
}

TEST(Beacon, WhatIsNoBeaconIsPassedOver) {
  for (const std::string_view text :
       {"", "\n", "kith-beacon 1 ", "kith-beacon 1 \n", "kith-beacon 1 kith\n",
        "kith-beacon 2 kith 10.0.0.5:7400\n", "kith-beacon 1 kith 10.0.0.5:7400",
        "kith-beacon 1 kith 10.0.0.5\n", "kith-beacon 1 kith 10.0.0.5:0\n",
        "kith-beacon 1 kith 10.0.0.5:99999\n", "kith-beacon 1 kith \x1b[2J:7400\n",
        "kith-beacon 1 kith 10.0.0.5:7400 \n", "kith-beacon 1 kith 10.0.0.5:7400\n\n"}) {
    EXPECT_FALSE(parse_beacon(text).has_value()) << text;
  }
  const std::string whole = beacon_text({"kith", "10.0.0.5:7400"});
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(parse_beacon(whole.substr(0, size)).has_value()) << size;
  }
}

}  // namespace
}  // namespace kith
