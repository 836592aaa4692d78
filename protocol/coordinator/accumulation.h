// How far local steps of SGD go: the norm by which FedNova makes nodes with different numbers of
// steps comparable (Wang et al. 2020).
#pragma once

#include <cstdint>

#include "protocol/optimizer.h"

namespace kith {

// eta ||a||_1: the displacement x - y that `steps` steps from the batch `first` of `total` on make
// when every gradient is 1, with pull mu to x and momentum that begins at 0. With a constant rate:
//   tau eta without either;  [tau - r (1 - r^tau) / (1 - r)] / (1 - r) eta with momentum r;
//   (1 - (1 - eta mu)^tau) / mu with the pull
// Looks at rate, schedule, momentum and nesterov of `sgd` alone. O(steps).
double accumulated_rate(const OptimizerSpec& sgd, double mu, uint64_t first, uint32_t steps,
                        uint64_t total);

}  // namespace kith
