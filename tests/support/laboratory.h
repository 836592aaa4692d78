// A job text of the quadratic laboratory in, measured moments beside their theory out.
#pragma once

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

}  // namespace kith
