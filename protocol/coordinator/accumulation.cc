#include "protocol/coordinator/accumulation.h"

namespace kith {

double accumulated_rate(const OptimizerSpec& sgd, double mu, uint64_t first, uint32_t steps,
                        uint64_t total) {
  const auto momentum = static_cast<double>(sgd.momentum);
  double displacement = 0;
  double velocity = 0;
  for (uint32_t k = 0; k < steps; ++k) {
    const double gradient = 1 - mu * displacement;
    velocity = momentum * velocity + gradient;
    const double direction = sgd.nesterov ? gradient + momentum * velocity : velocity;
    displacement += static_cast<double>(sgd.rate_at(first + k, total)) * direction;
  }
  return displacement;
}

}  // namespace kith
