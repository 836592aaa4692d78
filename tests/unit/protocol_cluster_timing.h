// Clusters of equal nodes, for tests of run times.
#pragma once

#include <gtest/gtest.h>

#include "protocol/theory/runtime.h"

namespace kith {

inline ClusterTiming cluster_of(std::shared_ptr<const Delay> law, uint32_t nodes, double d = 0) {
  return {.compute = std::vector(nodes, std::move(law)),
          .round_trip = std::vector<double>(nodes, d)};
}

inline ClusterTiming cluster_of(const std::string& law, uint32_t nodes, double d = 0) {
  return cluster_of(std::shared_ptr<const Delay>(make_delay(law)), nodes, d);
}

inline void expect_exact(const RunTime& time, double seconds) {
  EXPECT_EQ(time.low, time.seconds_per_round);
  EXPECT_EQ(time.high, time.seconds_per_round);
  EXPECT_EQ(time.standard_error, 0);
  EXPECT_NE(time.method, Method::kMonteCarlo);
  EXPECT_NEAR(time.seconds_per_round, seconds, 1e-9 * seconds) << time.formula;
}

}  // namespace kith
