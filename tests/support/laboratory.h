// A job text of the quadratic laboratory in, measured moments beside their theory out.
#pragma once

#include <gtest/gtest.h>

#include <cmath>

#include "daemon/store/laboratory.h"
#include "tests/support/simulate.h"

namespace kith {

inline LaboratoryResult measure(const std::string& toml, uint32_t nodes) {
  const SimulationResult result = simulate_text(toml, nodes);
  std::vector<std::span<const float>> vectors;
  for (const SharedBuffer& x : result.parameters) vectors.push_back(x.floats());
  LaboratoryResult lab = measure_laboratory(vectors);
  lab.predicted = predict_laboratory(parse_job(toml), nodes, result.rounds);
  return lab;
}

inline constexpr double kStandardErrors = 4;

// Within 4 standard errors. `slack` is relative, `absolute` not: for float32 arithmetic and
// printed digits.
inline void expect_near(const Estimate& estimate, double expected, double slack = 1e-4,
                        double absolute = 1e-7) {
  EXPECT_NEAR(estimate.value, expected,
              kStandardErrors * estimate.standard_error + slack * std::abs(expected) + absolute);
}

inline void expect_theory(const LaboratoryResult& lab) {
  ASSERT_TRUE(lab.predicted);
  expect_near(lab.mean_of_average, lab.predicted->mean_of_average);
  expect_near(lab.variance_of_average, lab.predicted->variance_of_average);
  expect_near(lab.consensus, lab.predicted->consensus);
}

}  // namespace kith
